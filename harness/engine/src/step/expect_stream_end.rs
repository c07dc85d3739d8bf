use super::prelude::streams::*;
use super::prelude::*;
use crate::script::streams::ended::with_code;

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
        let stopped = stream.stopped.map(|(moment, code)| {
            let how = with_code("not wanted any more (STOP_SENDING)", code);
            (moment, Some(code), how)
        });
        // Whether FIN came before the end of a session, the monitor judges.
        let ended = stream
            .end
            .map(|(moment, end)| (moment, end.code(), end.in_words()));
        let ends = [&stopped, &ended].into_iter().flatten();
        let met = match self.anyhow {
            true => ended.as_ref(),
            false => ends.clone().find(|(_, code, _)| *code == self.code),
        };
        let first = ends.min_by_key(|(moment, ..)| moment.at);
        // Who wants no more of what is sent may still send.
        let is_final = self.code.is_some() || stream.end.is_some();
        Ok(match (met, first) {
            (Some((moment, _, how)), _) => view.came(*moment, &expected, how.clone()),
            (None, Some((moment, _, how))) if is_final => view.instead(*moment, &expected, how),
            (None, _) => view.not_yet_on(connections, &expected, "it goes on"),
        })
    }
}
