use super::prelude::datagrams::*;
use super::prelude::*;
use crate::script::window::slack;

lasting! {
    /// Silence to wait for.
    pub struct ExpectNothing {
        /// Only these frames are forbidden; every frame if not given.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub of: Vec<String>,
        /// The socket at which nothing may arrive; all sockets if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub at: Option<String>,
        /// Frames that this step lets pass besides the scenario's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub ignore: Vec<String>,
    }
}

impl Verb for ExpectNothing {
    fn has_datagram(&self) -> bool {
        false
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.frame_names(&self.of, &inside.key("of"));
        check.frame_names(&self.ignore, &inside.key("ignore"));
        check.socket(self.at.as_deref(), &inside.key("at"), false);
    }

    fn follow(&self, check: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        // Silence means that nothing came but what it lets pass.
        let passes = [&self.ignore, &self.of, &check.scenario().ignore];
        state.heard |= passes.iter().any(|names| !names.is_empty());
    }

    fn frames(&self) -> Vec<&str> {
        self.ignore.iter().map(String::as_str).collect()
    }

    fn in_words(&self) -> String {
        let what = match self.of.as_slice() {
            [] => "nothing".to_owned(),
            names => format!("no {}", names.join(" and no ")),
        };
        let at = words::at(self.at.as_deref());
        let ignore = words::passing(&self.ignore);
        format!("{what} may come for {}{at}{ignore}", self.span)
    }

    fn sockets(&self) -> Vec<&str> {
        self.at.as_deref().into_iter().collect()
    }
}

impl Waits for ExpectNothing {
    fn wait(&self, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String> {
        let sockets = match &self.at {
            Some(name) => vec![context.socket(Some(name))?],
            None => context.sockets(),
        };
        let span = resolve(&self.span, &context.environment);
        Ok(Box::new(Silence {
            silence: self.clone(),
            sockets,
            start,
            span,
        }))
    }
}

/// Silence that is waited for.
#[derive(Debug)]
struct Silence {
    silence: ExpectNothing,
    sockets: Vec<SocketId>,
    start: Duration,
    span: Duration,
}

impl Awaited for Silence {
    fn sockets(&self) -> &[SocketId] {
        &self.sockets
    }

    fn due(&self) -> Duration {
        self.start.saturating_add(self.span)
    }

    fn is_over_at(&self, at: Duration) -> bool {
        at >= self.due()
    }

    fn offer(&mut self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Offer {
        let (silence, context) = (&self.silence, judge.context);
        let allowed = decoded.frame.filter(|_| !silence.of.is_empty());
        let allowed = allowed.filter(|frame| !silence.of.iter().any(|name| name == frame));
        if let Some(frame) = allowed.or(context.ignores(decoded, &silence.ignore)) {
            return Offer::Ignored(frame);
        }
        if decoded.frame.is_none() && !silence.of.is_empty() {
            return Offer::Ignored("unknown or malformed");
        }
        let what = match silence.of.as_slice() {
            [] => "nothing".to_owned(),
            names => format!("no {}", names.join(", no ")),
        };
        let datagram = context.describe(&arrival.payload);
        let place = context.place(arrival.socket);
        let elapsed = human_time(arrival.at.saturating_sub(self.start));
        let expected = format!("{what} for {}", human_time(self.span));
        let got = format!("{datagram}{place} after {elapsed}");
        let mut failure = judge.failure_by(arrival, expected, got);
        failure.slack = Some(slack(self.span, &context.environment));
        Offer::Failed(failure)
    }

    fn end(&self, _: &Judge<'_>, _: Option<&Arrival>) -> End {
        End::Done(self.due(), format!("nothing for {}", human_time(self.span)))
    }
}
