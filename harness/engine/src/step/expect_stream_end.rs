use super::prelude::streams::*;
use super::prelude::*;
use crate::script::streams::ended::StreamEnd;
use crate::script::streams::web::NO_SESSION_CODE;

within! {
    /// The end of a stream by the implementation under test to wait for: it breaks its sending off or wants
    /// no more bytes, with this code, or (without one) sends no more (FIN).
    pub struct ExpectStreamEnd {
        /// The stream.
        pub stream: String,
        /// The code of RESET_STREAM or STOP_SENDING, as a session has it where the stream is of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub code: Option<u64>,
        /// Whether it does not matter how it ends its sending: by FIN, or broken off with any code.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub anyhow: bool,
    }
}

impl Verb for ExpectStreamEnd {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if let Some(code) = self.code {
            check.code(code, &inside.key("code"));
            if self.anyhow {
                let message = "`code` and `anyhow` exclude each other";
                check.at_key(&inside.key("anyhow"), message, None);
            }
        }
    }

    fn in_words(&self) -> String {
        format!("{}{}", self.expected(), self.when())
    }
}

impl ExpectStreamEnd {
    fn expected(&self) -> String {
        match self.code {
            None if self.anyhow => format!("`{}` ended or broken off", self.stream),
            None => format!("`{}` ended (FIN)", self.stream),
            Some(code) => format!("`{}` broken off with code {code}", self.stream),
        }
    }
}

impl Looks for ExpectStreamEnd {
    fn on(&self) -> On<'_> {
        On::Stream(&self.stream, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let (connection, stream) = start.target.stream()?;
        Ok(Box::new(Ending {
            wanted: self.clone(),
            connection,
            stream,
            window: self.window(start.at, start.context),
        }))
    }
}

/// The end of a stream that is waited for.
#[derive(Debug)]
struct Ending {
    wanted: ExpectStreamEnd,
    connection: ConnectionNumber,
    stream: StreamId,
    window: Window,
}

impl Watch for Ending {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let expected = self.wanted.expected();
        let Some(stream) = connections.stream(self.connection, self.stream) else {
            return Look::forgotten();
        };
        let stopped = stream
            .stopped
            .map(|(moment, code)| (moment, Some(code), "not wanted any more (STOP_SENDING)"));
        let ended = stream.end.map(|(moment, end)| match end {
            StreamEnd::Fin => (moment, None, "ended (FIN)"),
            StreamEnd::Reset(code) => (moment, Some(code), "broken off (RESET_STREAM)"),
        });
        let ends = [stopped, ended].into_iter().flatten();
        let met = match self.wanted.anyhow {
            true => ended,
            false => ends.clone().find(|(_, code, _)| *code == self.wanted.code),
        };
        let first = ends.min_by_key(|(moment, ..)| moment.at);
        // Who wants no more of what is sent may still send.
        let is_final = self.wanted.code.is_some() || stream.end.is_some();
        let in_words = |code: Option<u64>, how: &str| match code {
            None => how.to_owned(),
            Some(NO_SESSION_CODE) => format!("{how} with a code that is none of a session"),
            Some(code) => format!("{how} with code {code}"),
        };
        match (met, first) {
            (Some((moment, code, how)), _) => {
                let said = in_words(code, how);
                view.came(&self.window, moment, &expected, said, Vec::new())
            }
            (None, Some((moment, code, how))) if is_final => {
                view.instead(&self.window, moment, &expected, &in_words(code, how))
            }
            (None, _) => view.not_yet_on(
                self.connection,
                connections,
                &self.window,
                &expected,
                "it goes on",
            ),
        }
    }
}
