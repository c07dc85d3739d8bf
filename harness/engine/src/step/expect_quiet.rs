use serde_json::Value;

use super::prelude::streams::*;
use super::prelude::*;

lasting! {
    /// Silence of a stream or a connection to wait for: no stream, no byte, no end, no close.
    pub struct ExpectQuiet {
        /// Only this stream has to be silent, and its connection to live; the connection with all its
        /// streams if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stream: Option<String>,
        /// The connection.
        #[serde(default = "main_connection", skip_serializing_if = "is_main")]
        pub connection: String,
    }
}

impl Verb for ExpectQuiet {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if self.stream.is_some() && self.connection != MAIN {
            let message = "a stream implies its connection; remove `connection`";
            let help = Some("leave it out".to_owned());
            check.at_key(&inside.key("connection"), message, help);
        }
    }

    fn in_words(&self) -> String {
        let place = match &self.stream {
            Some(stream) => format!(" on `{stream}`"),
            None => words::of(&self.connection),
        };
        format!("nothing may come{place} for {}", self.span)
    }
}

impl StreamWait for ExpectQuiet {
    fn subject(&self) -> Subject<'_> {
        match &self.stream {
            Some(stream) => Subject::Stream(stream, Access::NeedsAlive),
            None => Subject::Connection(&self.connection, Access::NeedsAlive),
        }
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl ExpectQuiet {
    /// The first thing that breaks it: the end of the connection, bytes that no step took, an end of
    /// the stream; of a whole connection also a stream without a name or a datagram. How the
    /// connection ended, if it is that.
    fn disturbance(
        &self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Option<(Moment, String, Option<ConnectionEnd>)> {
        let only = view.target.stream().ok().map(|(_, stream)| stream);
        let number = view.target.connection().ok()?;
        let connection = connections.by_number.get_mut(&number)?;
        let streams = connection.streams.iter_mut();
        // Takes what the scenario lets pass.
        for (_, stream) in streams.filter(|(id, _)| only.is_none_or(|only| only == **id)) {
            stream.let_pass(|frame| view.judge.context.lets_pass(frame, &[]));
        }
        let waits = view.judge.context.lets_any_pass() && view.now < view.window.upper;
        let all = match only {
            Some(id) => {
                let stream = connection.streams.get(&id);
                stream.map_or_else(Vec::new, |stream| {
                    of_stream(stream, view.window.start, waits)
                })
            }
            None => of_connection(connection, view.window.start, waits),
        };
        let first = all.into_iter().min_by_key(|(moment, _)| moment.at);
        let first = first.map(|(moment, what)| (moment, what, None));
        let end = connection.ended.as_ref().map(|(moment, end)| {
            let how = connection.how().unwrap_or_default();
            (*moment, how, Some(end.clone()))
        });
        // What came before the end came first, even at the same moment.
        first
            .into_iter()
            .chain(end)
            .min_by_key(|(moment, _, _)| moment.at)
    }
}

impl Expectation for ExpectQuiet {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let span = human_time(view.window.within);
        let disturbed = self.disturbance(view, connections);
        Ok(
            match disturbed.filter(|(moment, _, _)| moment.at < view.window.upper) {
                Some((moment, what, end)) => {
                    let name = self.stream.as_ref();
                    let place =
                        name.map_or_else(|| view.called.to_owned(), |name| format!("`{name}`"));
                    let state =
                        view.broken(moment, &format!("nothing on {place} for {span}"), &what);
                    match end {
                        Some(end) => state.by_end(view, &end),
                        None => state,
                    }
                }
                None => view.lasted(format!("nothing for {span}")),
            },
        )
    }
}

fn of_connection(connection: &Connection, start: Duration, waits: bool) -> Vec<(Moment, String)> {
    let mut all = Vec::new();
    for stream in connection.streams.values() {
        if let Some(opened) = stream.opened.filter(|_| !stream.is_named) {
            all.push((opened, "a stream".to_owned()));
        }
        all.extend(of_stream(stream, start, waits));
    }
    if let Some((moment, length, _)) = connection.datagrams {
        all.push((moment, format!("a datagram of {length} bytes")));
    }
    all
}

/// `waits`: what may become a frame that is let pass is waited for.
fn of_stream(stream: &Stream, start: Duration, waits: bool) -> Vec<(Moment, String)> {
    let mut all = Vec::new();
    let came = stream.came(stream.taken);
    if let Some(moment) = came.filter(|_| !(waits && stream.is_partial())) {
        let what = match stream.frames.front().map(|frame| &frame.said) {
            Some(Ok(said)) => {
                let fields = describe::value(&Value::Object(said.fields.clone()));
                format!("{} {fields}", said.frame)
            }
            Some(Err(_)) | None => {
                let bytes = describe::bytes(&stream.from(stream.taken, 33));
                format!("the bytes {bytes}")
            }
        };
        all.push((moment, format!("{what} at offset {}", stream.taken)));
    }
    // No step takes an end: one that came before is no news.
    let is_news = |moment: Moment| moment.at >= start;
    if let Some((moment, end)) = stream.end.filter(|(moment, _)| is_news(*moment)) {
        all.push((moment, format!("a stream {}", end.in_words())));
    }
    if let Some((moment, code)) = stream.stopped.filter(|(moment, _)| is_news(*moment)) {
        let got = format!("a stream of which no more is wanted (STOP_SENDING, code {code})");
        all.push((moment, got));
    }
    all
}
