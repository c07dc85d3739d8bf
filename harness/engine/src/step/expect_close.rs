use shakedown_protocol::streams::{APPLICATION_ERROR, CONNECTION_REFUSED};

use super::prelude::streams::*;
use super::prelude::*;
use crate::script::streams::connections::ALERTS;

within! {
    /// The end of a connection to wait for: by one of `code` or in one of the ways of `or`. Whether its
    /// handshake was done before does not matter, nor what its streams carried.
    pub struct ExpectClose {
        /// The connection.
        #[serde(default = "main_connection", skip_serializing_if = "is_main")]
        pub connection: String,
        /// Codes with which the implementation's application may close it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub code: Vec<u64>,
        /// Other ways in which it may end.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub or: Vec<Ending>,
    }
}

/// How a connection may end besides an application's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It never came to be: it was refused, or its handshake failed.
    Refused,
    /// The implementation's transport closed it, after the handshake.
    Transport,
    /// Silence for the idle timeout.
    IdleTimeout,
    /// The implementation has lost its state (a stateless reset).
    StatelessReset,
}

impl Verb for ExpectClose {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if self.code.is_empty() && self.or.is_empty() && check.is_whole() {
            let message = "no end would do: neither `code` nor `or` names any";
            let help = "name the application's codes in `code`, or `refused`, `transport`, \
                        `idle_timeout` or `stateless_reset` in `or`";
            check.at_key(inside, message, Some(help.to_owned()));
        }
        for (index, code) in self.code.iter().enumerate() {
            let place = inside.key("code").index(index);
            check.code(*code, &place);
            if self.code[..index].contains(code) {
                check.at(&place, format!("{code} stands twice"), None);
            }
        }
        for (index, ending) in self.or.iter().enumerate() {
            if self.or[..index].contains(ending) {
                let message = format!("`{}` stands twice", ending.in_words());
                check.at(&inside.key("or").index(index), message, None);
            }
        }
    }

    fn follow(&self, _: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        state.names.over(&self.connection, Over::Seen, inside);
    }

    fn in_words(&self) -> String {
        let codes = self.code.iter();
        let codes = codes.map(|code| format!("closed with code {code}"));
        let others = self.or.iter().map(|ending| ending.in_words().to_owned());
        let ways: Vec<_> = codes.chain(others).collect();
        let ways = ways.join(" or ");
        let name = words::named(&self.connection);
        let window = self.when();
        format!("the connection{name} must be {ways}{window}")
    }
}

impl Ending {
    /// What happened to a connection that ended so: `refused`.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Transport => "closed by its transport",
            Self::IdleTimeout => "lost by silence",
            Self::StatelessReset => "reset without state",
        }
    }
}

impl StreamWait for ExpectClose {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Waits)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Expectation for ExpectClose {
    fn judges_end(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = format!("{} {}", view.called, self.ends_in_words());
        let connection = view.connection(connections)?;
        let Some((moment, ended)) = &connection.ended else {
            return Ok(view.not_yet(&expected, "it lives on"));
        };
        let how = connection.how().unwrap_or_default();
        Ok(match self.is_met(connection, *moment, ended) {
            true => view.came(*moment, &expected, how),
            false => view.instead(*moment, &expected, &how).by_end(view, ended),
        })
    }
}

impl ExpectClose {
    /// The ends that it wants, without the connection: `closed with code 1 or 5, or refused`.
    fn ends_in_words(&self) -> String {
        let codes: Vec<_> = self.code.iter().map(ToString::to_string).collect();
        let codes = (!codes.is_empty()).then(|| format!("closed with code {}", codes.join(" or ")));
        let others = self.or.iter().map(|ending| ending.in_words().to_owned());
        let ways: Vec<_> = codes.into_iter().chain(others).collect();
        ways.join(", or ")
    }

    /// Whether a connection ended in one of the ways that it wants.
    fn is_met(&self, connection: &Connection, moment: Moment, ended: &ConnectionEnd) -> bool {
        let or = |ending: Ending| self.or.contains(&ending);
        let was_there = connection.connected.is_some();
        match ended {
            ConnectionEnd::Application { code, .. } => self.code.contains(code),
            ConnectionEnd::Refused
            | ConnectionEnd::Transport {
                code: CONNECTION_REFUSED,
                ..
            } => or(Ending::Refused) || (was_there && or(Ending::Transport)),
            ConnectionEnd::Transport { code, .. } => {
                let is_shaking = connection.is_shaking(moment);
                let is_hidden = *code == APPLICATION_ERROR && is_shaking && !self.code.is_empty();
                let breaks = *code == APPLICATION_ERROR || ALERTS.contains(code);
                let is_refused = !was_there || (is_shaking && breaks);
                is_hidden
                    || (is_refused && or(Ending::Refused))
                    || (was_there && or(Ending::Transport))
            }
            ConnectionEnd::TimedOut => or(Ending::IdleTimeout),
            ConnectionEnd::Reset => or(Ending::StatelessReset),
            ConnectionEnd::Other(_) | ConnectionEnd::ByScript => false,
        }
    }
}
