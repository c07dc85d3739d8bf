use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// What the server is for a remote: the role of a slot (MS-X-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It sends: the remote asked by START.
    Send,
    /// It receives: the remote asked by JOIN.
    Receive,
}

/// Where a remote is that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It has a slot.
    Connected(Side),
    /// It asked, and no slot was free.
    Waiting(Side),
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// The remote has a slot now.
    Connected,
    /// It waits for one (MS-X-02).
    Waits,
    /// It has a slot or waits already: nothing changes (MS-X-04).
    Duplicate,
    /// Too many wait: it is forgotten (MS-X-06).
    Refused,
}

/// Which peers are connected or queued, and which slots are free: it knows remotes and roles, not
/// datagrams.
///
/// Every operation takes constant time but the withdrawal of a request that waits. What it keeps is
/// bounded by its slots and by the bound of those that wait. A slot is never free while a peer
/// waits for it, once [`Admission::next`] was called until it returns `None`.
#[derive(Debug)]
pub(super) struct Admission {
    places: HashMap<SocketAddr, Place>,
    senders: Slots,
    receivers: Slots,
    max_awaiting: usize,
}

/// The slots of one role.
#[derive(Debug)]
struct Slots {
    accepting: usize,
    connected: usize,
    awaiting: VecDeque<SocketAddr>,
}

impl Admission {
    /// Slots of each role, and the limit of queued requests of both roles together.
    pub(super) fn new(senders: usize, receivers: usize, max_awaiting: usize) -> Self {
        Self {
            places: HashMap::new(),
            senders: Slots::new(senders),
            receivers: Slots::new(receivers),
            max_awaiting,
        }
    }

    /// Where `remote` is, if it is known.
    pub(super) fn place(&self, remote: SocketAddr) -> Option<Place> {
        self.places.get(&remote).copied()
    }

    /// A remote asks, and takes what waiting may come.
    pub(super) fn ask(&mut self, remote: SocketAddr, side: Side) -> Admitted {
        if self.places.contains_key(&remote) {
            return Admitted::Duplicate;
        }
        let is_full = self.awaiting() >= self.max_awaiting;
        let slots = self.slots(side);
        let (place, asked) = if slots.awaiting.is_empty() && slots.take() {
            (Place::Connected(side), Admitted::Connected)
        } else if is_full {
            return Admitted::Refused;
        } else {
            slots.awaiting.push_back(remote);
            (Place::Waiting(side), Admitted::Waits)
        };
        self.places.insert(remote, place);
        asked
    }

    /// A twin gives a remote that waits a second place.
    pub(super) fn ask_again(&mut self, remote: SocketAddr) {
        if let Some(Place::Waiting(side)) = self.places.remove(&remote) {
            self.ask(remote, side);
        }
    }

    /// A remote was admitted without a request; its queued request is withdrawn. Returns whether
    /// there was a slot for it.
    pub(super) fn connect(&mut self, remote: SocketAddr, side: Side) -> bool {
        if !self.slots(side).take() {
            return false;
        }
        self.forget(remote);
        self.places.insert(remote, Place::Connected(side));
        true
    }

    /// Frees the slot of `remote` and forgets it (MS-X-05).
    pub(super) fn forget(&mut self, remote: SocketAddr) {
        match self.places.remove(&remote) {
            Some(Place::Connected(side)) => self.slots(side).give_back(),
            Some(Place::Waiting(side)) => {
                self.slots(side).awaiting.retain(|other| *other != remote);
            }
            None => {}
        }
    }

    /// Gives a free slot to the peer that waits longest for one of its role (MS-X-02, MS-X-03).
    pub(super) fn next(&mut self) -> Option<(SocketAddr, Side)> {
        let next = [Side::Send, Side::Receive]
            .into_iter()
            .find_map(|side| Some((self.slots(side).next()?, side)));
        if let Some((remote, side)) = next {
            self.places.insert(remote, Place::Connected(side));
        }
        next
    }

    /// A twin serves whoever waits first, whatever its role, and has a slot more for it.
    pub(super) fn next_of_any(&mut self) -> Option<(SocketAddr, Side)> {
        let (remote, side) = [Side::Send, Side::Receive]
            .into_iter()
            .find_map(|side| Some((self.slots(side).awaiting.pop_front()?, side)))?;
        self.slots(side).connected += 1;
        self.places.insert(remote, Place::Connected(side));
        Some((remote, side))
    }

    pub(super) fn awaiting(&self) -> usize {
        self.senders.awaiting.len() + self.receivers.awaiting.len()
    }

    /// Remotes that have a slot of this role.
    pub(super) const fn connected(&self, side: Side) -> usize {
        match side {
            Side::Send => self.senders.connected,
            Side::Receive => self.receivers.connected,
        }
    }

    /// Slots of this role that accept.
    pub(super) const fn accepting(&self, side: Side) -> usize {
        match side {
            Side::Send => self.senders.accepting,
            Side::Receive => self.receivers.accepting,
        }
    }

    const fn slots(&mut self, side: Side) -> &mut Slots {
        match side {
            Side::Send => &mut self.senders,
            Side::Receive => &mut self.receivers,
        }
    }
}

impl Slots {
    const fn new(accepting: usize) -> Self {
        Self {
            accepting,
            connected: 0,
            awaiting: VecDeque::new(),
        }
    }

    const fn take(&mut self) -> bool {
        let is_free = self.accepting > 0;
        if is_free {
            self.accepting -= 1;
            self.connected += 1;
        }
        is_free
    }

    const fn give_back(&mut self) {
        self.accepting += 1;
        self.connected -= 1;
    }

    fn next(&mut self) -> Option<SocketAddr> {
        if self.awaiting.is_empty() || !self.take() {
            return None;
        }
        self.awaiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn remote(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    #[test]
    fn whoever_asks_when_no_slot_is_free_waits_and_is_served_in_turn() {
        let mut admission = Admission::new(1, 0, 8);
        assert_eq!(admission.ask(remote(1), Side::Send), Admitted::Connected);
        assert_eq!(admission.ask(remote(2), Side::Send), Admitted::Waits);
        assert_eq!(admission.ask(remote(3), Side::Send), Admitted::Waits);
        assert_eq!(admission.next(), None);
        admission.forget(remote(1));
        assert_eq!(admission.next(), Some((remote(2), Side::Send)));
        assert_eq!(admission.next(), None);
        admission.forget(remote(2));
        assert_eq!(admission.next(), Some((remote(3), Side::Send)));
        assert_eq!(admission.place(remote(2)), None);
    }

    #[test]
    fn the_roles_have_slots_of_their_own() {
        let mut admission = Admission::new(1, 1, 8);
        assert_eq!(admission.ask(remote(1), Side::Send), Admitted::Connected);
        assert_eq!(admission.ask(remote(2), Side::Receive), Admitted::Connected);
        assert_eq!(admission.ask(remote(3), Side::Receive), Admitted::Waits);
        assert_eq!(admission.ask(remote(4), Side::Send), Admitted::Waits);
        admission.forget(remote(1));
        assert_eq!(admission.next(), Some((remote(4), Side::Send)));
        assert_eq!(
            admission.place(remote(3)),
            Some(Place::Waiting(Side::Receive))
        );
    }

    #[test]
    fn a_second_request_of_a_remote_is_a_duplicate_whatever_it_asks() {
        let mut admission = Admission::new(1, 1, 8);
        admission.ask(remote(1), Side::Send);
        admission.ask(remote(2), Side::Send);
        for side in [Side::Send, Side::Receive] {
            assert_eq!(admission.ask(remote(1), side), Admitted::Duplicate);
            assert_eq!(admission.ask(remote(2), side), Admitted::Duplicate);
        }
        assert_eq!(admission.awaiting(), 1);
        assert_eq!(admission.accepting(Side::Receive), 1);
    }

    #[test]
    fn requests_past_the_bound_are_forgotten() {
        let mut admission = Admission::new(0, 0, 2);
        assert_eq!(admission.ask(remote(1), Side::Send), Admitted::Waits);
        assert_eq!(admission.ask(remote(2), Side::Receive), Admitted::Waits);
        assert_eq!(admission.ask(remote(3), Side::Send), Admitted::Refused);
        assert_eq!(admission.place(remote(3)), None);
        assert_eq!(admission.awaiting(), 2);
    }

    #[test]
    fn a_remote_that_is_taken_on_otherwise_waits_no_longer() {
        let mut admission = Admission::new(1, 0, 8);
        admission.ask(remote(1), Side::Receive);
        assert!(admission.connect(remote(1), Side::Send));
        assert!(!admission.connect(remote(2), Side::Send));
        assert_eq!(admission.awaiting(), 0);
        admission.forget(remote(1));
        assert_eq!(admission.accepting(Side::Send), 1);
        assert_eq!(admission.accepting(Side::Receive), 0);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask(u16, Side),
        Connect(u16, Side),
        Forget(u16),
        Next,
    }

    fn step() -> impl Strategy<Value = Step> {
        let side = prop_oneof![Just(Side::Send), Just(Side::Receive)];
        prop_oneof![
            4 => (0..12_u16, side.clone()).prop_map(|(port, side)| Step::Ask(port, side)),
            1 => (0..12_u16, side).prop_map(|(port, side)| Step::Connect(port, side)),
            2 => (0..12_u16).prop_map(Step::Forget),
            2 => Just(Step::Next),
        ]
    }

    proptest! {
        #[test]
        fn no_slot_is_lost_and_nobody_waits_twice(steps in prop::collection::vec(step(), 0..200)) {
            let mut admission = Admission::new(3, 2, 4);
            let mut model: BTreeMap<SocketAddr, Place> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Ask(port, side) => match admission.ask(remote(port), side) {
                        Admitted::Connected => {
                            prop_assert_eq!(model.insert(remote(port), Place::Connected(side)), None);
                        }
                        Admitted::Waits => {
                            prop_assert_eq!(model.insert(remote(port), Place::Waiting(side)), None);
                        }
                        Admitted::Duplicate => prop_assert!(model.contains_key(&remote(port))),
                        Admitted::Refused => prop_assert_eq!(admission.awaiting(), 4),
                    },
                    Step::Connect(port, side) => {
                        if admission.connect(remote(port), side) {
                            model.insert(remote(port), Place::Connected(side));
                        }
                    }
                    Step::Forget(port) => {
                        admission.forget(remote(port));
                        model.remove(&remote(port));
                    }
                    Step::Next => {
                        if let Some((remote, side)) = admission.next() {
                            let before = model.insert(remote, Place::Connected(side));
                            prop_assert_eq!(before, Some(Place::Waiting(side)));
                        }
                    }
                }
                for port in 0..12 {
                    prop_assert_eq!(admission.place(remote(port)), model.get(&remote(port)).copied());
                }
                for (side, slots) in [(Side::Send, 3), (Side::Receive, 2)] {
                    let connected = Place::Connected(side);
                    let connected = model.values().filter(|place| **place == connected).count();
                    prop_assert_eq!(admission.connected(side), connected);
                    prop_assert_eq!(admission.accepting(side), slots - connected);
                }
                let waiting = |place: &&Place| matches!(place, Place::Waiting(_));
                prop_assert_eq!(admission.awaiting(), model.values().filter(waiting).count());
            }
        }
    }
}
