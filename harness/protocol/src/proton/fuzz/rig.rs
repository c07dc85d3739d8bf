use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::plan::Step;
use crate::proton::CloseCode;
use crate::streams::{Closing, ConnectionNumber, Input, OnStream, Output, StreamId, StreamMachine};

/// Outputs that one input may lead to, besides one for each u32 in its bytes.
const MOST_OUTPUTS: usize = 64;

/// Bytes that may wait for the window of one stream.
const MOST_WRITTEN: usize = 128 * 1024;

/// A machine with its clock, and what it must keep whatever it is told. The owner keeps to what
/// [`crate::streams`] demands of it, unless it is a wild one: then only loops and panics are looked for.
pub(super) struct Rig<M> {
    pub(super) machine: M,
    pub(super) now: Duration,
    pub(super) is_wild: bool,
    pub(super) links: BTreeMap<ConnectionNumber, Link>,
    pub(super) counts: Counts,
}

/// A connection, as its owner knows it.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) stage: Stage,
    pub(super) streams: BTreeMap<StreamId, Lane>,
    is_ended: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Asked,
    Shaking,
    Connected,
    Over,
}

/// A stream, as its owner knows it.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Bytes that the machine wrote, without those that were looked at.
    pub(super) written: VecDeque<u8>,
    /// Writes that were not taken.
    pub(super) waiting: usize,
    waiting_bytes: usize,
    /// The other side sends no more.
    pub(super) is_silent: bool,
    /// This side sends no more.
    pub(super) is_mute: bool,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) refused: u64,
    pub(super) connected: u64,
    pub(super) closed: u64,
    pub(super) ended: u64,
}

impl<M: StreamMachine> Rig<M> {
    pub(super) fn new(machine: M, is_wild: bool) -> Self {
        Self {
            machine,
            now: Duration::ZERO,
            is_wild,
            links: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Whether the owner may say something about this connection.
    pub(super) fn has(&self, connection: ConnectionNumber, stage: Stage) -> bool {
        let link = self.links.get(&connection);
        self.is_wild || link.is_some_and(|link| link.stage == stage)
    }

    /// A connection is asked for, once.
    pub(super) fn incoming(&mut self, connection: ConnectionNumber) -> Vec<Output> {
        if self.links.contains_key(&connection) && !self.is_wild {
            return Vec::new();
        }
        self.links.entry(connection).or_default();
        let from = ([192, 0, 2, 2], 50_000).into();
        let outputs = self.give(Input::Incoming { connection, from });
        if !self.is_wild {
            let answers = outputs.iter().filter(|output| {
                matches!(output, Output::Admit(of) | Output::Refuse(of) if *of == connection)
            });
            assert_eq!(answers.count(), 1, "it is answered at once");
        }
        outputs
    }

    pub(super) fn connected(&mut self, connection: ConnectionNumber) -> Vec<Output> {
        if !self.has(connection, Stage::Shaking) {
            return Vec::new();
        }
        let link = self.links.entry(connection).or_default();
        link.stage = Stage::Connected;
        self.counts.connected += 1;
        self.give(Input::Connected { connection })
    }

    /// Something happens on a stream, if it may.
    pub(super) fn on_stream(
        &mut self,
        connection: ConnectionNumber,
        stream: StreamId,
        what: OnStream<'_>,
    ) -> Vec<Output> {
        if !self.has(connection, Stage::Connected) {
            return Vec::new();
        }
        let reads = self.machine.reads(connection, stream);
        let link = self.links.entry(connection).or_default();
        let lane = link.streams.entry(stream).or_default();
        let may_be = match what {
            OnStream::Opened => true,
            OnStream::Bytes(_) => reads && !lane.is_silent,
            OnStream::Fin | OnStream::Reset(_) => {
                let may_be = reads && !lane.is_silent;
                lane.is_silent |= may_be;
                may_be
            }
            OnStream::Stopped(_) => {
                let may_be = !lane.is_mute;
                lane.is_mute = true;
                may_be
            }
            OnStream::Written => {
                let may_be = lane.waiting > 0;
                lane.waiting = lane.waiting.saturating_sub(1);
                lane.waiting_bytes = match lane.waiting {
                    0 => 0,
                    _ => lane.waiting_bytes,
                };
                may_be
            }
        };
        if !may_be && !self.is_wild {
            return Vec::new();
        }
        self.give(Input::Stream {
            connection,
            stream,
            what,
        })
    }

    pub(super) fn datagram(&mut self, connection: ConnectionNumber, bytes: &[u8]) -> Vec<Output> {
        match self.has(connection, Stage::Connected) {
            true => self.give(Input::Datagram { connection, bytes }),
            false => Vec::new(),
        }
    }

    pub(super) fn closed(&mut self, connection: ConnectionNumber, step: &Step<'_>) -> Vec<Output> {
        let is_there = self.has(connection, Stage::Connected);
        if !is_there && !self.has(connection, Stage::Shaking) {
            return Vec::new();
        }
        let code = u64::from(step.number());
        let why = match step.stream % 6 {
            0 => Closing::Application { code, reason: &[] },
            1 => Closing::Transport { code, reason: &[] },
            2 => Closing::TimedOut,
            3 => Closing::Refused,
            4 => Closing::Reset,
            _ => Closing::Other("of the plan"),
        };
        self.links.entry(connection).or_default().stage = Stage::Over;
        self.counts.ended += 1;
        self.give(Input::Closed { connection, why })
    }

    /// Time goes on, and the machine is told then.
    pub(super) fn wait(&mut self, span: Duration) -> Vec<Output> {
        self.now += span;
        let outputs = self.give(Input::Tick);
        let deadline = self.machine.deadline();
        assert!(
            self.is_wild || deadline.is_none_or(|deadline| deadline > self.now),
            "told that it is {:?}, it wants to be told so again: {deadline:?}",
            self.now
        );
        outputs
    }

    /// Time goes on to the machine's deadline; nothing happens if it has none.
    pub(super) fn wait_for_deadline(&mut self) -> Vec<Output> {
        let deadline = self.machine.deadline();
        deadline.map_or_else(Vec::new, |at| self.wait(at.saturating_sub(self.now)))
    }

    pub(super) fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        let words = match input {
            Input::Stream {
                what: OnStream::Bytes(bytes),
                ..
            } => bytes.len() / 4,
            Input::Incoming { .. }
            | Input::Connected { .. }
            | Input::Stream { .. }
            | Input::Datagram { .. }
            | Input::Closed { .. }
            | Input::Tick
            | Input::Stop => 0,
        };
        self.machine.handle(self.now, input);
        self.collect(words)
    }

    /// What the machine wants done; it is looked at one by one.
    pub(super) fn collect(&mut self, words: usize) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.machine.poll() {
            if !self.is_wild {
                self.look(&output);
            }
            outputs.push(output);
            let most = MOST_OUTPUTS + words;
            assert!(outputs.len() <= most, "one input, too many outputs");
        }
        if !self.is_wild {
            let over = |link: &Link| link.stage == Stage::Over && !link.is_ended;
            let left = self.links.values().any(over);
            assert!(!left, "a connection that is over does not end");
        }
        outputs
    }

    fn look(&mut self, output: &Output) {
        match output {
            Output::Admit(connection) => self.link(*connection).stage = Stage::Shaking,
            Output::Refuse(connection) => {
                let link = self.link(*connection);
                link.stage = Stage::Over;
                link.is_ended = true;
                self.counts.refused += 1;
            }
            Output::Connect(connection) => {
                let stage = Stage::Shaking;
                let new = Link {
                    stage,
                    ..Link::default()
                };
                let before = self.links.insert(*connection, new);
                assert!(before.is_none(), "a number is used twice");
            }
            Output::Open(connection, stream) => {
                let link = self.alive(*connection, Stage::Connected);
                link.streams.entry(*stream).or_default();
            }
            Output::Write(connection, stream, bytes) => {
                let link = self.alive(*connection, Stage::Connected);
                let lane = link.streams.get_mut(stream);
                let lane = lane.unwrap_or_else(|| unreachable!("a write on no stream: {stream:?}"));
                assert!(!bytes.is_empty(), "a write of nothing");
                lane.waiting += 1;
                lane.waiting_bytes += bytes.len();
                assert!(
                    lane.waiting_bytes <= MOST_WRITTEN,
                    "too much is written ahead"
                );
                lane.written.extend(bytes);
            }
            Output::Fin(connection, _) => {
                self.alive(*connection, Stage::Connected);
            }
            Output::Close {
                connection, code, ..
            } => {
                assert!(CloseCode::from_number(*code).is_some(), "code {code}");
                self.counts.closed += 1;
                let link = self.link(*connection);
                assert!(!link.is_ended, "it is over");
                link.stage = Stage::Over;
            }
            Output::Transition { .. } => {}
            Output::Ended { connection, .. } => {
                let link = self.link(*connection);
                assert!(
                    link.stage == Stage::Over && !link.is_ended,
                    "it ends: {link:?}"
                );
                link.is_ended = true;
            }
            Output::ConnectBy(..)
            | Output::Reset(..)
            | Output::StopSending(..)
            | Output::Datagram(..)
            | Output::Misbehave(..)
            | Output::AdmitBy(..) => unreachable!("the reference does not: {output:?}"),
        }
    }

    fn link(&mut self, connection: ConnectionNumber) -> &mut Link {
        let link = self.links.get_mut(&connection);
        link.unwrap_or_else(|| unreachable!("nobody knows {connection:?}"))
    }

    /// The connection, which must be there. What was due when it was lost may be done still.
    fn alive(&mut self, connection: ConnectionNumber, stage: Stage) -> &mut Link {
        let link = self.link(connection);
        assert!(link.stage == stage || (link.stage == Stage::Over && !link.is_ended));
        link
    }

    /// The counters are what was seen.
    pub(super) fn check_counters(&self) {
        let counters = self.machine.counters();
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
        let sum = |name: &str| -> u64 {
            let values = counters[name].as_object().into_iter().flatten();
            values.map(|(_, value)| number(value)).sum()
        };
        if !self.is_wild {
            let counts = self.counts;
            assert_eq!(number(&counters["refused"]), counts.refused, "{counters}");
            assert_eq!(
                number(&counters["connections"]),
                counts.connected,
                "{counters}"
            );
            assert_eq!(sum("closed"), counts.closed, "{counters}");
            assert_eq!(sum("ended"), counts.ended, "{counters}");
        }
    }
}
