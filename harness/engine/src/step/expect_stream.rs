use super::prelude::streams::*;
use super::prelude::*;

/// A stream of the implementation under test to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectStream {
    /// The name that it gets.
    pub stream: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Its first bytes in hexadecimal, which are taken; streams that begin otherwise wait for other
    /// steps. The oldest stream without a name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl Verb for ExpectStream {
    fn play(&self) -> Play<'_> {
        Play::Looks(self)
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.judged_by(self.requirement.as_deref(), inside);
        check.window(self.after.as_ref(), &self.within, inside);
        if let Some(text) = &self.starts_with {
            let place = inside.key("starts_with");
            if check
                .hex(text, &place)
                .is_some_and(|bytes| bytes.is_empty())
            {
                let help = "leave it out: any stream will do then".to_owned();
                check.at(&place, "every stream begins so", Some(help));
            }
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.means(&self.connection, inside, Use::Waits, state);
        check.opens(&self.stream, &self.connection, false, inside, state);
    }

    fn in_words(&self) -> String {
        let begins = self.starts_with.as_ref();
        let begins = begins.map(|hex| format!(" that begins with {}", words::short(hex)));
        let begins = begins.unwrap_or_default();
        let of = words::of(&self.connection);
        let window = words::window(self.after.as_ref(), &self.within);
        let judged = words::judged(self.requirement.as_deref());
        let stream = &self.stream;
        format!("wait for a stream{begins}{of}, called `{stream}`{window}{judged}")
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

impl Looks for ExpectStream {
    fn watch(
        &self,
        start: Duration,
        context: &Context,
        world: &Connections,
    ) -> Result<Box<dyn Watch>, String> {
        Ok(Box::new(Opening {
            name: self.stream.clone(),
            connection: world.named(&self.connection)?,
            place: words::the_connection(&self.connection),
            prefix: send::hex(self.starts_with.as_deref().unwrap_or_default())?,
            window: Window::new(start, self.after.as_ref(), &self.within, context),
            found: None,
        }))
    }
}

/// A stream that is waited for.
#[derive(Debug)]
struct Opening {
    name: String,
    connection: ConnectionNumber,
    /// The connection as the step means it.
    place: String,
    prefix: Vec<u8>,
    window: Window,
    found: Option<StreamId>,
}

impl Watch for Opening {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, world: &mut Connections) -> Look {
        let Self {
            place,
            prefix,
            window,
            ..
        } = self;
        let begins = match prefix.as_slice() {
            [] => String::new(),
            prefix => format!(" that begins with {}", describe::bytes(prefix)),
        };
        let expected = format!("a stream{begins} on {place}");
        let Some(connection) = world.connections.get(&self.connection) else {
            return Look::forgotten();
        };
        let mut others = Vec::new();
        for (id, stream) in &connection.streams {
            let Some(opened) = stream.opened.filter(|_| !stream.is_named) else {
                continue;
            };
            let own = stream.unread.iter().take(prefix.len()).copied();
            let own: Vec<_> = own.collect();
            if own == *prefix {
                let last = stream.taken + prefix.len() as u64;
                let last = last.checked_sub(1).and_then(|last| stream.came(last));
                let last = last.filter(|_| !prefix.is_empty()).unwrap_or(opened);
                self.found = Some(*id);
                let said = format!("got a stream{begins}");
                return view.came(window, last, &expected, said, Vec::new());
            }
            others.push(match own.as_slice() {
                [] => "a stream without bytes".to_owned(),
                own => format!("a stream that begins with {}", describe::bytes(own)),
            });
        }
        let got = match others.as_slice() {
            [] => "nothing".to_owned(),
            others => others.join(", "),
        };
        match connection.ended {
            Some((moment, _)) => {
                let how = connection.how().unwrap_or_default();
                let got = format!("{got}, and {place} was {how}");
                view.instead(window, moment, &expected, &got).by_end()
            }
            None => view.not_yet(window, &expected, &got),
        }
    }

    fn take(&self, world: &mut Connections) {
        let Some(id) = self.found else {
            return;
        };
        world.found(self.connection, id, &self.name);
        if let Some(stream) = world.stream(self.connection, id) {
            stream.take(stream.taken + self.prefix.len() as u64);
        }
    }
}
