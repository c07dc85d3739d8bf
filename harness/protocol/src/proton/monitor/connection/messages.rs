use super::{At, Connection, late};
use crate::MonitorSettings;
use crate::proton::monitor::due::ExpectedClose;
use crate::proton::monitor::exchange::{Exchange, Message};
use crate::proton::monitor::findings::ObservationSink;
use crate::proton::{Kind, OPERATION};
use crate::requirement::Role;

/// Most pieces that the server may say before the capture shows what its stream is.
const MOST_EARLY: usize = 64;

impl Connection {
    pub(in super::super) fn bytes(
        &mut self,
        id: u64,
        by: Role,
        bytes: &[u8],
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        self.talked = Some(at.time);
        let was_named = self.is_named(id);
        let rest = match by {
            Role::Initiator => self.name(id, bytes, at, settings, emit),
            Role::Responder => bytes,
        };
        self.frame(id, by, rest, at, settings, emit);
        if !was_named && self.is_named(id) {
            let early = self
                .streams
                .get_mut(&id)
                .map(|stream| std::mem::take(&mut stream.early));
            for (at, bytes) in early.into_iter().flatten() {
                self.frame(id, Role::Responder, &bytes, at, settings, emit);
            }
        }
    }

    fn is_named(&self, id: u64) -> bool {
        self.streams
            .get(&id)
            .is_some_and(|stream| stream.kind.is_some())
    }

    /// Takes what follows the byte that says what a stream is.
    fn frame(
        &mut self,
        id: u64,
        by: Role,
        rest: &[u8],
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.void) else {
            return;
        };
        let Some(kind) = stream.kind else {
            // The capture has the packets in another order than they came, or lacks one.
            if by == Role::Responder && stream.early.len() < MOST_EARLY {
                stream.early.push((at, rest.to_vec()));
            } else if by == Role::Responder {
                stream.void = true;
            }
            return;
        };
        if rest.is_empty() {
            return;
        }
        let mut messages = Vec::new();
        match by {
            Role::Initiator => {
                stream.client.take(rest, |message| messages.push(message));
                let limit = late(OPERATION, settings);
                if let Some(since) = stream.rest.filter(|_| !messages.is_empty())
                    && at.time <= since.time + limit
                {
                    self.dues.retain(|due| due.requirement != "PR-T-05");
                }
                stream.rest = match (stream.client.pending(), messages.is_empty()) {
                    (0, _) => None,
                    (1.., true) => stream.rest.or(Some(at)),
                    (1.., false) => Some(at),
                };
            }
            Role::Responder => stream.server.take(rest, |message| messages.push(message)),
        }
        if (kind, by) == (Kind::Action, Role::Initiator) {
            self.asked_for_items(at, settings);
        }
        self.messages += messages.len() as u64;
        if by == Role::Responder && !messages.is_empty() {
            self.served = Some(at.time);
            if self.complete.is_some() && self.is_out_of_order() {
                self.findings.judge("PR-S-02");
            }
        }
        for value in messages {
            let message = Message {
                value,
                packet: at.packet,
                time: at.time,
            };
            match (kind, by) {
                (Kind::Event, Role::Initiator) => self.id(message, emit),
                (Kind::Event, Role::Responder) => self.ack(message, emit),
                (Kind::StateCommit, Role::Initiator) => {
                    let _ = self.commit.ask(message);
                }
                (Kind::StateCommit, Role::Responder) => {
                    self.findings.judge("PR-K-01");
                    if let Some(pair) = self.commit.answer(message) {
                        self.committed(pair, emit);
                    }
                }
                (Kind::Action, Role::Initiator) => {
                    let _ = self.action.ask(message);
                }
                (Kind::Action, Role::Responder) => {
                    self.items += 1;
                    let _ = self.action.answer(message);
                    if self.mode(settings) == "push" {
                        // Nothing asks for them.
                        self.action = Exchange::default();
                        self.action.over = true;
                    }
                    self.findings.judge("PR-A-01");
                }
            }
        }
    }

    /// PR-E-02, PR-E-04, PR-E-05
    fn id(&mut self, message: Message, emit: ObservationSink<'_>) {
        if self.refused_id.is_some() {
            return;
        }
        let at = At {
            packet: message.packet,
            time: message.time,
        };
        let (id, last) = (message.value, self.last_id);
        self.first_id = self.first_id.or(Some(message));
        self.findings.judge("PR-E-04");
        if id > last {
            self.last_id = id;
            if let Some((asked, answer)) = self.event.ask(message) {
                let of = |due: &ExpectedClose| {
                    due.requirement == "PR-E-03" && due.packet == answer.packet
                };
                self.dues.retain(|due| !of(due));
                self.compare(asked, answer, emit);
            }
            return;
        }
        self.refused_id = Some(id);
        let occurrence = self.occurrence(Role::Initiator, at);
        let requirement = match last {
            u32::MAX => "PR-E-05",
            _ => "PR-E-04",
        };
        let expected = match last {
            u32::MAX => "no id after the largest one".to_owned(),
            _ => format!("an id above {last}"),
        };
        self.findings
            .breach(requirement, occurrence, expected, format!("{id}"), emit);
        let why = format!("id {id} is not above {last}");
        let server = Role::Responder;
        self.owe(ExpectedClose::new("PR-E-02", server, at, why).with(&[5]));
    }

    fn ack(&mut self, message: Message, emit: ObservationSink<'_>) {
        let at = At {
            packet: message.packet,
            time: message.time,
        };
        if self.event.asked.is_empty() && self.refused_id == Some(message.value) {
            let occurrence = self.occurrence(Role::Responder, at);
            let got = format!("an ack of {}", message.value);
            self.findings.breach(
                "PR-E-02",
                occurrence,
                "no ack of an id that does not rise",
                got,
                emit,
            );
            self.event.over = true;
            return;
        }
        if let Some((asked, answer)) = self.event.answer(message) {
            self.compare(asked, answer, emit);
        } else if !self.event.over {
            let why = format!(
                "an ack of {} without an event that waits for one",
                message.value
            );
            self.wrong_ack(at, why);
        }
    }

    /// PR-E-01
    fn compare(&mut self, asked: Message, answer: Message, emit: ObservationSink<'_>) {
        self.findings.judge("PR-E-01");
        if asked.value == answer.value {
            self.acked((asked, answer), emit);
            return;
        }
        let at = At {
            packet: answer.packet,
            time: answer.time,
        };
        let occurrence = self.occurrence(Role::Responder, at);
        let (expected, got) = (
            format!("an ack of {}", asked.value),
            answer.value.to_string(),
        );
        self.findings
            .breach("PR-E-01", occurrence, expected, got, emit);
        self.event.over = true;
        let why = format!("the ack of {} has id {}", asked.value, answer.value);
        self.wrong_ack(at, why);
    }

    /// PR-E-03
    fn wrong_ack(&mut self, at: At, why: String) {
        let client = Role::Initiator;
        self.owe(ExpectedClose::new("PR-E-03", client, at, why).with(&[5]));
    }

    /// PR-A-02: the configured profile, or push if two items came before any request.
    fn asked_for_items(&mut self, at: At, settings: &MonitorSettings) {
        if self.mode(settings) == "push" && !self.asks {
            let why = "the client sends on the Action stream of profile push".to_owned();
            let server = Role::Responder;
            self.owe(ExpectedClose::new("PR-A-02", server, at, why).with(&[5]));
        }
        self.asks = true;
    }

    pub(in super::super) fn mode(&self, settings: &MonitorSettings) -> &'static str {
        match settings.mode.as_deref() {
            Some("push") => "push",
            Some("pull") => "pull",
            Some(_) | None if self.asks => "pull",
            Some(_) | None if self.items >= 2 => "push",
            Some(_) | None => "unknown",
        }
    }
}
