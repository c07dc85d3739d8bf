//! A path through the states, walked again and written down.

use std::collections::VecDeque;
use std::time::Duration;

use shakedown_protocol::exploration::{STUCK, digest};
use shakedown_protocol::requirement::Role;

use super::super::log::{LogEntry, nanoseconds};
use super::super::{Event, EventKind, Trace, Violation};
use super::Setup;
use super::state::{Action, Context, Note, State, index};

/// The run to which these choices lead, with what it breaks.
///
/// # Errors
/// A human-readable error if the machines cannot be what the setup says.
pub(super) fn trace(setup: &Setup, path: &[Action]) -> Result<Trace, String> {
    let (initiator, responder) = (setup.initiator.clone(), setup.responder.clone());
    let protocol = setup.protocol.id;
    let mut writer = TraceWriter {
        trace: Trace::new(protocol, initiator, responder, setup.stream, setup.seed),
        setup,
        now: Duration::ZERO,
        sent: 0,
        queues: [VecDeque::new(), VecDeque::new()],
        late: [Vec::new(), Vec::new()],
    };
    let context = setup.context()?;
    let mut state = setup.begin(&context, &mut |note| writer.note(&note))?;
    for action in path {
        state = writer.follow(&context, &state, *action);
    }
    let (broken, at) = (state.broken, nanoseconds(state.now));
    // That nothing happens any more shows in what the timers do: both sides give up.
    while broken.is_some_and(|broken| broken.property == STUCK)
        && let Some(timer) = state.next_timer()
    {
        state = writer.follow(&context, &state, timer);
    }
    let mut trace = writer.trace;
    trace.violation = broken.map(|broken| Violation {
        requirement: broken.requirement.to_owned(),
        party: broken.party,
        at: Some(at),
        property: broken.property.to_owned(),
    });
    Ok(trace)
}

/// Writes a trace, with a number for each datagram.
struct TraceWriter<'a> {
    setup: &'a Setup,
    trace: Trace,
    now: Duration,
    sent: u64,
    /// What is on its way, as the state has it.
    queues: [VecDeque<Numbered>; 2],
    late: [Vec<Numbered>; 2],
}

#[derive(Debug, Clone)]
struct Numbered {
    number: u64,
    payload: Vec<u8>,
}

impl TraceWriter<'_> {
    fn follow(&mut self, context: &Context, state: &State, action: Action) -> State {
        if let Action::Timer(role) = action {
            self.now = state.due(role).unwrap_or(state.now);
        }
        self.act(action, state);
        state.after(context, action, &mut |note| self.note(&note))
    }

    fn act(&mut self, action: Action, state: &State) {
        match action {
            Action::Deliver(from) => {
                if let Some(datagram) = self.queues[index(from)].pop_front() {
                    self.delivered(from, &datagram);
                }
            }
            Action::Double(from) => {
                if let Some(datagram) = self.queues[index(from)].pop_front() {
                    let number = datagram.number;
                    self.write(EventKind::Duplicated { datagram: number });
                    self.delivered(from, &datagram);
                    self.late[index(from)].push(datagram);
                }
            }
            Action::Lose(from) => {
                if let Some(datagram) = self.queues[index(from)].pop_front() {
                    let datagram = datagram.number;
                    self.write(EventKind::Lost { datagram });
                }
            }
            Action::Overtake(from) => {
                if let Some(datagram) = self.queues[index(from)].pop_front() {
                    let number = datagram.number;
                    self.write(EventKind::Overtaken { datagram: number });
                    self.late[index(from)].push(datagram);
                }
            }
            Action::Late(from, place) => {
                let late_one = state.late(from, place);
                let late = &mut self.late[index(from)];
                let is_it = |one: &Numbered| Some(digest(&one.payload)) == late_one;
                if let Some(place) = late.iter().position(is_it) {
                    let datagram = late.remove(place);
                    self.delivered(from, &datagram);
                }
            }
            Action::Timer(side) => self.write(EventKind::Timer { side }),
        }
    }

    fn note(&mut self, note: &Note<'_>) {
        match note {
            Note::Sent(from, datagram) => {
                self.sent += 1;
                let (number, payload) = (self.sent, datagram.payload.clone());
                let entry = LogEntry::Sent {
                    number,
                    address: 0,
                    payload: &payload,
                };
                self.enter(*from, entry);
                self.queues[index(*from)].push_back(Numbered { number, payload });
            }
            Note::State(side, from, to) => {
                let why = "";
                self.enter(*side, LogEntry::State { from, to, why });
            }
            Note::Ended(side, outcome) => self.enter(*side, LogEntry::Ended(outcome)),
        }
    }

    fn delivered(&mut self, from: Role, datagram: &Numbered) {
        let (number, payload) = (datagram.number, &datagram.payload[..]);
        self.enter(from, LogEntry::Delivered { number, payload });
    }

    fn enter(&mut self, side: Role, entry: LogEntry<'_>) {
        let what = entry.kind(side, self.setup.protocol);
        self.write(what);
    }

    fn write(&mut self, what: EventKind) {
        let at = nanoseconds(self.now);
        self.trace.events.push(Event { at, what });
    }
}
