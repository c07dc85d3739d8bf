//! `shakedown schema WHAT`.

use std::io::Write;

use clap::ValueEnum;
use shakedown_engine::schema;
use shakedown_net::fuzz::FuzzEvent;

use crate::exit::{Exit, Failure};
use crate::logging::Global;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: let an editor check scenarios
  shakedown schema scenario > scenario.schema.json")]
pub(crate) struct Args {
    /// The subject of the schema
    what: SchemaKind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaKind {
    /// Scenario files
    Scenario,
    /// Descriptions of implementations (TOML)
    Iut,
    /// One event of `--format json`
    Events,
    /// One event of `fuzz --format json`
    FuzzEvents,
    /// Traces of `explore`: runs of an initiator and a responder
    Trace,
}

impl Args {
    /// Writes the schema to standard output.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let schema = match self.what {
            SchemaKind::Scenario => schema::scenario(),
            SchemaKind::Iut => schema::iut(),
            SchemaKind::Events => schema::events(),
            SchemaKind::FuzzEvents => schema::of::<FuzzEvent>("Shakedown event of fuzzing"),
            SchemaKind::Trace => schema::trace(),
        };
        let mut out = std::io::stdout().lock();
        out.write_all(schema::to_text(&schema).as_bytes())?;
        out.flush()?;
        Ok(Exit::Success)
    }
}
