//! Connections and streams by their names, from step to step: what there is when a step means it.

use std::collections::BTreeMap;

use super::Checker;
use crate::document::{Pointer, Problem, did_you_mean};
use crate::step::names::{Access, Subject};

/// The connections and streams that there are when a step begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    connections: BTreeMap<String, Connection>,
    streams: BTreeMap<String, Stream>,
    /// How many connections there were.
    count: usize,
}

#[derive(Debug, Clone)]
struct Connection {
    /// Which of those that had names.
    number: usize,
    /// The step that ended it, if one did.
    over: Option<(Over, Pointer)>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// By a step of the scripted peer.
    Closed,
    /// `expect_close` saw it.
    Seen,
}

#[derive(Debug, Clone)]
struct Stream {
    /// The connection's name when it was opened or found, and which connection that was.
    connection: String,
    number: usize,
    /// The step that opened or found it.
    opened: Pointer,
    /// What it is: `stream`, `session` or `request`.
    kind: &'static str,
    /// Whether only the scripted peer sends on it.
    is_unidirectional: bool,
    /// The step after which nothing can be written, if there was one.
    ended: Option<Pointer>,
}

impl Names {
    /// What is there after one of two branches, whichever it was.
    pub(super) fn join(self, other: &Self) -> Self {
        let connections = self.connections.into_iter().filter_map(|(name, own)| {
            let others = other.connections.get(&name)?;
            let over = own.over.filter(|_| others.over.is_some());
            Some((name, Connection { over, ..own }))
        });
        let streams = self.streams.into_iter().filter_map(|(name, own)| {
            let others = other.streams.get(&name)?;
            let ended = own.ended.filter(|_| others.ended.is_some());
            Some((name, Stream { ended, ..own }))
        });
        Self {
            connections: connections.collect(),
            streams: streams.collect(),
            count: self.count.max(other.count),
        }
    }

    /// There is a connection of this name.
    pub(crate) fn connect(&mut self, name: &str) {
        self.count += 1;
        let connection = Connection {
            number: self.count,
            over: None,
        };
        self.connections.insert(name.to_owned(), connection);
    }

    pub(crate) fn connection_of(&self, session: &str) -> Option<String> {
        let session = self.streams.get(session)?;
        Some(session.connection.clone())
    }

    /// A step ends a connection, or sees its end.
    pub(crate) fn over(&mut self, name: &str, over: Over, inside: &Pointer) {
        if let Some(connection) = self.connections.get_mut(name) {
            connection
                .over
                .get_or_insert_with(|| (over, inside.clone()));
        }
    }

    /// Nothing can be written on a stream after this step. Gives the one that ended it before.
    pub(crate) fn ends(&mut self, name: &str, inside: &Pointer) -> Option<Pointer> {
        let ended = &mut self.streams.get_mut(name)?.ended;
        let before = ended.clone();
        ended.get_or_insert_with(|| inside.clone());
        before
    }
}

impl Checker<'_> {
    /// A step means a connection or a stream by its name.
    pub(super) fn means(&mut self, on: Subject<'_>, inside: &Pointer, names: &Names) {
        match on {
            Subject::Nothing => {}
            Subject::Connection(name, access) => self.means_connection(name, inside, access, names),
            Subject::Stream(name, access) => {
                self.means_stream("stream", name, inside, access, names)
            }
            Subject::Session(name, access) => {
                self.means_stream("session", name, inside, access, names)
            }
            Subject::Request(name, access) => {
                self.means_stream("request", name, inside, access, names)
            }
        }
    }

    fn means_connection(&mut self, name: &str, inside: &Pointer, access: Access, names: &Names) {
        self.has_connection(name, &inside.key("connection"), names);
        if let Some(connection) = names.connections.get(name) {
            self.may_use(name, connection, inside, access);
        }
    }

    fn may_use(&mut self, name: &str, connection: &Connection, inside: &Pointer, access: Access) {
        let Some((over, by)) = &connection.over else {
            return;
        };
        let (message, label) = match (over, access) {
            (_, Access::Restores) | (Over::Seen, Access::Waits) => return,
            (Over::Closed, Access::Acts | Access::Waits | Access::NeedsAlive) => (
                format!(
                    "the scripted peer has closed `{name}` itself, and hears nothing more of it"
                ),
                "it closes it here",
            ),
            (Over::Seen, Access::Acts | Access::NeedsAlive) => (
                format!("`{name}` has ended before this step"),
                "its end is seen here",
            ),
        };
        let problem = Problem::new(self.root.key_place(inside), message);
        let problem = problem.related(self.root.key_place(by), label);
        let help = "connect again, which may give the same name to the new connection".to_owned();
        self.problems.push(problem.help(Some(help)));
    }

    /// A stream is opened or found on a connection.
    pub(crate) fn opens(
        &mut self,
        name: &str,
        connection: &str,
        is_unidirectional: bool,
        inside: &Pointer,
        names: &mut Names,
    ) {
        self.adds("stream", name, connection, is_unidirectional, inside, names);
    }

    /// A `session` or a `request` gets a name.
    pub(crate) fn names(
        &mut self,
        kind: &'static str,
        name: &str,
        connection: &str,
        inside: &Pointer,
        names: &mut Names,
    ) {
        self.adds(kind, name, connection, false, inside, names);
    }

    fn adds(
        &mut self,
        kind: &'static str,
        name: &str,
        connection: &str,
        is_unidirectional: bool,
        inside: &Pointer,
        names: &mut Names,
    ) {
        let place = inside.key(kind);
        let Some(number) = names.connections.get(connection).map(|one| one.number) else {
            return;
        };
        if let Some(earlier) = names.streams.get(name).filter(|one| one.number == number) {
            let message = format!("`{connection}` has a {} `{name}` already", earlier.kind);
            let help = "give this one another name".to_owned();
            let problem = Problem::new(self.root.place(&place), message);
            let earlier = self.root.key_place(&earlier.opened);
            let problem = problem.related(earlier, "this one");
            self.problems.push(problem.help(Some(help)));
        }
        let stream = Stream {
            connection: connection.to_owned(),
            number,
            opened: inside.clone(),
            kind,
            is_unidirectional,
            ended: None,
        };
        names.streams.insert(name.to_owned(), stream);
    }

    fn means_stream(
        &mut self,
        kind: &'static str,
        name: &str,
        inside: &Pointer,
        access: Access,
        names: &Names,
    ) {
        // Bytes of the stream that a session began with may be written, too.
        let is_acted_on = kind == "stream" && access == Access::Acts;
        let of_kind =
            |stream: &Stream| stream.kind == kind || is_acted_on && stream.kind == "session";
        let Some(stream) = names.streams.get(name).filter(|stream| of_kind(stream)) else {
            let known = names.streams.iter().filter(|(_, stream)| of_kind(stream));
            let known: Vec<_> = known.map(|(name, _)| name.as_str()).collect();
            let help = match known.is_empty() {
                true => None,
                false => did_you_mean(name, known),
            };
            let help = help.or_else(|| {
                let help = match kind {
                    "session" => {
                        "ask for it with `open_session`, or take it with `accept_session`, before"
                    }
                    "request" => "make it with `request`, or find it with `expect_request`, before",
                    _ => "open it with `open`, or find it with `expect_stream`, before",
                };
                Some(help.to_owned())
            });
            let message = format!("no {kind} is called `{name}` here");
            return self.at(&inside.key(kind), message, help);
        };
        // The name may have gone over to another connection.
        let connection = names.connections.get(&stream.connection);
        if let Some(connection) = connection.filter(|one| one.number == stream.number) {
            self.may_use(&stream.connection, connection, inside, access);
        }
    }

    /// A step writes on a stream, and may end it.
    pub(crate) fn may_write(
        &mut self,
        name: &str,
        inside: &Pointer,
        ends: bool,
        names: &mut Names,
    ) {
        // In a repeated list the step itself may be the one that ended it, a round before.
        let ended = match ends {
            true => names.ends(name, inside),
            false => names
                .streams
                .get(name)
                .and_then(|stream| stream.ended.clone()),
        };
        let Some(ended) = ended else {
            return;
        };
        let message = format!("nothing can be sent on `{name}` any more");
        let problem = Problem::new(self.root.key_place(inside), message);
        let problem = problem.related(self.root.key_place(&ended), "it was ended here");
        self.problems.push(problem);
    }

    /// A step reads from a stream.
    pub(crate) fn may_read(&mut self, name: &str, inside: &Pointer, names: &Names) {
        let streams = &names.streams;
        let Some(stream) = streams.get(name).filter(|one| one.is_unidirectional) else {
            return;
        };
        let message = format!("only the scripted peer sends on `{name}`");
        let problem = Problem::new(self.root.key_place(inside), message);
        let opened = self.root.key_place(&stream.opened);
        let problem = problem.related(opened, "it was opened as unidirectional here");
        self.problems.push(problem);
    }

    /// Checks that there is a connection of this name, which stands there.
    pub(crate) fn has_connection(&mut self, name: &str, place: &Pointer, names: &Names) {
        if names.connections.contains_key(name) {
            return;
        }
        let help = match names.connections.is_empty() {
            true => None,
            false => did_you_mean(name, names.connections.keys().map(String::as_str)),
        };
        let help = help.or_else(|| {
            let help = "begin it with `connect`, or wait for it with `accept`, before";
            Some(help.to_owned())
        });
        self.at(
            place,
            format!("no connection is called `{name}` here"),
            help,
        );
    }
}
