use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::Faults;

use super::http::Http3;
use super::prelude::streams::*;
use super::prelude::*;
use super::transport::{self, Parameters};
use crate::script::streams::web::HttpUse;

within! {
    /// A connection of the implementation under test to wait for, and to take.
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
        /// How HTTP/3 is spoken, where it carries the protocol.
        #[serde(default, skip_serializing_if = "Http3::is_usual")]
        pub http3: Http3,
        /// Transport parameters that the scripted peer announces with these values and does not keep.
        #[serde(default, skip_serializing_if = "Parameters::is_empty")]
        pub announces: Parameters,
        /// Transport parameters of the implementation that the scripted peer takes to have these values:
        /// it overruns the limits that were announced.
        #[serde(default, skip_serializing_if = "Parameters::is_empty")]
        pub believes: Parameters,
    }
}

impl Verb for Accept {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        self.http3.check(check, inside);
        transport::check(check, &self.announces, &self.believes, inside);
        if check.scenario().iut.role == Role::Responder {
            let message = "the implementation is the server: it does not connect";
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
        let window = self.when();
        let does = if self.refuse { "refuse" } else { "take" };
        let faults = transport::in_words(&self.announces, &self.believes);
        format!("wait for a connection{name}{window} and {does} it{faults}")
    }
}

impl StreamWait for Accept {
    fn subject(&self) -> Subject<'_> {
        Subject::Nothing
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(Asking {
            name: self.name.clone(),
            refuse: self.refuse,
            speaks: self.http3.speaks()?,
            faults: transport::faults(&self.announces, &self.believes),
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
    speaks: HttpUse,
    faults: Faults,
    /// The connection that was admitted or refused.
    taken: Option<(ConnectionNumber, Moment)>,
    /// How handshakes ended that did not get done.
    failed: Vec<String>,
}

impl Expectation for Asking {
    /// A connection is taken when its handshake is done; one whose handshake fails makes room for the
    /// next.
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let refuse = self.refuse;
        let expected = "a connection of the implementation";
        loop {
            let Some((number, asked)) = self.taken else {
                let Some((number, asked)) = connections.incoming.pop_front() else {
                    let failed = self.failed.join(", ");
                    let got = match failed.as_str() {
                        "" => "nothing",
                        failed => failed,
                    };
                    return Ok(view.not_yet(expected, got));
                };
                self.taken = Some((number, asked));
                connections.begin(number);
                connections.speaks(number, self.speaks.clone());
                if refuse {
                    connections.closes(number, view.now);
                    connections.ask(Output::Refuse(number));
                } else {
                    connections.ask(Output::AdmitBy(number, self.faults.clone()));
                }
                continue;
            };
            if refuse || view.window.is_early(asked.at) {
                let said = if refuse {
                    "refused a connection"
                } else {
                    "got a connection"
                };
                return Ok(view.came(asked, expected, said.to_owned()));
            }
            let Some(connection) = connections.by_number.get(&number) else {
                return Err("the connection is forgotten".to_owned());
            };
            match (connection.connected, &connection.ended) {
                (Some(moment), _) => {
                    let said = "got a connection".to_owned();
                    return Ok(view.came(moment, expected, said));
                }
                (None, Some(_)) => {
                    let how = connection.how().unwrap_or_default();
                    self.failed.push(format!("a connection that was {how}"));
                    self.taken = None;
                }
                (None, None) => {
                    let got = "a connection whose handshake is not done";
                    return Ok(view.not_yet(expected, got));
                }
            }
        }
    }

    fn take(&self, _: Target, connections: &mut Connections) {
        if let Some((number, _)) = self.taken {
            connections.add(number, &self.name);
        }
    }
}
