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

impl StreamWait for ExpectMessage {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.stream, Access::Waits)
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(Waiting {
            wanted: self.clone(),
            fields: start.context.bindings.resolve_fields(&self.fields)?,
            end: None,
        }))
    }
}

/// A frame that is waited for.
#[derive(Debug)]
struct Waiting {
    wanted: ExpectMessage,
    fields: Map<String, Value>,
    /// Where it ends in the stream, once it came.
    end: Option<u64>,
}

impl Expectation for Waiting {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let ExpectMessage {
            stream: name,
            frame,
            bind,
            ignore,
            ..
        } = &self.wanted;
        let expected = format!("{frame}{} on `{name}`", words::with_fields(&self.fields));
        let stream = view.stream(connections)?;
        for came in &stream.frames {
            let moment = came.moment;
            let said = match &came.said {
                Ok(said) => said,
                Err(error) => {
                    let got = format!("bytes that are no frame on `{name}`: {error}");
                    return Ok(view.instead(moment, &expected, &got));
                }
            };
            let fields = Value::Object(said.fields.clone());
            if said.frame == frame && http::meets(&self.fields, &fields) {
                self.end = Some(came.end);
                let text = format!("got {frame} {} on `{name}`", describe::value(&fields));
                return Ok(match http::bound(bind, &fields) {
                    Ok(bound) => view.came_with(moment, &expected, text, bound),
                    Err(why) => view.instead(moment, &expected, &format!("{frame} with {why}")),
                });
            }
            if !view.judge.context.lets_pass(said.frame, ignore) {
                let shown = match said.frame == frame {
                    true => http::remarked(&self.fields, &fields),
                    false => describe::value(&fields),
                };
                let got = format!("{} {shown} on `{name}`", said.frame);
                return Ok(view.instead(moment, &expected, &got));
            }
        }
        stream.is_wanted = true;
        Ok(match stream.end {
            Some((moment, end)) => {
                let got = format!("nothing more: `{name}` {}", end.in_words());
                view.instead(moment, &expected, &got)
            }
            None => {
                let got = match stream.unread.len() {
                    0 => "nothing".to_owned(),
                    rest => format!("no whole one ({rest} bytes wait)"),
                };
                view.not_yet_on(connections, &expected, &got)
            }
        })
    }

    /// Takes it, and what it let pass.
    fn take(&self, on: Target, connections: &mut Connections) {
        if let (Some(end), Some(stream)) = (self.end, connections.stream_of(on)) {
            stream.take(end);
        }
        self.let_go(on, connections);
    }

    fn let_go(&self, on: Target, connections: &mut Connections) {
        if let Some(stream) = connections.stream_of(on) {
            stream.is_wanted = false;
        }
    }
}
