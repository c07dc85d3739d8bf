//! `shakedown dissector`.

use std::io::Write;

use shakedown_protocol::wireshark;

use crate::exit::{Exit, Failure};
use crate::logging::Global;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  shakedown dissector > ~/.local/lib/wireshark/plugins/shakedown.lua
  shakedown dissector > shakedown.lua && tshark -X lua_script:shakedown.lua -r recording.pcapng")]
pub(crate) struct Args {}

impl Args {
    /// Writes the script to standard output.
    #[expect(clippy::unused_self, reason = "every command has its arguments")]
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(wireshark::script().as_bytes())?;
        out.flush()?;
        Ok(Exit::Success)
    }
}
