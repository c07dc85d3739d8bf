use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::Faults;

use super::prelude::streams::*;
use super::prelude::*;
use super::transport::{self, Parameters};

/// A connection of the implementation under test to wait for, and to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The name that it gets.
    #[serde(
        rename = "as",
        default = "main_connection",
        skip_serializing_if = "is_main"
    )]
    pub name: String,
    /// Refuses it in its handshake instead of taking it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuse: bool,
    /// Transport parameters that the scripted peer announces with these values and does not keep.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub announces: Parameters,
    /// Transport parameters of the implementation that the scripted peer takes to have these values:
    /// it overruns the limits that were announced.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub believes: Parameters,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl Verb for Accept {
    fn play(&self) -> Play<'_> {
        Play::Looks(self)
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.judged_by(self.requirement.as_deref(), inside);
        check.window(self.after.as_ref(), &self.within, inside);
        transport::check(check, &self.announces, &self.believes, inside);
        if check.scenario().iut.role == Role::Responder {
            let message = "the implementation is the server: it connects to nobody";
            let help = "begin a connection with `connect`".to_owned();
            check.at_key(inside, message, Some(help));
        }
    }

    fn follow(&self, _: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        state.names.connect(&self.name);
        if self.refuse {
            state.names.over(&self.name, Over::Closed, inside);
        }
    }

    fn in_words(&self) -> String {
        let name = words::named(&self.name);
        let window = words::window(self.after.as_ref(), &self.within);
        let does = if self.refuse { "refuse" } else { "take" };
        let faults = transport::in_words(&self.announces, &self.believes);
        let judged = words::judged(self.requirement.as_deref());
        format!("wait for a connection{name}{window} and {does} it{faults}{judged}")
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.stretched(&self.within)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        pace.least(self.after.as_ref())
    }

    fn requirements(&self) -> Vec<&str> {
        self.requirement.as_deref().into_iter().collect()
    }
}

impl Looks for Accept {
    fn watch(
        &self,
        start: Duration,
        context: &Context,
        _: &Connections,
    ) -> Result<Box<dyn Watch>, String> {
        Ok(Box::new(Asking {
            name: self.name.clone(),
            refuse: self.refuse,
            faults: transport::faults(&self.announces, &self.believes),
            window: Window::new(start, self.after.as_ref(), &self.within, context),
            taken: None,
            failed: Vec::new(),
        }))
    }
}

/// A connection that is waited for.
#[derive(Debug)]
struct Asking {
    name: String,
    refuse: bool,
    faults: Faults,
    window: Window,
    /// The connection that was admitted or refused.
    taken: Option<(ConnectionNumber, Moment)>,
    /// How handshakes ended that did not get done.
    failed: Vec<String>,
}

impl Watch for Asking {
    fn due(&self) -> Duration {
        self.window.upper
    }

    /// A connection is taken when its handshake is done; one whose handshake fails makes room for the
    /// next.
    fn look(&mut self, view: &View<'_>, world: &mut Connections) -> Look {
        let (window, refuse) = (&self.window, self.refuse);
        let expected = "a connection of the implementation";
        loop {
            let Some((number, asked)) = self.taken else {
                let Some((number, asked)) = world.incoming.pop_front() else {
                    let failed = self.failed.join(", ");
                    let got = match failed.as_str() {
                        "" => "nothing",
                        failed => failed,
                    };
                    return view.not_yet(window, expected, got);
                };
                self.taken = Some((number, asked));
                world.begin(number);
                if refuse {
                    world.closes(number, view.now);
                    world.ask(Output::Refuse(number));
                } else {
                    world.ask(Output::AdmitBy(number, self.faults.clone()));
                }
                continue;
            };
            if refuse || window.is_early(asked.at) {
                let said = if refuse {
                    "refused a connection"
                } else {
                    "got a connection"
                };
                return view.came(window, asked, expected, said.to_owned(), Vec::new());
            }
            let Some(connection) = world.connections.get(&number) else {
                return Look::Unfair("the connection is forgotten".to_owned());
            };
            match (connection.connected, &connection.ended) {
                (Some(moment), _) => {
                    let said = "got a connection".to_owned();
                    return view.came(window, moment, expected, said, Vec::new());
                }
                (None, Some(_)) => {
                    let how = connection.how().unwrap_or_default();
                    self.failed.push(format!("a connection that was {how}"));
                    self.taken = None;
                }
                (None, None) => {
                    let got = "a connection whose handshake is not done";
                    return view.not_yet(window, expected, got);
                }
            }
        }
    }

    fn take(&self, world: &mut Connections) {
        if let Some((number, _)) = self.taken {
            world.add(number, &self.name);
        }
    }
}
