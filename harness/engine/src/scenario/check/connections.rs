//! Connections and streams by their names, from step to step: what there is when a step means it.

use std::collections::BTreeMap;

use super::Checker;
use super::flow::State;
use crate::document::{Pointer, Problem, did_you_mean};
use crate::scenario::Step;

/// The connections and streams that there are when a step begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
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
    /// Whether only the scripted peer sends on it.
    is_unidirectional: bool,
    /// The step after which nothing can be written, if there was one.
    ended: Option<Pointer>,
}

/// What a step does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It does something to it.
    Acts,
    /// It waits for something that may have come before the end.
    Waits,
    /// It wants it alive.
    Lives,
    /// It lets packets pass again, which does no harm.
    Mends,
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

    fn connect(&mut self, name: &str, over: Option<(Over, Pointer)>) {
        self.count += 1;
        let number = self.count;
        let connection = Connection { number, over };
        self.connections.insert(name.to_owned(), connection);
    }
}

impl Checker<'_> {
    /// Plays a step over streams as far as that can be done without an implementation.
    pub(super) fn play_over_streams(&mut self, step: &Step, inside: &Pointer, state: &mut State) {
        let names = &mut state.names;
        let of = inside.key("connection");
        let on = inside.key("stream");
        match step {
            Step::Connect(one) => {
                if let Some(from) = &one.from
                    && !names.connections.contains_key(from)
                {
                    self.no_connection(from, &inside.key("from"), names);
                }
                names.connect(&one.name, None);
            }
            Step::Accept(one) => {
                let over = one.refuse.then(|| (Over::Closed, inside.clone()));
                names.connect(&one.name, over);
            }
            Step::ExpectConnected(one) => {
                self.means(&one.connection, &of, inside, Use::Waits, names)
            }
            Step::ExpectAlive(one) => self.means(&one.connection, &of, inside, Use::Lives, names),
            Step::SendDatagram(one) => self.means(&one.connection, &of, inside, Use::Acts, names),
            Step::Blackhole(one) => self.means(&one.connection, &of, inside, Use::Acts, names),
            Step::Resume(one) => self.means(&one.connection, &of, inside, Use::Mends, names),
            Step::Close(one) => {
                self.means(&one.connection, &of, inside, Use::Acts, names);
                self.over(&one.connection, Over::Closed, inside, names);
            }
            Step::ExpectClose(one) => {
                self.means(&one.connection, &of, inside, Use::Waits, names);
                self.over(&one.connection, Over::Seen, inside, names);
            }
            Step::Open(one) => {
                self.means(&one.connection, &of, inside, Use::Acts, names);
                self.opens(
                    &one.stream,
                    &one.connection,
                    one.unidirectional,
                    inside,
                    names,
                );
            }
            Step::ExpectStream(one) => {
                self.means(&one.connection, &of, inside, Use::Waits, names);
                self.opens(&one.stream, &one.connection, false, inside, names);
            }
            Step::ExpectQuiet(one) => match &one.stream {
                Some(stream) => self.means_stream(stream, &on, inside, Use::Lives, names),
                None => self.means(&one.connection, &of, inside, Use::Lives, names),
            },
            Step::Write(one) => {
                self.means_stream(&one.stream, &on, inside, Use::Acts, names);
                self.may_write(&one.stream, inside, one.fin, names);
                for (index, value) in one.u32.iter().flatten().enumerate() {
                    self.uses(value, &inside.key("u32").index(index), state);
                }
            }
            Step::Fin(one) => {
                self.means_stream(&one.stream, &on, inside, Use::Acts, names);
                self.may_write(&one.stream, inside, true, names);
            }
            Step::Reset(one) => {
                self.means_stream(&one.stream, &on, inside, Use::Acts, names);
                if let Some(stream) = names.streams.get_mut(&one.stream) {
                    stream.ended.get_or_insert_with(|| inside.clone());
                }
            }
            Step::StopSending(one) => {
                self.means_stream(&one.stream, &on, inside, Use::Acts, names);
                self.may_read(&one.stream, inside, names);
            }
            Step::StopReading(one) | Step::ResumeReading(one) => {
                self.means_stream(&one.stream, &on, inside, Use::Mends, names);
                self.may_read(&one.stream, inside, names);
            }
            Step::Read(one) => {
                self.means_stream(&one.stream, &on, inside, Use::Waits, names);
                self.may_read(&one.stream, inside, names);
                for (index, value) in one.u32.iter().flatten().enumerate() {
                    self.uses(value, &inside.key("u32").index(index), state);
                }
                state.bound.extend(one.bind.keys().cloned());
            }
            _ => {}
        }
    }

    /// A step means a connection by its name.
    fn means(&mut self, name: &str, place: &Pointer, inside: &Pointer, wish: Use, names: &Names) {
        match names.connections.get(name) {
            None => self.no_connection(name, place, names),
            Some(connection) => self.may_use(name, connection, inside, wish),
        }
    }

    fn may_use(&mut self, name: &str, connection: &Connection, inside: &Pointer, wish: Use) {
        let Some((over, by)) = &connection.over else {
            return;
        };
        let (message, label) = match (over, wish) {
            (_, Use::Mends) | (Over::Seen, Use::Waits) => return,
            (Over::Closed, Use::Acts | Use::Waits | Use::Lives) => (
                format!(
                    "the scripted peer has closed `{name}` itself, and hears nothing more of it"
                ),
                "it closes it here",
            ),
            (Over::Seen, Use::Acts | Use::Lives) => (
                format!("`{name}` has ended before this step"),
                "its end is seen here",
            ),
        };
        let problem = Problem::new(self.root.key_place(inside), message);
        let problem = problem.related(self.root.key_place(by), label);
        let help = "connect again, which may give the same name to the new connection".to_owned();
        self.problems.push(problem.help(Some(help)));
    }

    fn over(&mut self, name: &str, over: Over, inside: &Pointer, names: &mut Names) {
        if let Some(connection) = names.connections.get_mut(name) {
            connection
                .over
                .get_or_insert_with(|| (over, inside.clone()));
        }
    }

    /// A stream is opened or found on a connection.
    fn opens(
        &mut self,
        name: &str,
        connection: &str,
        is_unidirectional: bool,
        inside: &Pointer,
        names: &mut Names,
    ) {
        let place = inside.key("stream");
        let Some(number) = names.connections.get(connection).map(|one| one.number) else {
            return;
        };
        if let Some(earlier) = names.streams.get(name).filter(|one| one.number == number) {
            let message = format!("`{connection}` has a stream `{name}` already");
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
            is_unidirectional,
            ended: None,
        };
        names.streams.insert(name.to_owned(), stream);
    }

    /// A step means a stream by its name.
    fn means_stream(
        &mut self,
        name: &str,
        place: &Pointer,
        inside: &Pointer,
        wish: Use,
        names: &Names,
    ) {
        let Some(stream) = names.streams.get(name) else {
            let help = match names.streams.is_empty() {
                true => None,
                false => did_you_mean(name, names.streams.keys().map(String::as_str)),
            };
            let help = help.or_else(|| {
                let help = "open it with `open`, or find it with `expect_stream`, before";
                Some(help.to_owned())
            });
            let message = format!("no stream is called `{name}` here");
            return self.at(place, message, help);
        };
        // The name may have gone over to another connection.
        let connection = names.connections.get(&stream.connection);
        if let Some(connection) = connection.filter(|one| one.number == stream.number) {
            self.may_use(&stream.connection, connection, inside, wish);
        }
    }

    fn may_write(&mut self, name: &str, inside: &Pointer, ends: bool, names: &mut Names) {
        let Some(stream) = names.streams.get_mut(name) else {
            return;
        };
        let ended = stream.ended.clone();
        if ends {
            stream.ended.get_or_insert_with(|| inside.clone());
        }
        // In a repeated list the step itself may be the one, a round before.
        let Some(ended) = ended else {
            return;
        };
        let message = format!("nothing can be sent on `{name}` any more");
        let problem = Problem::new(self.root.key_place(inside), message);
        let problem = problem.related(self.root.key_place(&ended), "it was ended here");
        self.problems.push(problem);
    }

    fn may_read(&mut self, name: &str, inside: &Pointer, names: &Names) {
        let Some(stream) = names.streams.get(name).filter(|one| one.is_unidirectional) else {
            return;
        };
        let message = format!("only the scripted peer sends on `{name}`");
        let problem = Problem::new(self.root.key_place(inside), message);
        let opened = self.root.key_place(&stream.opened);
        let problem = problem.related(opened, "it was opened as unidirectional here");
        self.problems.push(problem);
    }

    fn no_connection(&mut self, name: &str, place: &Pointer, names: &Names) {
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
