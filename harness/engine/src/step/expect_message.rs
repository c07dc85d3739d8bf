use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::http;
use super::prelude::streams::*;
use super::prelude::*;

within! {
    /// A frame on a stream to wait for.
    pub struct ExpectMessage {
        /// The stream.
        pub stream: String,
        /// The frame's name.
        pub frame: String,
        /// What its fields must be: values or matchers. Of an object, members that are not named may be
        /// anything.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        pub fields: Map<String, Value>,
        /// Names under which parts are remembered, by JSON pointers: `{"id": "/participant_id"}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, String>,
        /// Frames that this step lets pass besides the scenario's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub ignore: Vec<String>,
    }
}

impl Verb for ExpectMessage {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.message_wanted(&self.frame, &self.fields, inside);
        check.is_sent(&self.frame, inside);
        check.frame_names(&self.ignore, &inside.key("ignore"));
        http::check_bind(check, &self.bind, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_read(&self.stream, inside, &state.names);
        check.uses_of(&self.fields, inside, state);
        state.bound.extend(self.bind.keys().cloned());
    }

    fn in_words(&self) -> String {
        let (fields, window) = (words::with_fields(&self.fields), self.when());
        let ignore = words::passing(&self.ignore);
        format!(
            "wait for {}{fields} on `{}`{window}{ignore}",
            self.frame, self.stream
        )
    }

    fn frames(&self) -> Vec<&str> {
        let let_pass = self.ignore.iter().map(String::as_str);
        let_pass.chain([self.frame.as_str()]).collect()
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        http::binds(&self.bind, inside)
    }
}

impl Looks for ExpectMessage {
    fn on(&self) -> On<'_> {
        On::Stream(&self.stream, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let (connection, stream) = start.target.stream()?;
        Ok(Box::new(Waiting {
            wanted: self.clone(),
            fields: start.context.bindings.resolve_fields(&self.fields)?,
            connection,
            stream,
            window: self.window(start.at, start.context),
            end: None,
        }))
    }
}

/// A frame that is waited for.
#[derive(Debug)]
struct Waiting {
    wanted: ExpectMessage,
    fields: Map<String, Value>,
    connection: ConnectionNumber,
    stream: StreamId,
    window: Window,
    /// Where it ends in the stream, once it came.
    end: Option<u64>,
}

impl Watch for Waiting {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let ExpectMessage {
            stream: name,
            frame,
            bind,
            ignore,
            ..
        } = &self.wanted;
        let expected = format!("{frame}{} on `{name}`", words::with_fields(&self.fields));
        let Some(stream) = connections.stream(self.connection, self.stream) else {
            return Look::forgotten();
        };
        for came in &stream.frames {
            let moment = came.moment;
            let said = match &came.said {
                Ok(said) => said,
                Err(error) => {
                    let got = format!("bytes that are no frame on `{name}`: {error}");
                    return view.instead(&self.window, moment, &expected, &got);
                }
            };
            let fields = Value::Object(said.fields.clone());
            if said.frame == frame && http::meets(&self.fields, &fields) {
                self.end = Some(came.end);
                let told = format!("got {frame} {} on `{name}`", describe::value(&fields));
                return match http::bound(bind, &fields) {
                    Ok(bound) => view.came(&self.window, moment, &expected, told, bound),
                    Err(why) => {
                        let got = format!("{frame} with {why}");
                        view.instead(&self.window, moment, &expected, &got)
                    }
                };
            }
            if !view.judge.context.lets_pass(said.frame, ignore) {
                let told = match said.frame == frame {
                    true => http::told(&self.fields, &fields),
                    false => describe::value(&fields),
                };
                let got = format!("{} {told} on `{name}`", said.frame);
                return view.instead(&self.window, moment, &expected, &got);
            }
        }
        stream.is_wanted = true;
        match stream.end {
            Some((moment, end)) => {
                let got = format!("nothing more: `{name}` {}", end.in_words());
                view.instead(&self.window, moment, &expected, &got)
            }
            None => {
                let rest = stream.unread.len();
                let got = match rest {
                    0 => "nothing".to_owned(),
                    rest => format!("no whole one ({rest} bytes wait)"),
                };
                view.not_yet_on(self.connection, connections, &self.window, &expected, &got)
            }
        }
    }

    /// Takes it, and what it let pass.
    fn take(&self, connections: &mut Connections) {
        if let (Some(end), Some(stream)) =
            (self.end, connections.stream(self.connection, self.stream))
        {
            stream.take(end);
        }
        self.let_go(connections);
    }

    fn let_go(&self, connections: &mut Connections) {
        if let Some(stream) = connections.stream(self.connection, self.stream) {
            stream.is_wanted = false;
        }
    }
}
