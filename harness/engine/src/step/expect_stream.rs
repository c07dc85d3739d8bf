use super::prelude::streams::*;
use super::prelude::*;

within! {
    /// A stream of the implementation under test to wait for.
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
    }
}

impl Verb for ExpectStream {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
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
        check.opens(
            &self.stream,
            &self.connection,
            false,
            inside,
            &mut state.names,
        );
    }

    fn in_words(&self) -> String {
        let begins = self.starts_with.as_ref();
        let begins = begins.map(|hex| format!(" that begins with {}", words::short(hex)));
        let begins = begins.unwrap_or_default();
        let of = words::of(&self.connection);
        let window = self.when();
        let stream = &self.stream;
        format!("wait for a stream{begins}{of}, called `{stream}`{window}")
    }
}

impl Looks for ExpectStream {
    fn on(&self) -> On<'_> {
        On::Connection(&self.connection, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        Ok(Box::new(Opening {
            name: self.stream.clone(),
            connection: start.target.connection()?,
            place: start.called.clone(),
            prefix: send::hex(self.starts_with.as_deref().unwrap_or_default())?,
            window: self.window(start.at, start.context),
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

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
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
        let Some(connection) = connections.by_number.get(&self.connection) else {
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
        match &connection.ended {
            Some((moment, end)) => {
                let how = connection.how().unwrap_or_default();
                let got = format!("{got}, and {place} was {how}");
                view.instead(window, *moment, &expected, &got)
                    .by_end(view, end)
            }
            None => view.not_yet(window, &expected, &got),
        }
    }

    fn take(&self, connections: &mut Connections) {
        let Some(id) = self.found else {
            return;
        };
        connections.found(self.connection, id, &self.name);
        if let Some(stream) = connections.stream(self.connection, id) {
            stream.take(stream.taken + self.prefix.len() as u64);
        }
    }
}
