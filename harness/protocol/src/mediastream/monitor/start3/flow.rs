//! Which session of a tuple a frame of 3.3 belongs to.

use super::{Asked, Exchange, Key, Kind, View};
use crate::mediastream::monitor::flow::Flow;
use crate::mediastream::monitor::handshake::Answer;
use crate::mediastream::monitor::order::Origin;
use crate::mediastream::monitor::session::{Mode, World};
use crate::mediastream::monitor::time::Moment;
use crate::mediastream::monitor::view::View as Datagram;
use crate::monitor::Packet;
use crate::requirement::Role;

/// A START of another StreamId or Nonce on a tuple whose session lives: most likely it changes
/// nothing (MS-S-11, MS-S-17), and opens its session if a START_ACK grants it.
#[derive(Debug)]
pub(in crate::mediastream::monitor) struct Rival {
    key: Key,
    asked: Asked,
    at: Moment,
}

impl Flow {
    /// The first datagram of the tuple's first session is a START.
    pub(in crate::mediastream::monitor) fn begin_with_start3(
        &mut self,
        packet: &Packet<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        let seen = self.common(packet, Role::Initiator, at, world);
        if let Datagram::Start3(kind, view) = seen {
            self.opened_by_start3(&view, at, world);
            super::control(
                kind,
                &view,
                Role::Initiator,
                true,
                at,
                &mut self.bench(world),
            );
        }
    }

    /// The session's first datagram is a START.
    pub(in crate::mediastream::monitor) fn opened_by_start3(
        &mut self,
        view: &View<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        world.responders.asked(self.parties.responder, at);
        let asked = Asked::new(view, at, &mut self.bench(world));
        self.exchange_began(view, Some(asked), world);
    }

    /// A frame of 3.3.
    pub(in crate::mediastream::monitor) fn start3(
        &mut self,
        kind: Kind,
        view: &View<'_>,
        packet: &Packet<'_>,
        from: Role,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        match (kind, from) {
            (Kind::Start, Role::Initiator) => self.start_frame(view, at, world),
            (Kind::Start, Role::Responder) => {
                if self.is_silent_initiator() || self.session.stream.is_over(at, world.settings) {
                    self.turn_round(packet, at, world);
                } else {
                    self.unexpected(Role::Initiator);
                }
            }
            (Kind::Ack, Role::Responder) => self.start_ack(view, at, world),
            (Kind::Confirm, Role::Initiator) => self.start_confirm(view, at, world),
            (Kind::Error, _) => {
                let (session, _, mut bench) = self.split(world);
                if let Some(exchange) = &mut session.start3 {
                    exchange.lapse(at, &mut bench);
                    exchange.error(view, from, at, &mut bench);
                }
            }
            (Kind::Ack, Role::Initiator) => self.unexpected(Role::Responder),
            (Kind::Confirm, Role::Responder) => self.unexpected(Role::Initiator),
        }
        let is_known = self.session.start3.is_some();
        // The parties may have changed sides meanwhile.
        let from = match packet.source == self.parties.initiator {
            true => Role::Initiator,
            false => Role::Responder,
        };
        super::control(kind, view, from, is_known, at, &mut self.bench(world));
    }

    /// A datagram to `to` that it may answer by an ERROR.
    pub(in crate::mediastream::monitor) fn unexpected(&mut self, to: Role) {
        if let Some(exchange) = &mut self.session.start3 {
            exchange.unexpected(to);
        }
    }

    /// The START token on a tuple with a session of mode start3; whether it may open the next one.
    ///
    /// It does if nothing answered START, or the session is over. While the session is half-open
    /// what follows tells: see [`Flow::token_was_served`]; likewise after a START_CONFIRM alone. Once
    /// it streams, nothing (MS-L-04).
    pub(in crate::mediastream::monitor) fn token_within_start3(
        &mut self,
        at: &Moment,
        world: &mut World<'_>,
    ) -> bool {
        let stream = &self.session.stream;
        let is_over = stream.is_over(at, world.settings) || stream.is_complete(world.settings);
        let (session, _, mut bench) = self.split(world);
        let Some(exchange) = &mut session.start3 else {
            return true;
        };
        exchange.unexpected(Role::Responder);
        let is_answered = exchange.is_granted() || exchange.confirmed.is_some();
        let streams = exchange.confirmed.is_some() && session.stream.has_begun();
        if exchange.is_confirmed() || streams {
            return is_over || exchange.is_ended();
        }
        exchange.lapse(at, &mut bench);
        if let Some(asked) = &exchange.asked {
            asked.fell_back(at, &mut bench);
        }
        exchange.token = Some(*at);
        exchange.is_ended() || !is_answered
    }

    /// The responder sent a connection-id (if `is_name`) or media: a START token that came while the
    /// session was half-open was served, if nothing confirmed the session and it may not stream yet.
    pub(in crate::mediastream::monitor) fn token_was_served(
        &mut self,
        is_name: bool,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        let exchange = self.session.start3.as_ref();
        let is_complete = self.session.stream.is_complete(world.settings);
        let token = exchange.filter(|exchange| exchange.serves_token(is_name, is_complete));
        if let Some(token) = token.and_then(|exchange| exchange.token) {
            self.reopen(Mode::Legacy, Origin::Start, at, world);
            self.opened_by_start(&token, world);
        }
    }

    fn start_frame(&mut self, view: &View<'_>, at: &Moment, world: &mut World<'_>) {
        let Some(key) = view.key else {
            return;
        };
        let is_over = self.session.stream.is_over(at, world.settings);
        let (session, _, mut bench) = self.split(world);
        let is_new = match &mut session.start3 {
            Some(exchange) if exchange.key == key => {
                exchange.lapse(at, &mut bench);
                exchange.after_end(Role::Initiator, "START", at, &mut bench);
                // What came before it without its START was none of its session's.
                let is_first = exchange.asked.is_none() && !session.stream.has_begun();
                let is_new = is_first || is_over || exchange.is_ended() || exchange.is_given_up(at);
                if !is_new {
                    exchange.start_again(view, at, &mut bench);
                }
                is_new
            }
            Some(exchange) => {
                exchange.lapse(at, &mut bench);
                if let Some(asked) = exchange.asked.as_ref().filter(|_| exchange.is_unanswered()) {
                    asked.replaced(at, &mut bench);
                }
                exchange.unexpected(Role::Responder);
                is_over || exchange.is_ended() || exchange.is_given_up(at)
            }
            None => {
                let is_accepted = session.handshake.answer == Answer::Accepted;
                let lives = session.stream.has_begun() || session.is_named() || is_accepted;
                is_over || !lives
            }
        };
        if is_new {
            self.reopen(Mode::Start3, Origin::Start, at, world);
            self.opened_by_start3(view, at, world);
        } else if self.session.start3.as_ref().map(|exchange| exchange.key) != Some(key)
            && self.rival.as_ref().is_none_or(|rival| rival.key != key)
        {
            let asked = Asked::new(view, at, &mut self.bench(world));
            self.rival = Some(Rival {
                key,
                asked,
                at: *at,
            });
        }
    }

    fn start_ack(&mut self, view: &View<'_>, at: &Moment, world: &mut World<'_>) {
        if let Some(rival) = self.rival.take_if(|rival| view.key == Some(rival.key)) {
            self.reopen(Mode::Start3, Origin::Start, &rival.at, world);
            self.exchange_began(view, Some(rival.asked), world);
        } else if self.session.start3.is_none() {
            let is_new = self.session.datagrams <= 1 && self.session.mode == Mode::Start3;
            if !is_new {
                return;
            }
            self.exchange_began(view, None, world);
        }
        let own = world.settings.stream;
        let is_complete = self.session.stream.is_complete(world.settings);
        let exchange = self.session.start3.as_ref();
        let asked = exchange.filter(|_| is_complete);
        if let Some(asked) = asked.and_then(|exchange| exchange.asked_anew(view)) {
            // The START came after the last frame, and opens a session under the same numbers.
            self.reopen(Mode::Start3, Origin::Start, at, world);
            self.exchange_began(view, Some(asked), world);
        }
        let is_complete = self.session.stream.is_complete(world.settings);
        let (session, _, mut bench) = self.split(world);
        if let Some(exchange) = &mut session.start3 {
            exchange.lapse(at, &mut bench);
            exchange.is_complete = is_complete;
            exchange.ack(view, session.before.start_ack, at, &mut bench);
            session.stream.agree(exchange.agreed(own));
        }
    }

    fn start_confirm(&mut self, view: &View<'_>, at: &Moment, world: &mut World<'_>) {
        if self.session.start3.is_none() && self.session.mode == Mode::Start3 {
            self.exchange_began(view, None, world);
        }
        let (session, _, mut bench) = self.split(world);
        if let Some(exchange) = &mut session.start3 {
            exchange.lapse(at, &mut bench);
            exchange.confirm(view, at, &mut bench);
        }
    }

    fn exchange_began(&mut self, view: &View<'_>, asked: Option<Asked>, world: &World<'_>) {
        let key = view.key.unwrap_or(Key {
            stream_id: 0,
            nonce: 0,
        });
        let exchange = Exchange::new(key, asked);
        self.session
            .stream
            .agree(exchange.agreed(world.settings.stream));
        self.session.start3 = Some(Box::new(exchange));
    }
}
