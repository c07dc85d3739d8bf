use std::net::SocketAddr;
use std::time::Duration;

use super::super::deviation::{Deviation, Known, Passing, Repeated};
use super::super::settings::Settings;
use super::super::start3::Identity;
use crate::mediastream::frame::{ConnectionId, ErrorCode};

use super::session::{HalfOpen, Handshake, Request, Session};
use super::{Responder, answer, failed};

/// What only a faulty twin does.
impl Responder {
    /// What it knows of the session with `peer`.
    pub(super) fn known(&self, peer: SocketAddr) -> Known {
        let none = Known::nothing(self.grammar, self.settings.stream.frames());
        let identity = |session: &Session| session.start3().map(|handshake| handshake.identity);
        let mut others = self.sessions.iter().filter(|(other, _)| **other != peer);
        let other = others
            .next()
            .map(|(other, session)| (*other, identity(session)));
        let none = Known {
            half_open: self.half_open,
            sent: self.counters.sent_datagrams,
            other,
            ..none
        };
        self.sessions.get(&peer).map_or(none, |session| Known {
            session: true,
            pending: session.half_open.is_some(),
            sends: session.half_open.as_ref().map_or(0, HalfOpen::sends),
            identity: identity(session),
            id: Some(session.id),
            wish: match &session.request {
                Request::Syn(wish) => Some(*wish),
                Request::Start | Request::Start3(_) => None,
            },
            frames: session.media.frames(),
            ..none
        })
    }

    pub(super) fn receive_as_twin(&mut self, now: Duration, from: SocketAddr, taken: Passing) {
        for answer in taken.before {
            self.send(from, answer);
        }
        if let Some(peer) = taken.ends {
            let why = "a datagram ended it";
            self.close(peer, why, &failed("twin", why));
        }
        match taken.is_lost {
            true => self.counters.received(&taken.bytes),
            false => self.receive(now, taken.peer, &taken.bytes),
        }
    }

    /// The request of a half-open session came again.
    pub(super) fn disturb_timers(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        reset: Deviation,
        counts: Deviation,
    ) {
        let (resets, counts) = (self.settings.lacks(reset), self.settings.lacks(counts));
        if !resets && !counts {
            return;
        }
        if let Some(mut session) = self.take(peer) {
            if let Some(half_open) = &mut session.half_open {
                half_open.disturb(now, resets, &self.settings);
            }
            self.insert(peer, session);
        }
    }

    /// An ACK with another id came to a half-open session.
    pub(super) fn stop_repeating(&mut self, now: Duration, peer: SocketAddr) {
        if self.settings.lacks(Deviation::WrongAckMutes)
            && let Some(mut session) = self.take(peer)
        {
            if let Some(half_open) = &mut session.half_open {
                half_open.stop_repeating(now, &self.settings);
            }
            self.insert(peer, session);
        }
    }

    /// Whether a stream that nobody confirmed outlives its session.
    pub(super) fn streams_on(&mut self, peer: SocketAddr) -> bool {
        let Some(session) = self.sessions.get(&peer) else {
            return false;
        };
        let (twin, error) = match session.start3() {
            Some(known) => {
                let error = known.identity.error(ErrorCode::Timeout, "");
                (Deviation::TimedOutStreams, Some(error))
            }
            None => (Deviation::DroppedStreams, None),
        };
        if !self.settings.lacks(twin) || session.stream.is_none() {
            return false;
        }
        if let Some(error) = error {
            self.send(peer, error);
        }
        if let Some(mut session) = self.take(peer) {
            session.half_open = None;
            self.insert(peer, session);
        }
        true
    }

    /// A frame was sent, long after the ACK or START_CONFIRM.
    pub(super) fn accept_on(&mut self, peer: SocketAddr, session: &Session, number: u64) {
        match &session.request {
            _ if number != 25 => {}
            Request::Syn(_) if self.settings.lacks(Deviation::SynAckAfterAck) => {
                self.send(peer, answer::accept(&session.id));
            }
            Request::Start3(known) if self.settings.lacks(Deviation::StartAckAfterConfirm) => {
                self.send(peer, known.start_ack.clone());
            }
            Request::Start | Request::Syn(_) | Request::Start3(_) => {}
        }
    }

    /// An ACK came from a peer without a session.
    pub(super) fn move_stream(&mut self, to: SocketAddr, id: ConnectionId) {
        let is_meant = |session: &Session| session.id == id && session.half_open.is_none();
        if self.settings.lacks(Deviation::AckMovesStream)
            && let Some(from) = self.one_with(is_meant)
            && let Some(session) = self.take(from)
        {
            self.insert(to, session);
        }
    }

    /// A peer asks for a new session.
    pub(super) fn end_namesake(&mut self, peer: SocketAddr, request: &Request) {
        if self.settings.lacks(Deviation::NamesakeEnds)
            && let Some(other) = self.one_with(|session| session.request == *request)
            && other != peer
        {
            let why = "another peer has its wish";
            self.close(other, why, &failed("twin", why));
        }
    }

    fn one_with(&self, is_meant: impl Fn(&Session) -> bool) -> Option<SocketAddr> {
        let mut all = self.sessions.iter();
        all.find(|(_, session)| is_meant(session))
            .map(|(peer, _)| *peer)
    }

    /// How many of the places for sessions are taken.
    pub(super) fn taken(&self) -> usize {
        let keeps = [
            Deviation::SynFindsSlotsTaken,
            Deviation::StartFindsSlotsTaken,
        ];
        match keeps.iter().any(|keeps| self.settings.lacks(*keeps)) {
            true => usize::try_from(self.counters.handshakes.succeeded).unwrap_or(usize::MAX),
            false => self.sessions.len(),
        }
    }

    /// A START was refused.
    pub(super) fn keep_refused(&mut self, now: Duration, peer: SocketAddr, identity: Identity) {
        if self.settings.lacks(Deviation::RefusedIsKept) && !self.sessions.contains_key(&peer) {
            let request = Request::Start3(Handshake {
                identity,
                start_ack: Vec::new(),
            });
            let mut session = self.new_session(now, request, self.settings.max_datagram);
            session.half_open = Some(HalfOpen::new(now, Repeated::StartAck, &self.settings));
            self.insert(peer, session);
        }
    }
}

impl Session {
    /// Takes the place of another session of its tuple.
    pub(super) fn inherit(&mut self, old: Self, settings: &Settings) {
        let has_no_wish = matches!(&self.request, Request::Syn(wish) if wish.is_empty());
        if settings.lacks(Deviation::RestartKeepsId)
            || has_no_wish && settings.lacks(Deviation::RestartWithoutWishKeepsId)
        {
            self.id = old.id;
        }
        if settings.lacks(Deviation::RestartKeepsStream) {
            self.stream = old.stream;
        }
    }
}
