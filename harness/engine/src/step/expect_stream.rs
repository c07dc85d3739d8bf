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
        let begins = begins.map(|hex| format!(" that begins with {}", words::bytes(hex)));
        let begins = begins.unwrap_or_default();
        let of = words::of(&self.connection);
        let window = self.when();
        let stream = &self.stream;
        format!("wait for a stream{begins}{of}, called `{stream}`{window}")
    }
}

impl StreamWait for ExpectStream {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Waits)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(Opening {
            name: self.stream.clone(),
            prefix: send::hex(self.starts_with.as_deref().unwrap_or_default())?,
            found: None,
        }))
    }
}

/// A stream that is waited for.
#[derive(Debug)]
struct Opening {
    name: String,
    prefix: Vec<u8>,
    found: Option<StreamId>,
}

impl Expectation for Opening {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let prefix = &self.prefix;
        let begins = match prefix.as_slice() {
            [] => String::new(),
            prefix => format!(" that begins with {}", describe::bytes(prefix)),
        };
        let expected = format!("a stream{begins} on {}", view.called);
        let mut others = Vec::new();
        for (id, stream) in &view.connection(connections)?.streams {
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
                return Ok(view.came(last, &expected, format!("got a stream{begins}")));
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
        Ok(view.not_yet_on(connections, &expected, &got))
    }

    fn take(&self, on: Target, connections: &mut Connections) {
        let (Some(id), Ok(connection)) = (self.found, on.connection()) else {
            return;
        };
        connections.found(connection, id, &self.name);
        if let Some(stream) = connections.stream(connection, id) {
            stream.take(stream.taken + self.prefix.len() as u64);
        }
    }
}
