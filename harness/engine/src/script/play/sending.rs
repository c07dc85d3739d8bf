//! How the script sends, and learns that it was sent.

use std::sync::Arc;
use std::time::Duration;

use super::{Activity, DatagramScript, MAX_FRESH, SEND_LIMIT};
use crate::script::describe::human_time;
use crate::script::execution::{MAX_COMMENTS, MAX_EVENTS};
use crate::script::program::Instruction;
use crate::script::send::{From, Next, Source};
use crate::script::{Action, SocketId};

/// A step that sends, on its way.
#[derive(Debug)]
pub(super) struct Sending {
    op: Arc<Instruction>,
    from: From,
    source: Box<dyn Source>,
    /// The tag of the datagram that is being sent, and since when.
    pub(super) outstanding: Option<(u64, Duration)>,
    /// The last datagram that was sent or is being sent.
    datagram: Vec<u8>,
    sent: u64,
    /// The first of them as a line, if steps are reported.
    described: String,
}

impl Sending {
    pub(super) fn new(op: &Arc<Instruction>, from: From, source: Box<dyn Source>) -> Self {
        Self {
            op: Arc::clone(op),
            from,
            source,
            outstanding: None,
            datagram: Vec::new(),
            sent: 0,
            described: String::new(),
        }
    }

    /// What was sent, in a line.
    fn summary(&self) -> String {
        match self.sent {
            0 => "sent nothing".to_owned(),
            sent => self.source.summary(sent, &self.described),
        }
    }
}

impl DatagramScript {
    pub(super) fn send(&mut self, now: Duration, mut sending: Sending) -> Option<Activity> {
        if let Some((_, since)) = sending.outstanding {
            if now >= since.saturating_add(SEND_LIMIT) {
                let limit = human_time(SEND_LIMIT);
                self.execution
                    .error(format!("a datagram did not leave in {limit}"));
                return None;
            }
            return Some(Activity::Sending(sending, None));
        }
        let datagram = match sending.source.next(now, &self.context) {
            Ok(Next::Send(datagram)) => Some(datagram),
            Ok(Next::Wait(until)) => {
                self.context.due = until;
                return Some(Activity::Sending(sending, Some(until)));
            }
            Ok(Next::Over) => None,
            Err(why) => {
                self.execution.cannot(&sending.op, why);
                return None;
            }
        };
        let Some(datagram) = datagram else {
            let text = self.execution.report(|| sending.summary());
            self.context
                .datagrams
                .insert(sending.op.top, sending.datagram);
            // The time is that of the last datagram, which `sent` noted.
            self.execution
                .complete(&sending.op, self.execution.mark, text, None);
            return None;
        };
        let Some(to) = self.destination(sending.from) else {
            self.execution
                .inconclusive("nothing has come yet, so there is no address to send to".to_owned());
            return None;
        };
        let socket = match sending.from {
            From::Named(socket) => socket,
            From::Fresh => self.open_fresh(),
        };
        let tag = self.next_tag;
        self.next_tag += 1;
        sending.datagram.clone_from(&datagram);
        sending.outstanding = Some((tag, now));
        self.actions.push_back(Action::Send {
            tag,
            socket,
            to,
            payload: datagram,
        });
        Some(Activity::Sending(sending, None))
    }

    /// Where a datagram goes: `Some(None)` to a responder, `Some(Some(_))` to an initiator that
    /// sent something, `None` if none did.
    pub(super) fn destination(&self, from: From) -> Option<Option<std::net::SocketAddr>> {
        if self.context.environment.iut.is_some() {
            return Some(None);
        }
        let own = match from {
            From::Named(socket) => self.inbox.source(socket),
            From::Fresh => None,
        };
        own.or_else(|| self.inbox.source(SocketId::MAIN)).map(Some)
    }

    pub(super) fn open_fresh(&mut self) -> SocketId {
        if self.fresh.len() >= MAX_FRESH
            && let Some(socket) = self.fresh.pop_front()
        {
            self.actions.push_back(Action::Close { socket });
        }
        let socket = SocketId(self.next_socket);
        self.next_socket += 1;
        self.fresh.push_back(socket);
        self.actions.push_back(Action::Open {
            socket,
            other_address: false,
        });
        socket
    }

    pub(super) fn sent(&mut self, now: Duration, tag: u64, packet: Option<u64>) {
        let Activity::Sending(sending, _) = &mut self.activity else {
            return;
        };
        if sending
            .outstanding
            .is_none_or(|(outstanding, _)| outstanding != tag)
        {
            return;
        }
        sending.outstanding = None;
        sending.sent += 1;
        self.last_packet = packet.or(self.last_packet);
        self.execution.mark = now;
        self.context.sent = Some(now);
        if sending.sent == 1 {
            let op = Arc::clone(&sending.op);
            // Not every datagram of a flood is reported.
            let has_room = self.execution.events.len() < MAX_EVENTS
                || self.execution.comments[op.index] < MAX_COMMENTS;
            if self.execution.tells && has_room {
                sending.described = self.context.describe(&sending.datagram);
            }
            let text = sending.described.clone();
            self.execution.comment(&op, packet, &text);
        }
    }
}
