use std::time::Duration;

use shakedown_wire::quic::{Acknowledged, Level, Packet};

use super::{At, Connection, MOST_STREAMS, Stream, index, late};
use crate::MonitorSettings;
use crate::proton::monitor::due::ExpectedClose;
use crate::proton::monitor::findings::ObservationSink;
use crate::proton::{IDENTIFICATION, IDLE_TIMEOUT, KEEP_ALIVE, Kind, OPERATION, SETUP};
use crate::requirement::Role;

impl Connection {
    /// The server says that its handshake is done.
    pub(in super::super) fn handshake_done(&mut self) {
        if self.early.is_none() {
            // The next one is the packet after the newest.
            self.early = Some(self.next[index(Role::Initiator)].unwrap_or_default());
        }
    }

    /// Whether what opened the stream has come. A server may drop data that comes before its handshake is done
    /// (RFC 9001, section 5.7); later data reaches it.
    fn is_heard(&self, stream: &Stream) -> bool {
        let later = |number| self.early.is_some_and(|early| number >= early);
        stream.taken || stream.number.is_none_or(later)
    }

    /// A packet of a side, and with it what its time shows.
    pub(in super::super) fn packet(
        &mut self,
        packet: &Packet,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let by = packet.by.into();
        self.packets += 1;
        let last = &mut self.last[index(by)];
        *last = (*last).max(Some(at.time));
        self.read[index(by)] |= packet.is_of_the_application();
        if self.is_read() && self.agreed.is_some() {
            self.findings.open(emit);
        }
        self.numbers(packet, at);
        if self.closed.is_some() {
            self.conclude(settings, emit);
            // The server takes a first packet that was delayed for a new connection.
            if (packet.level, by) == (Level::Initial, Role::Initiator) {
                self.reborn = Some(at.time);
            }
            return;
        }
        if by == Role::Responder {
            self.unanswered(at, settings, emit);
        }
        self.kept_alive(by, at, settings);
        self.arm(at.time, settings);
        let round_trip = self.round_trip();
        let overdue =
            |due: &ExpectedClose| due.party == by && due.is_overdue(at.time, round_trip, settings);
        let broken: Vec<_> = self
            .dues
            .iter()
            .filter(|due| overdue(due))
            .cloned()
            .collect();
        self.dues.retain(|due| !overdue(due));
        let occurrence = self.occurrence(by, at);
        for due in broken {
            let got = format!("it goes on after packet {}", due.packet);
            self.found(due.requirement, occurrence, due.wanted(), got, emit);
        }
        self.vanished(by, at, settings, emit);
        match by {
            Role::Initiator => self.idle_restarted = None,
            Role::Responder if packet.ack_eliciting => {
                self.idle_restarted.get_or_insert(at.time);
            }
            Role::Responder => {}
        }
    }

    /// What the number of a packet and what it acknowledges say of what the sides know.
    fn numbers(&mut self, packet: &Packet, at: At) {
        let by = packet.by.into();
        let (mine, peers) = (index(by), index(by.peer()));
        // Packets of the handshake have numbers of their own.
        let number = packet.is_of_the_application().then_some(packet.number);
        // The data that it completes may be in a packet that was sent after it and seen before.
        let newest =
            number.map(|number| self.next[mine].map_or(number, |next| number.max(next - 1)));
        for due in &mut self.dues {
            due.number(by, newest);
        }
        let Some(number) = number else {
            match by {
                Role::Responder if packet.ack_eliciting => {
                    self.shaking.get_or_insert(at.time);
                }
                Role::Initiator if packet.acknowledges.is_some() => {
                    let delay = self.shaking.take().map(|sent| at.time.saturating_sub(sent));
                    self.handshake_delay = self.handshake_delay.max(delay.unwrap_or_default());
                }
                Role::Initiator | Role::Responder => {}
            }
            return;
        };
        if by == Role::Initiator {
            let new = self.streams.values_mut();
            let new = new.filter(|stream| stream.number.is_none());
            new.for_each(|stream| stream.number = Some(number));
        }
        // One number may be left out on purpose (RFC 9000, section 21.4), and some count their
        // handshake packets in the same row.
        let next = &mut self.next[mine];
        self.gaps |= next.is_some_and(|next| number > next + 1);
        *next = (*next).max(Some(number.saturating_add(1)));
        if packet.ack_eliciting {
            self.newest[mine] = self.newest[mine].max(Some(number));
            self.outstanding[mine].sent(number);
            self.probes[mine].get_or_insert((number, at.time));
        }
        let Some(acknowledged) = packet.acknowledges else {
            return;
        };
        let Acknowledged {
            largest, unseen, ..
        } = acknowledged;
        self.gaps |= unseen;
        if by == Role::Responder {
            for stream in self.streams.values_mut() {
                stream.taken |= stream
                    .number
                    .is_some_and(|number| acknowledged.shows(number));
            }
        }
        let probe = &mut self.probes[peers];
        if let Some((_, sent)) = probe.take_if(|(number, _)| *number <= largest) {
            let delay = at.time.saturating_sub(sent);
            self.delays[peers] = self.delays[peers].max(delay);
        }
        let next = self.next[peers].unwrap_or_default();
        let outstanding = &mut self.outstanding[peers];
        let lost = outstanding.acknowledged(&acknowledged, next);
        let is_delivered = |number| outstanding.is_delivered(number);
        if is_delivered(u64::MAX) {
            self.caught_up[mine] = Some(at.time);
        }
        let [client, server] = self.delays;
        for due in self.dues.iter_mut().filter(|due| due.party == by) {
            if let Some(lost) = lost {
                due.lost(lost, next);
            }
            due.acknowledged(is_delivered, at.time, client + server);
        }
        if by == Role::Responder {
            self.established.get_or_insert(at);
        }
    }

    /// PR-C-04: an idle connection that both sides kept.
    fn kept_alive(&mut self, by: Role, at: At, settings: &MonitorSettings) {
        let since = self.established.map(|since| since.time).max(self.talked);
        let peer = self.last[index(by.peer())];
        let idle = since.is_some_and(|since| at.time > since + late(IDLE_TIMEOUT, settings));
        if idle && peer.is_some_and(|peer| at.time < peer + late(KEEP_ALIVE, settings)) {
            self.findings.judge("PR-C-04");
        }
    }

    /// PR-C-05: the idle timer begins again with the first ack-eliciting packet that is sent after one that came,
    /// which keep-alive sends a second later, and a probe of the handshake later still. QUIC makes the timeout
    /// three of its probe timeouts where those are longer (RFC 9000, section 10.1), each of which may be three
    /// times the longest round trip, which that of a handshake with losses may be (RFC 9002, sections 5.3 and
    /// 6.2.1).
    fn vanished(
        &mut self,
        by: Role,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let round_trip = self.round_trip();
        let longest = round_trip.max(self.handshake_delay);
        let gone = IDLE_TIMEOUT.max(longest * 9);
        let [Some(client), Some(_)] = self.last else {
            return;
        };
        let kept = client + KEEP_ALIVE;
        let since = self.idle_restarted.map_or(kept, |sent| sent.max(kept));
        if by == Role::Responder && at.time > since + late(gone, settings) + round_trip {
            let occurrence = self.occurrence(by, at);
            let silent = at.time.saturating_sub(client).as_secs_f64();
            let got = format!("a packet {silent:.1} s after the client's last one");
            let expected = "a client that is silent given up after 5 s";
            self.found("PR-C-05", occurrence, expected, got, emit);
        }
    }

    /// What is owed because time has passed: PR-S-05, PR-S-06, PR-T-01, PR-T-05.
    pub(super) fn arm(&mut self, now: Duration, settings: &MonitorSettings) {
        let mut owed = Vec::new();
        for (id, stream) in &self.streams {
            let waits = stream.kind.is_none() && !stream.resets && !stream.void;
            if waits
                && self.is_heard(stream)
                && !stream.client_lost
                && now > stream.opened.time + IDENTIFICATION
            {
                let why = format!("stream {id} did not say within 1 s which it is");
                owed.push((
                    "PR-S-05",
                    Role::Responder,
                    stream.opened,
                    IDENTIFICATION,
                    why,
                ));
            }
        }
        if let Some(established) = self.established
            && self.named.len() < 3
            && !self.incomplete
            && now > established.time + SETUP
        {
            let at = At {
                packet: self.first.packet,
                ..established
            };
            let why = "three streams were not there within 5 s".to_owned();
            owed.push(("PR-S-06", Role::Responder, at, SETUP, why));
        }
        let all = [
            (&self.event, "event"),
            (&self.commit, "commit"),
            (&self.action, "request"),
        ];
        let pull = settings.mode.as_deref() == Some("pull");
        for (exchange, what) in all.into_iter().take(if pull { 3 } else { 2 }) {
            if let Some(message) = exchange.asked.front().filter(|_| !exchange.over)
                && now > message.time + OPERATION
            {
                let at = At {
                    packet: message.packet,
                    time: message.time,
                };
                let why = format!("{what} {} had no answer within 5 min", message.value);
                owed.push(("PR-T-01", Role::Initiator, at, OPERATION, why));
            }
        }
        let all = [self.unread(), self.unfinished(settings)];
        for due in all.into_iter().flatten() {
            if due.is_begun(now)
                && self.armed.len() < MOST_STREAMS
                && self.armed.insert((due.requirement, due.packet))
            {
                self.owe(due);
            }
        }
        for (requirement, party, at, limit, why) in owed {
            if self.armed.len() < MOST_STREAMS && self.armed.insert((requirement, at.packet)) {
                let due = ExpectedClose::new(requirement, party, at, why).within(limit);
                self.owe(match party {
                    Role::Initiator => due.with(&[4]).of_its_own(),
                    Role::Responder => due.with(&[3]).known_by(self.newest[index(party.peer())]),
                });
            }
        }
    }

    /// PR-T-05: what the server owes for the first u32 that is not complete. What it makes of bytes on
    /// the Action stream depends on the profile.
    fn unfinished(&self, settings: &MonitorSettings) -> Option<ExpectedClose> {
        let pull = settings.mode.as_deref() == Some("pull");
        let talks = |kind| pull || kind != Kind::Action;
        let streams = self.streams.values().filter(|stream| !stream.client_lost);
        let (kind, since) = streams
            .filter_map(|stream| stream.kind.filter(|kind| talks(*kind)).zip(stream.rest))
            .min_by_key(|(_, since)| since.time)?;
        let why = format!(
            "a u32 on the {} stream was not complete within 5 min",
            kind.name()
        );
        let due = ExpectedClose::new("PR-T-05", Role::Responder, since, why).within(OPERATION);
        Some(due.with(&[4]).known_by(self.newest[index(Role::Initiator)]))
    }
}
