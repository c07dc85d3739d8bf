use super::prelude::streams::*;
use super::prelude::*;

/// Silence of a stream or a connection to wait for: no stream, no byte, no end, no close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectQuiet {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
    /// Only this stream has to be silent, and its connection to live; the connection with all its
    /// streams if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl Verb for ExpectQuiet {
    fn play(&self) -> Play<'_> {
        Play::Looks(self)
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.judged_by(self.requirement.as_deref(), inside);
        check.lasts(&self.span, &inside.key("for"));
        if self.stream.is_some() && self.connection != MAIN {
            let message = "a stream is of one connection: this says it again";
            let help = Some("leave it out".to_owned());
            check.at_key(&inside.key("connection"), message, help);
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        match &self.stream {
            Some(stream) => check.means_stream(stream, inside, Use::Lives, state),
            None => check.means(&self.connection, inside, Use::Lives, state),
        }
    }

    fn in_words(&self) -> String {
        let place = match &self.stream {
            Some(stream) => format!(" on `{stream}`"),
            None => words::of(&self.connection),
        };
        let judged = words::judged(self.requirement.as_deref());
        format!("nothing may come{place} for {}{judged}", self.span)
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.stretched(&self.span)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        pace.exactly(&self.span)
    }

    fn requirements(&self) -> Vec<&str> {
        self.requirement.as_deref().into_iter().collect()
    }
}

impl Looks for ExpectQuiet {
    fn watch(
        &self,
        start: Duration,
        context: &Context,
        world: &Connections,
    ) -> Result<Box<dyn Watch>, String> {
        let (connection, stream, place) = match &self.stream {
            Some(name) => {
                let (connection, stream) = world.stream_named(name)?;
                (connection, Some(stream), format!("`{name}`"))
            }
            None => {
                let connection = world.named(&self.connection)?;
                (connection, None, words::the_connection(&self.connection))
            }
        };
        Ok(Box::new(Silence {
            connection,
            stream,
            place,
            start,
            end: start.saturating_add(resolve(&self.span, &context.environment)),
        }))
    }
}

/// Silence that is waited for.
#[derive(Debug)]
struct Silence {
    connection: ConnectionNumber,
    stream: Option<StreamId>,
    place: String,
    start: Duration,
    end: Duration,
}

impl Silence {
    /// The first thing that breaks it: the end of the connection, bytes that no step took, an end of
    /// the stream; of a whole connection also a stream without a name or a datagram. Whether it is the
    /// end of the connection.
    fn disturbance(&self, world: &Connections) -> Option<(Moment, String, bool)> {
        let connection = world.connections.get(&self.connection)?;
        let all = match self.stream {
            Some(id) => {
                let stream = connection.streams.get(&id);
                stream.map_or_else(Vec::new, |stream| of_stream(stream, self.start))
            }
            None => of_connection(connection, self.start),
        };
        let first = all.into_iter().min_by_key(|(moment, _)| moment.at);
        let first = first.map(|(moment, what)| (moment, what, false));
        let end = connection.ended.as_ref().map(|(moment, _)| {
            let how = connection.how().unwrap_or_default();
            (*moment, how, true)
        });
        // What came before the end came first, even at the same moment.
        first
            .into_iter()
            .chain(end)
            .min_by_key(|(moment, _, _)| moment.at)
    }
}

impl Watch for Silence {
    fn due(&self) -> Duration {
        self.end
    }

    fn look(&mut self, view: &View<'_>, world: &mut Connections) -> Look {
        let span = human_time(self.end.saturating_sub(self.start));
        let disturbed = self.disturbance(world);
        match disturbed.filter(|(moment, _, _)| moment.at < self.end) {
            Some((moment, what, is_end)) => {
                let expected = format!("nothing on {} for {span}", self.place);
                let look = view.broken(self.start..self.end, moment, &expected, &what);
                if is_end { look.by_end() } else { look }
            }
            None => view.lasted(self.end, format!("nothing for {span}")),
        }
    }
}

fn of_connection(connection: &Connection, start: Duration) -> Vec<(Moment, String)> {
    let mut all = Vec::new();
    for stream in connection.streams.values() {
        if let Some(opened) = stream.opened.filter(|_| !stream.is_named) {
            all.push((opened, "a stream".to_owned()));
        }
        all.extend(of_stream(stream, start));
    }
    if let Some((moment, length, _)) = connection.datagrams {
        all.push((moment, format!("a datagram of {length} bytes")));
    }
    all
}

fn of_stream(stream: &Stream, start: Duration) -> Vec<(Moment, String)> {
    let mut all = Vec::new();
    if let Some(moment) = stream.came(stream.taken) {
        let bytes = describe::bytes(&stream.from(stream.taken, 33));
        all.push((
            moment,
            format!("the bytes {bytes} at offset {}", stream.taken),
        ));
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
