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

        /// What is to be done.
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
    /// Play scenarios against an implementation and judge what goes over the wire
    Run => run,
    /// Test every initiator with every responder: the interoperability matrix
    Interop => interop,
    /// Reduce a failing scenario to what matters (test-case reduction)
    #[command(visible_alias = "reduce")]
    Shrink => shrink,
    /// Fuzz an implementation with conversations that are grown from scenarios
    Fuzz => fuzz,
    /// Play faulty twins of the references: proof that the scenarios find what they are for
    Twins => twins,
    /// Check the reference by bounded model checking or by random runs
    Explore => explore,
    /// Judge captures: find the sessions in them and the requirements that they break
    Check => check,
    /// Write each datagram of a capture as one decoded line
    Dissect => dissect,
    /// Print a dissector of all protocols for Wireshark
    Dissector => dissector,
    /// Report runs that are over again, several as one
    Report => report,
    /// Serve whoever asks: the reference responder or server of a protocol
    Serve => serve,
    /// Ask for what a server has and take it: the reference initiator or client of a protocol
    Connect => connect,
    /// Talk to a server by hand
    Repl => repl,
    /// List scenarios, requirements, twins, protocols or descriptions
    List => list,
    /// Explain a requirement or a scenario
    Explain => explain,
    /// Print a scenario that is built in, to make one of your own of it
    Show => show,
    /// End what runs that were killed left running
    Clean => clean,
    /// Describe an implementation: asks or takes flags, writes the description, and plays a first run
    Init => init,
    /// Say what this machine allows, and what the lack of the rest means
    Doctor => doctor,
    /// Print the JSON Schema of scenarios, of descriptions or of events
    Schema => schema,
    /// Print a completion script for a shell
    Completions => completions,
    /// Write man pages
    Man => man,
}
