//! The commands, one module each.
//!
//! A command is a module with `Args` (clap derive, with an example in `after_help`) and
//! `Args::execute(self, &Global) -> Result<Exit, Failure>`, and its line in `commands!` below.
//! What it prints goes through `anstream` with the error of the write handed on by `?`, so that a
//! closed pipe ends the command quietly.

use clap::Subcommand;

use crate::exit::{Exit, Failure};
use crate::logging::Global;

/// Declares the modules, the enum that clap parses, and the call of each.
macro_rules! commands {
    ($($(#[$attribute:meta])* $variant:ident => $module:ident,)*) => {
        $(mod $module;)*

        /// The command.
        #[derive(Debug, Subcommand)]
        #[allow(clippy::large_enum_variant, reason = "there is one in a call")]
        pub(crate) enum Command {
            $($(#[$attribute])* $variant($module::Args),)*
        }

        impl Command {
            /// Does it.
            pub(crate) fn execute(self, global: &Global) -> Result<Exit, Failure> {
                match self {
                    $(Self::$variant(args) => args.execute(global),)*
                }
            }
        }
    };
}

commands! {
    /// Run scenarios against an implementation and judge the traffic
    Run => run,
    /// Test every initiator with every responder: the interoperability matrix
    Interop => interop,
    /// Reduce a failing scenario (test-case reduction)
    #[command(visible_alias = "reduce")]
    Shrink => shrink,
    /// Fuzz an implementation with inputs derived from scenarios
    Fuzz => fuzz,
    /// Run mutants of the references (twins), and check that the scenarios catch them
    Twins => twins,
    /// Check the reference by bounded model checking or by random runs
    Explore => explore,
    /// Judge captures: find the sessions in them and the requirements that they violate
    Check => check,
    /// Print each datagram of a capture as one decoded line
    Dissect => dissect,
    /// Print a Wireshark dissector of all protocols
    Dissector => dissector,
    /// Report finished runs again, several as one
    Report => report,
    /// Run the reference responder or server of a protocol
    Serve => serve,
    /// Run the reference initiator or client of a protocol
    Connect => connect,
    /// Talk to a server interactively
    Repl => repl,
    /// List scenarios, requirements, twins, protocols or descriptions
    List => list,
    /// Explain a requirement or a scenario
    Explain => explain,
    /// Print a built-in scenario, as a starting point for your own
    Show => show,
    /// Stop processes that killed runs left behind
    Clean => clean,
    /// Describe an implementation: ask or take flags, write the description, and do a first run
    Init => init,
    /// Report what this machine permits, and what is affected by the rest
    Doctor => doctor,
    /// Print the JSON Schema of scenarios, of descriptions or of events
    Schema => schema,
    /// Print a completion script for a shell
    Completions => completions,
    /// Write man pages
    Man => man,
}
