//! `shakedown show SCENARIO`.

use std::io::Write;

use shakedown_engine::document::closest;
use shakedown_engine::scenario::Loaded;

use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::vectors::{library, named};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: derive a scenario from a built-in one
  shakedown show a-lost-syn-ack-is-repeated-once > a-lost-syn-ack-is-repeated-once.json
  shakedown run a-lost-syn-ack-is-repeated-once.json --iut my-server.toml")]
pub(crate) struct Args {
    /// The id of a built-in scenario, or its last part
    scenario: String,
}

impl Args {
    /// Writes the file of the scenario to standard output.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let library = library()?;
        let found = named(&library, &self.scenario);
        let ids = |scenarios: &[_]| -> Vec<&str> {
            let ids = scenarios.iter();
            ids.map(|one: &&Loaded| one.scenario.id.as_str()).collect()
        };
        let [loaded] = found[..] else {
            let name = &self.scenario;
            let help = match ids(&found).as_slice() {
                [] => {
                    let all: Vec<_> = library.scenarios().iter().collect();
                    let all = ids(&all);
                    let names = all.iter().filter_map(|id| id.rsplit('/').next());
                    closest(name, names.chain(all.iter().copied())).map_or_else(
                        || "`shakedown list scenarios` shows what there is".to_owned(),
                        |meant| format!("did you mean `{meant}`?"),
                    )
                }
                several => format!("there are {}", several.join(", ")),
            };
            return Err(usage(format!(
                "no single scenario is called `{name}`; {help}"
            )));
        };
        let mut out = std::io::stdout().lock();
        out.write_all(loaded.text.as_bytes())?;
        out.flush()?;
        Ok(Exit::Success)
    }
}
