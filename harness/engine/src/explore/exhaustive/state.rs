//! Both machines and what flies between them, and every way in which that can go on.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use shakedown_protocol::exploration::{Exploration, Facts, RuleViolation};
use shakedown_protocol::machine::{Fork, Outcome};
use shakedown_protocol::requirement::Role;

use super::Bounds;
use super::channel::{Channel, Datagram};
use super::steps::{Effect, Peer, Steps};

/// Timers that are looked at until a state counts as stuck.
const LOOK_AHEAD: usize = 16;

/// When a run must be over: long after the last timer of any number of sessions that the budgets
/// allow.
const LONGEST_RUN: Duration = Duration::from_secs(600);

/// What is the same in all states of an exploration.
pub(super) struct Context {
    /// What is known of the protocol.
    pub(super) exploration: &'static Exploration,
    /// The requirement that both sides stream or both close.
    pub(super) convergence: &'static str,
    /// What the machines did until now.
    pub(super) steps: Steps,
}

/// Something that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The next datagram of this side arrives.
    Deliver(Role),
    Lose(Role),
    /// It arrives, and a copy of it stays behind.
    Double(Role),
    /// It stays behind, and later ones arrive before it.
    Overtake(Role),
    /// One of those that stayed behind arrives.
    Late(Role, usize),
    /// The next timer of this side is due.
    Timer(Role),
}

/// Context for following a step.
pub(super) enum Note<'a> {
    Sent(Role, &'a Datagram),
    State(Role, &'static str, &'static str),
    Ended(Role, &'a Outcome),
}

/// Where everything stands. Two states are equal if everything that can happen from them is, the
/// counters apart.
#[derive(Clone)]
pub(super) struct State {
    pub(super) now: Duration,
    initiator: Arc<Peer>,
    responder: Arc<Peer>,
    /// What the initiator sent, and what the responder sent.
    ways: [Channel; 2],
    pub(super) left: Bounds,
    facts: Arc<dyn Facts>,
    /// Since when one side holds what the other one does not know.
    one_sided: Option<Duration>,
    pub(super) broken: Option<RuleViolation>,
}

impl State {
    /// Both machines before anything happened, and the begin of the initiator.
    pub(super) fn new(
        context: &Context,
        initiator: Box<dyn Fork>,
        responder: Box<dyn Fork>,
        facts: Box<dyn Facts>,
        left: Bounds,
        note: &mut impl FnMut(Note<'_>),
    ) -> Self {
        let mut state = Self {
            now: Duration::ZERO,
            initiator: context.steps.peer(initiator),
            responder: context.steps.peer(responder),
            ways: [Channel::default(), Channel::default()],
            left,
            facts: facts.into(),
            one_sided: None,
            broken: None,
        };
        state.wake(context, Role::Initiator, None, note);
        state.check(context);
        state
    }

    /// Everything that can happen now, in the order in which it is tried.
    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        for from in [Role::Initiator, Role::Responder] {
            let way = &self.ways[index(from)];
            if !way.queue.is_empty() {
                actions.push(Action::Deliver(from));
                if self.left.loss > 0 {
                    actions.push(Action::Lose(from));
                }
                if self.left.dup > 0 {
                    actions.push(Action::Double(from));
                }
                if self.left.reorder > 0 {
                    actions.push(Action::Overtake(from));
                }
            }
            for (place, late) in way.late.iter().enumerate() {
                let is_same = |before: usize| way.late[before].digest == late.digest;
                if place == 0 || !is_same(place - 1) {
                    actions.push(Action::Late(from, place));
                }
            }
        }
        if self.is_busy() && self.left.slow == 0 {
            return;
        }
        actions.extend(self.timers());
    }

    /// The timer that is due next, of several the initiator's.
    pub(super) fn next_timer(&self) -> Option<Action> {
        self.timers().next()
    }

    /// The timers that are due first.
    fn timers(&self) -> impl Iterator<Item = Action> {
        let roles = [Role::Initiator, Role::Responder];
        let first = roles.into_iter().filter_map(|role| self.due(role)).min();
        let is_first = move |role: &Role| first.is_some() && self.due(*role) == first;
        roles.into_iter().filter(is_first).map(Action::Timer)
    }

    /// The state after `action`.
    pub(super) fn after(
        &self,
        context: &Context,
        action: Action,
        note: &mut impl FnMut(Note<'_>),
    ) -> Self {
        let mut next = self.clone();
        match action {
            Action::Deliver(from) => {
                let datagram = next.ways[index(from)].queue.remove(0);
                next.arrive(context, from, &datagram, note);
            }
            Action::Double(from) => {
                let way = &mut next.ways[index(from)];
                let datagram = way.queue.remove(0);
                way.stay(&datagram);
                next.left.dup -= 1;
                next.arrive(context, from, &datagram, note);
            }
            Action::Lose(from) => {
                next.ways[index(from)].queue.remove(0);
                next.left.loss -= 1;
            }
            Action::Overtake(from) => {
                let way = &mut next.ways[index(from)];
                let datagram = way.queue.remove(0);
                way.stay(&datagram);
                next.left.reorder -= 1;
            }
            Action::Late(from, place) => {
                let datagram = next.ways[index(from)].late.remove(place);
                next.arrive(context, from, &datagram, note);
            }
            Action::Timer(role) => {
                next.now = self.due(role).unwrap_or(self.now);
                next.left.slow -= u8::from(self.is_busy());
                next.wake(context, role, None, note);
                if next.now == self.now && next.peer(role).digest == self.peer(role).digest {
                    next.breaks(context.endless());
                }
            }
        }
        next.check(context);
        next
    }

    /// Whether nothing can happen any more.
    fn is_over(&self) -> bool {
        self.is_quiet()
            && self.due(Role::Initiator).is_none()
            && self.due(Role::Responder).is_none()
    }

    /// Whether something is on its way that should arrive before the next timer is due.
    fn is_busy(&self) -> bool {
        self.ways.iter().any(|way| !way.queue.is_empty())
    }

    /// Whether nothing is on its way.
    fn is_quiet(&self) -> bool {
        self.ways
            .iter()
            .all(|way| way.queue.is_empty() && way.late.is_empty())
    }

    fn peer(&self, role: Role) -> &Peer {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }

    /// The digest of a datagram of `from` that stayed behind.
    pub(super) fn late(&self, from: Role, place: usize) -> Option<u64> {
        let late = self.ways[index(from)].late.get(place);
        late.map(|datagram| datagram.digest)
    }

    /// When the next timer of a side is due.
    pub(super) fn due(&self, role: Role) -> Option<Duration> {
        self.peer(role).deadline.map(|due| due.max(self.now))
    }

    /// A datagram of `from` reaches the other side. What is due there by the clock comes first.
    fn arrive(
        &mut self,
        context: &Context,
        from: Role,
        datagram: &Datagram,
        note: &mut impl FnMut(Note<'_>),
    ) {
        let to = from.peer();
        if self.peer(to).deadline.is_some_and(|due| due <= self.now) {
            self.wake(context, to, None, note);
        }
        if self.facts.is_one_sided() {
            self.one_sided = Some(self.now); // it has heard of the other side again
        }
        self.wake(context, to, Some(datagram), note);
    }

    /// A side gets a datagram, or its timer is due.
    fn wake(
        &mut self,
        context: &Context,
        role: Role,
        datagram: Option<&Datagram>,
        note: &mut impl FnMut(Note<'_>),
    ) {
        let step = context.steps.step(self.peer(role), self.now, datagram);
        let mut facts = self.facts.fork();
        facts.wakes(role, datagram.map(|datagram| &datagram.payload[..]));
        for effect in &step.effects {
            let broken = match effect {
                Effect::Sent(datagram) => {
                    note(Note::Sent(role, datagram));
                    self.ways[index(role)].queue.push(Arc::clone(datagram));
                    facts.sends(&datagram.payload)
                }
                Effect::State(from, to) => {
                    note(Note::State(role, from, to));
                    facts.changes(from, to);
                    None
                }
                Effect::Ended(outcome) => {
                    note(Note::Ended(role, outcome));
                    facts.ends(outcome)
                }
            };
            self.breaks(broken);
        }
        let peer = Arc::clone(&step.peer);
        match role {
            Role::Initiator => self.initiator = peer,
            Role::Responder => self.responder = peer,
        }
        let requirement = context.exploration.counters;
        self.breaks(step.miscounted.map(|property| RuleViolation {
            requirement,
            party: Some(role),
            property,
        }));
        let broken = facts.settled();
        self.breaks(broken);
        self.facts = facts.into();
    }

    /// What must hold in every state.
    fn check(&mut self, context: &Context) {
        // It was so until now, also if it has just ended.
        let since = self.one_sided;
        let timers = context.exploration.timers;
        if since.is_some_and(|since| self.now - since > timers) {
            self.breaks(context.apart());
        }
        let is_one_sided = self.facts.is_one_sided();
        self.one_sided = is_one_sided.then(|| since.unwrap_or(self.now));
        if self.now > LONGEST_RUN {
            self.breaks(context.endless());
        }
        if self.is_over() {
            if self.responder.sessions > 0 || !self.initiator.is_finished {
                self.breaks(context.endless());
            }
        } else if self.is_quiet() {
            let stuck = self.facts.stuck();
            self.breaks(stuck.filter(|_| !self.will_send(context)));
        }
    }

    /// Whether a timer of either side will send something, if nothing comes in.
    fn will_send(&self, context: &Context) -> bool {
        let sends = |peer: &Arc<Peer>| {
            let mut peer = Arc::clone(peer);
            for _ in 0..LOOK_AHEAD {
                let Some(due) = peer.deadline else {
                    return false;
                };
                let step = context.steps.step(&peer, due.max(self.now), None);
                if step
                    .effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::Sent(_)))
                {
                    return true;
                }
                peer = Arc::clone(&step.peer);
            }
            false
        };
        sends(&self.responder) || sends(&self.initiator)
    }

    /// The first rule that is broken counts.
    fn breaks(&mut self, broken: Option<RuleViolation>) {
        self.broken = self.broken.or(broken);
    }

    fn known(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.facts.digest(&mut hasher);
        hasher.finish()
    }
}

impl Context {
    const fn apart(&self) -> Option<RuleViolation> {
        self.breaks("never does one side stream and the other not for longer than the timers")
    }

    const fn endless(&self) -> Option<RuleViolation> {
        self.breaks("every run ends, with both sides closed")
    }

    const fn breaks(&self, property: &'static str) -> Option<RuleViolation> {
        Some(RuleViolation {
            requirement: self.convergence,
            party: None,
            property,
        })
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.now.hash(hasher);
        hasher.write_u64(self.initiator.digest);
        hasher.write_u64(self.responder.digest);
        for way in &self.ways {
            way.digests().for_each(|digest| hasher.write_u64(digest));
        }
        self.left.hash(hasher);
        hasher.write_u64(self.known());
        self.one_sided.hash(hasher);
        self.broken.map(|broken| broken.requirement).hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Channel, other: &Channel| one.digests().eq(other.digests());
        self.now == other.now
            && self.initiator.digest == other.initiator.digest
            && self.responder.digest == other.responder.digest
            && self.left == other.left
            && self.known() == other.known()
            && self.one_sided == other.one_sided
            && self.broken == other.broken
            && self.ways.iter().zip(&other.ways).all(|(a, b)| same(a, b))
    }
}

/// The place of what a side sent.
pub(super) const fn index(role: Role) -> usize {
    match role {
        Role::Initiator => 0,
        Role::Responder => 1,
    }
}
