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

impl StreamWait for ExpectStreamEnd {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.stream, Access::Waits)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Expectation for ExpectStreamEnd {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = self.expected();
        let stream = view.stream(connections)?;
        let stopped = stream
            .stopped
            .map(|(moment, code)| (moment, Some(code), "not wanted any more (STOP_SENDING)"));
        let ended = stream.end.map(|(moment, end)| match end {
            StreamEnd::Fin => (moment, None, "ended (FIN)"),
            StreamEnd::Reset(code) => (moment, Some(code), "broken off (RESET_STREAM)"),
            // Whether FIN came before, the monitor judges.
            StreamEnd::OfSession => (moment, None, "ended with its session"),
        });
        let ends = [stopped, ended].into_iter().flatten();
        let met = match self.anyhow {
            true => ended,
            false => ends.clone().find(|(_, code, _)| *code == self.code),
        };
        let first = ends.min_by_key(|(moment, ..)| moment.at);
        // Who wants no more of what is sent may still send.
        let is_final = self.code.is_some() || stream.end.is_some();
        let in_words = |code: Option<u64>, how: &str| match code {
            None => how.to_owned(),
            Some(NO_SESSION_CODE) => format!("{how} with a code that is none of a session"),
            Some(code) => format!("{how} with code {code}"),
        };
        Ok(match (met, first) {
            (Some((moment, code, how)), _) => view.came(moment, &expected, in_words(code, how)),
            (None, Some((moment, code, how))) if is_final => {
                view.instead(moment, &expected, &in_words(code, how))
            }
            (None, _) => view.not_yet_on(connections, &expected, "it goes on"),
        })
    }
}
