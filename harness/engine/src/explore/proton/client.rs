use std::collections::VecDeque;
use std::time::Duration;

use shakedown_protocol::proton::{CloseCode, News, OPERATION};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output};

use super::judge::Found;

const CLIENT: Role = Role::Initiator;
const SERVER: Role = Role::Responder;

/// What is known of a client, by what its owner asks and hears of it.
#[derive(Debug)]
pub(super) struct ClientSide {
    /// The first item of a connection.
    first_item: u32,
    /// The largest id that it gave an event.
    last_id: Option<u32>,
    link: Option<Link>,
    pub(super) counts: Counts,
}

/// What the counters must say.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) connections: u64,
    pub(super) closed: u64,
    pub(super) ended: u64,
    pub(super) acks: u64,
    pub(super) answers: u64,
    pub(super) items: u64,
    /// Ends of connections of which the owner heard.
    pub(super) told: u64,
    /// Those that it put out.
    pub(super) ends: u64,
}

/// Its connection.
#[derive(Debug)]
struct Link {
    number: ConnectionNumber,
    is_connected: bool,
    events: VecDeque<(Duration, u32)>,
    commits: VecDeque<(Duration, u32)>,
    reads: VecDeque<Duration>,
    next_item: u32,
    /// Its owner wants its end.
    is_to_end: bool,
}

impl ClientSide {
    pub(super) fn new(first_item: u32) -> Self {
        Self {
            first_item,
            last_id: None,
            link: None,
            counts: Counts::default(),
        }
    }

    fn connects(&mut self, number: ConnectionNumber) {
        self.link = Some(Link {
            number,
            is_connected: false,
            events: VecDeque::new(),
            commits: VecDeque::new(),
            reads: VecDeque::new(),
            next_item: self.first_item,
            is_to_end: false,
        });
    }

    pub(super) fn sends(&mut self, now: Duration, id: u32, found: &mut Found) {
        if self.last_id.is_some_and(|last| id <= last) {
            let property = format!("event {id} after {:?}", self.last_id);
            found.add("PR-E-04", CLIENT, now, property);
        }
        self.last_id = Some(id);
        if let Some(link) = &mut self.link {
            link.events.push_back((now, id));
        }
    }

    pub(super) fn commits(&mut self, now: Duration, request: u32) {
        if let Some(link) = &mut self.link {
            link.commits.push_back((now, request));
        }
    }

    pub(super) fn reads(&mut self, now: Duration) {
        if let Some(link) = &mut self.link {
            link.reads.push_back(now);
        }
    }

    pub(super) fn is_to_end(&mut self) {
        if let Some(link) = &mut self.link {
            link.is_to_end = true;
        }
    }

    pub(super) fn news(&mut self, now: Duration, news: &News, found: &mut Found) {
        if let News::Closed { .. } = news {
            self.counts.told += 1;
            if self.link.take().is_none() {
                found.add("PR-R-03", CLIENT, now, "a connection ends twice");
            }
            return;
        }
        let Some(link) = &mut self.link else {
            let property = format!("{news:?} without a connection");
            return found.add("PR-R-03", CLIENT, now, property);
        };
        match *news {
            News::Connected => link.is_connected = true,
            News::Acked(id) => {
                self.counts.acks += 1;
                let due = link.events.pop_front().map(|(_, id)| id);
                if due != Some(id) {
                    let property = format!("it takes an ack of {id} where {due:?} is due");
                    found.add("PR-E-03", CLIENT, now, property);
                }
            }
            News::Committed { request, answer } => {
                self.counts.answers += 1;
                let due = link.commits.pop_front().map(|(_, request)| request);
                if due != Some(request) || answer != request.wrapping_mul(2) {
                    let property = format!("{request} gives {answer} where {due:?} is due");
                    found.add("PR-K-01", SERVER, now, property);
                }
            }
            News::Item(item) => {
                self.counts.items += 1;
                let due = link.next_item;
                link.next_item = due.wrapping_add(1);
                if link.reads.pop_front().is_none() || item != due {
                    let property = format!("item {item} where {due} is due");
                    found.add("PR-A-01", SERVER, now, property);
                }
            }
            News::Closed { .. } => {}
        }
    }

    pub(super) fn input(&mut self, now: Duration, input: &Input<'_>, found: &mut Found) {
        self.look(now, found);
        match input {
            Input::Connected { .. } => self.counts.connections += 1,
            Input::Closed { .. } => self.counts.ended += 1,
            Input::Incoming { .. }
            | Input::Stream { .. }
            | Input::Datagram { .. }
            | Input::Tick
            | Input::Stop => {}
        }
    }

    pub(super) fn output(&mut self, now: Duration, output: &Output, found: &mut Found) {
        let (connection, code) = match output {
            Output::Connect(connection) => return self.connects(*connection),
            Output::Close {
                connection, code, ..
            } => (connection, code),
            Output::Admit(_)
            | Output::Refuse(_)
            | Output::Open(..)
            | Output::Write(..)
            | Output::Fin(..)
            | Output::ConnectBy(..)
            | Output::Reset(..)
            | Output::StopSending(..)
            | Output::Datagram(..)
            | Output::Misbehave(..)
            | Output::AdmitBy(..)
            | Output::Transition { .. } => return,
            Output::Ended { .. } => {
                self.counts.ends += 1;
                return;
            }
        };
        self.counts.closed += 1;
        let link = self.link.as_ref();
        let Some(link) = link.filter(|link| link.number == *connection) else {
            let property = "it closes a connection that is over";
            return found.add("PR-R-03", CLIENT, now, property);
        };
        let is_late = |since: Duration| since + OPERATION <= now;
        let has_reason = match CloseCode::from_number(*code) {
            Some(CloseCode::Normal) => link.is_to_end,
            Some(CloseCode::OperationTimeout) => link.oldest().is_some_and(is_late),
            Some(
                CloseCode::IdentificationFailed
                | CloseCode::AcceptFailed
                | CloseCode::SetupTimeout
                | CloseCode::ProtocolViolation
                | CloseCode::AlreadyConnected
                | CloseCode::ResetByClient,
            )
            | None => false,
        };
        if !has_reason {
            let property =
                format!("it closes with code {code} a connection on which nothing is wrong");
            found.add("PR-C-03", CLIENT, now, property);
        }
    }

    /// Whether nothing that must have happened by now has not.
    pub(super) fn look(&self, now: Duration, found: &mut Found) {
        let oldest = self.link.as_ref().and_then(Link::oldest);
        if oldest.is_some_and(|since| since + OPERATION < now) {
            let property = "something asked is not answered after 5 minutes";
            found.add("PR-T-01", CLIENT, now, property);
        }
    }

    /// What was asked and not answered.
    pub(super) fn waits(&self) -> usize {
        let link = self.link.as_ref();
        link.map_or(0, |link| {
            link.events.len() + link.commits.len() + link.reads.len()
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_connected)
    }
}

impl Link {
    fn oldest(&self) -> Option<Duration> {
        let event = self.events.front().map(|(at, _)| *at);
        let commit = self.commits.front().map(|(at, _)| *at);
        let read = self.reads.front().copied();
        [event, commit, read].into_iter().flatten().min()
    }
}
