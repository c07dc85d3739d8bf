//! The server of specification section 5: it decides who is served, in which role and when, and
//! hands the rest to the machine of that role.

mod admission;
#[cfg(test)]
mod tests;
mod upload;
mod uploads;

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use shakedown_wire::planted;

use super::deviation::{Deviation, Deviations};
use super::outputs::Outputs;
use super::responder::Responder;
use super::settings::Settings;
use crate::machine::{Input, Machine, Outcome, Output};
use crate::mediastream::Grammar;
use crate::mediastream::frame::{Frame, JOIN_TOKEN, START_TOKEN};
use crate::requirement::Role;

use admission::{Admission, Admitted, Place, Side};

pub(super) use uploads::Uploads;

/// A machine of one role that serves the peers to which the server gave a slot.
pub(super) trait Service: Machine {
    /// Begins to serve `peer`, which asked by the token of this service.
    fn open(&mut self, now: Duration, peer: SocketAddr);

    /// Whether it serves `peer`.
    fn serves(&self, peer: SocketAddr) -> bool;
}

/// Assigns slots to peers (MS-X-01 to MS-X-07). The owner of the socket, which knows no
/// protocol, hands it each datagram with its source.
///
/// It reads the datagram of a remote without a slot and decides; a SYN or START (0x0200) is the
/// affair of `streams`, which has room for as many sessions as there are slots and refuses by the
/// words of its handshake. A slot is taken exactly as long as its service serves the remote.
#[derive(Debug)]
pub(super) struct Server<S, U> {
    grammar: Grammar,
    admission: Admission,
    streams: S,
    uploads: U,
    outputs: Outputs,
    counters: Counters,
    stopped: bool,
    without: Deviations,
}

/// What the server itself counts.
#[derive(Debug, Default, Serialize)]
struct Counters {
    received_datagrams: u64,
    received_bytes: u64,
    /// Requests of remotes that were connected or waited already (MS-X-04).
    duplicates: u64,
    /// Requests that had to wait.
    waited: u64,
    /// Requests past the bound of those that wait (MS-X-06).
    refused: u64,
    /// The most requests that waited at a time.
    most_awaiting: usize,
}

impl Server<Responder, Uploads> {
    /// The server that `settings` describe: without `slots` as many streams as there may be
    /// sessions.
    pub(super) fn of(mut settings: Settings) -> Self {
        let slots = settings.slots.unwrap_or(settings.max_sessions);
        settings.max_sessions = settings.max_sessions.min(slots);
        let admission = Admission::new(
            settings.max_sessions,
            settings.upload_slots,
            settings.max_awaiting,
        );
        let grammar = Grammar::new(settings.modes, settings.allow_legacy_start);
        let grammar = match settings.upload_slots {
            0 => grammar,
            _ => grammar.with_uploads(),
        };
        let uploads = Uploads::new(settings.clone());
        let without = settings.without;
        let streams = Responder::new(settings);
        Self {
            without,
            ..Self::new(grammar, admission, streams, uploads)
        }
    }
}

impl<S: Service, U: Service> Server<S, U> {
    fn new(grammar: Grammar, admission: Admission, streams: S, uploads: U) -> Self {
        Self {
            grammar,
            admission,
            streams,
            uploads,
            outputs: Outputs::default(),
            counters: Counters::default(),
            stopped: false,
            without: Deviations::default(),
        }
    }

    fn receive(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        self.counters.received_datagrams += 1;
        self.counters.received_bytes += payload.len() as u64;
        let place = self.admission.place(from);
        match self.grammar.classify(payload) {
            Ok(Frame::StartToken | Frame::JoinToken)
                if matches!(place, Some(Place::Waiting(_))) =>
            {
                self.counters.duplicates += 1; // MS-X-04
                if self.without.has(Deviation::WaitsTwice) {
                    self.admission.ask_again(from);
                }
            }
            Ok(Frame::StartToken | Frame::JoinToken)
                if matches!(place, Some(Place::Connected(_))) =>
            {
                planted::panics("join-while-connected", || payload == JOIN_TOKEN);
                let side = match payload == JOIN_TOKEN {
                    true => Side::Receive,
                    false => Side::Send,
                };
                if self.without.has(Deviation::RolesMix) && place != Some(Place::Connected(side)) {
                    self.admission.forget(from);
                    return self.ask(now, from, side);
                }
                self.counters.duplicates += 1; // MS-X-04
                self.emit(now, from, payload);
            }
            Ok(Frame::StartToken) => self.ask(now, from, Side::Send), // MS-X-01
            Ok(Frame::JoinToken) if self.without.has(Deviation::JoinSends) => {
                self.ask(now, from, Side::Send);
            }
            Ok(Frame::JoinToken) => self.ask(now, from, Side::Receive), // MS-X-01
            Ok(Frame::Data(_) | Frame::Fragment(_))
                if place.is_none() && self.without.has(Deviation::MediaJoins) =>
            {
                self.ask(now, from, Side::Receive);
            }
            Ok(
                Frame::Data(_)
                | Frame::Fragment(_)
                | Frame::Syn(_)
                | Frame::SynAck(_)
                | Frame::Ack(_)
                | Frame::Start(_)
                | Frame::StartAck(_)
                | Frame::StartConfirm(_)
                | Frame::Error(_)
                | Frame::ConnectionId(_),
            )
            | Err(_) => self.emit(now, from, payload),
        }
    }

    /// Gives a datagram to whom its source belongs; `streams` has those of strangers.
    fn emit(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        let input = Input::Datagram { from, payload };
        match self.admission.place(from) {
            Some(Place::Connected(Side::Receive)) => self.uploads.handle(now, input),
            Some(Place::Connected(Side::Send)) => self.streams.handle(now, input),
            Some(Place::Waiting(_)) | None => {
                self.streams.handle(now, input);
                if self.streams.serves(from) {
                    self.admission.connect(from, Side::Send);
                }
            }
        }
    }

    fn ask(&mut self, now: Duration, from: SocketAddr, side: Side) {
        match self.admission.ask(from, side) {
            Admitted::Connected => self.open(now, from, side),
            Admitted::Waits if self.without.has(Deviation::NobodyWaits) => {
                self.admission.forget(from);
            }
            Admitted::Waits => {
                self.counters.waited += 1;
                let awaiting = self.admission.awaiting();
                self.counters.most_awaiting = self.counters.most_awaiting.max(awaiting);
            }
            Admitted::Duplicate => self.counters.duplicates += 1,
            Admitted::Refused => self.counters.refused += 1,
        }
    }

    fn open(&mut self, now: Duration, peer: SocketAddr, side: Side) {
        match side {
            Side::Send => self.streams.open(now, peer),
            Side::Receive => self.uploads.open(now, peer),
        }
        self.release(peer);
    }

    /// Frees the slot if no service serves `peer` (MS-X-05).
    fn release(&mut self, peer: SocketAddr) {
        let is_served = match self.admission.place(peer) {
            Some(Place::Connected(Side::Send)) => self.streams.serves(peer),
            Some(Place::Connected(Side::Receive)) => self.uploads.serves(peer),
            Some(Place::Waiting(_)) | None => return,
        };
        if !is_served && !self.without.has(Deviation::SlotsAreLost) {
            self.admission.forget(peer);
        }
    }

    /// Takes what the services want done, and serves who waits as long as slots are free.
    fn settle(&mut self, now: Duration) {
        loop {
            while let Some(output) = self.streams.poll().or_else(|| self.uploads.poll()) {
                if let Output::Ended { peer, outcome } = &output {
                    self.release(*peer);
                    if self.without.has(Deviation::AnySlotServes)
                        && let Some((peer, side)) = self.admission.next_of_any()
                    {
                        self.open(now, peer, side);
                    }
                    let failed = matches!(outcome, Outcome::Failed(_));
                    if failed && self.without.has(Deviation::AllFailTogether) {
                        self.streams.handle(now, Input::Stop);
                    }
                }
                self.outputs.push(output);
            }
            if self.stopped {
                return;
            }
            let Some((peer, side)) = self.admission.next() else {
                return;
            };
            self.open(now, peer, side); // MS-X-02
        }
    }
}

impl<S: Service, U: Service> Machine for Server<S, U> {
    fn role(&self) -> Role {
        Role::Responder
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.stopped {
            return;
        }
        // First what is due: a slot that is free by now is free for this datagram.
        self.streams.handle(now, Input::Tick);
        self.uploads.handle(now, Input::Tick);
        self.settle(now);
        match input {
            Input::Datagram { from, payload } => self.receive(now, from, payload),
            Input::Tick => {}
            Input::Stop => {
                self.stopped = true;
                self.streams.handle(now, Input::Stop);
                self.uploads.handle(now, Input::Stop);
            }
        }
        self.settle(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    fn deadline(&self) -> Option<Duration> {
        let deadlines = [self.streams.deadline(), self.uploads.deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn is_finished(&self) -> bool {
        self.stopped
    }

    /// Those of the streams, with all datagrams that came in, and beside them `uploads` and
    /// `dispatch`.
    fn counters(&self) -> serde_json::Value {
        let mut json = self.streams.counters();
        json["received_datagrams"] = self.counters.received_datagrams.into();
        json["received_bytes"] = self.counters.received_bytes.into();
        json["uploads"] = self.uploads.counters();
        json["dispatch"] = serde_json::json!({
            "duplicates": self.counters.duplicates,
            "waited": self.counters.waited,
            "refused": self.counters.refused,
            "awaiting": self.admission.awaiting(),
            "most_awaiting": self.counters.most_awaiting,
            "streams": self.admission.connected(Side::Send),
            "free_slots": self.admission.accepting(Side::Send),
            "uploads": self.admission.connected(Side::Receive),
            "free_upload_slots": self.admission.accepting(Side::Receive),
        });
        json
    }
}

impl Service for Responder {
    fn open(&mut self, now: Duration, peer: SocketAddr) {
        let payload = START_TOKEN;
        self.handle(
            now,
            Input::Datagram {
                from: peer,
                payload,
            },
        );
    }

    fn serves(&self, peer: SocketAddr) -> bool {
        self.has_session(peer)
    }
}
