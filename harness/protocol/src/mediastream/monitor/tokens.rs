//! The tokens: what START and JOIN do on a tuple with a session.

use super::flow::Flow;
use super::ledger::Evidence;
use super::order::Origin;
use super::rule::Rule;
use super::session::{Mode, World};
use super::starts::Starts;
use super::time::{ANSWER, Moment};
use crate::mediastream::{Mode as Spoken, Modes};
use crate::requirement::Role;

/// How long an unanswered request stays the same request.
const STALE: std::time::Duration = std::time::Duration::from_secs(10);

impl Flow {
    /// The START token of the initiator.
    pub(super) fn start(&mut self, at: &Moment, world: &mut World<'_>) {
        if self.session.mode == Mode::Start3 && !self.token_within_start3(at, world) {
            return;
        }
        let (session, _, mut bench) = self.split(world);
        let is_over = session.stream.is_over(at, bench.settings);
        let is_new = match (&mut session.starts, session.mode) {
            (Some(starts), _) if !is_over && !starts.is_stale(at, STALE) => {
                starts.again(at, &mut bench);
                false
            }
            (Some(_), _) => true,
            // MS-L-04: the tuple streams already, and needs no ACK any more.
            (None, Mode::ThreeWay)
                if !is_over
                    && session.handshake.acked.is_none()
                    && session.handshake.early.is_named() =>
            {
                session.handshake.acked = Some(*at);
                false
            }
            (None, Mode::ThreeWay) => {
                let acked = session.handshake.acked;
                let is_idle = acked.is_none_or(|acked| at.is_past(&acked, ANSWER));
                session.handshake.fell_back = acked.is_none();
                session.handshake.start_after = acked.map(|_| *at);
                is_over || (!session.stream.has_begun() && is_idle) || acked.is_none()
            }
            // Asked above.
            (None, Mode::Start3) => true,
            (None, Mode::Legacy | Mode::Unknown) => is_over || !session.stream.has_begun(),
        };
        if is_new {
            self.reopen(Mode::Legacy, Origin::Start, at, world);
            self.opened_by_start(at, world);
        }
    }

    /// The session's first datagram is the START token.
    pub(super) fn opened_by_start(&mut self, at: &Moment, world: &mut World<'_>) {
        let was_asked = world.responders.was_asked(self.parties.responder);
        let (session, _, mut bench) = self.split(world);
        bench.exercised(Rule::L01);
        if bench.modes().and_then(Modes::only) == Some(Spoken::ThreeWay) && !was_asked {
            // MS-H-01
            bench.breach(Rule::H01, Role::Initiator, || {
                Evidence::at(at, "a SYN first", "the START token").field("ProtocolFlag", 0, 2)
            });
        }
        session.starts = Some(Starts::new(at));
    }

    /// The JOIN token of the initiator: it wants to send. A copy, and one on a tuple whose session
    /// lives, asks for nothing.
    pub(super) fn join(&mut self, at: &Moment, world: &mut World<'_>) {
        let session = &self.session;
        let is_over = session.stream.is_over(at, world.settings);
        let is_new = if session.is_upload {
            is_over
        } else {
            is_over || !session.stream.has_begun()
        };
        if is_new {
            self.reopen(Mode::Legacy, Origin::Start, at, world);
            self.session.is_upload = true;
        }
    }
}
