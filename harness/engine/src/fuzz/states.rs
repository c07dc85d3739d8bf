//! States of machines over datagrams, as coverage for a fuzzer.
//!
//! libFuzzer counts how often each piece of code runs. A pair of a state and an input in it calls one of some hundred
//! functions that do nothing, chosen by hash, so a pair that is new is new coverage. libFuzzer has counters for this
//! purpose (section `__libfuzzer_extra_counters`), but a static in a section needs the attribute
//! `unsafe(link_section)`, which this workspace forbids.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::Map;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

use crate::script::fingerprint;

/// The state of a peer without a session.
const NONE: &str = "none";

/// What tells frames apart.
type Flag = [u8; 2];
type Pair = (Role, &'static str, Flag);

thread_local! {
    static REACHED: RefCell<BTreeSet<Pair>> = const { RefCell::new(BTreeSet::new()) };
}

/// The states of the sessions of a run, by the place of the machine and the address of the peer.
#[derive(Debug, Default)]
pub(crate) struct States(BTreeMap<(usize, SocketAddr), &'static str>);

impl States {
    pub(crate) fn input(&mut self, place: usize, role: Role, peer: SocketAddr, payload: &[u8]) {
        let state = self.0.get(&(place, peer)).copied().unwrap_or(NONE);
        let mut flag = Flag::default();
        flag.iter_mut()
            .zip(payload)
            .for_each(|(to, from)| *to = *from);
        let hash = fingerprint(&format!("{role:?} {state} {flag:?}")) as usize;
        MARKS[hash % MARKS.len()][hash / MARKS.len() % MARKS[0].len()]();
        REACHED.with_borrow_mut(|reached| reached.insert((role, state, flag)));
    }

    pub(crate) fn transition(&mut self, place: usize, peer: SocketAddr, to: &'static str) {
        self.0.insert((place, peer), to);
    }
}

/// The pairs of a state that this thread reached and a frame of the protocol that it did not get there.
#[must_use]
pub fn never_reached(protocol: &Protocol) -> Vec<String> {
    let vocabulary = protocol.vocabulary;
    let flag = |frame: &&'static str| {
        let bytes = vocabulary.encode(frame, &Map::new()).ok()?;
        Some((Flag::try_from(bytes.get(..2)?).ok()?, *frame))
    };
    let frames: BTreeMap<_, _> = vocabulary.frames().iter().filter_map(flag).collect();
    REACHED.with_borrow(|reached| {
        let states: BTreeSet<_> = reached
            .iter()
            .map(|(role, state, _)| (*role, *state))
            .collect();
        let pairs = states.into_iter().flat_map(|(role, state)| {
            let missing = frames
                .iter()
                .filter(move |(flag, _)| !reached.contains(&(role, state, **flag)));
            missing.map(move |(_, frame)| format!("{}, {state}: {frame}", protocol.side(role)))
        });
        pairs.collect()
    })
}

/// A function of its own for each number, so that each has a counter.
#[inline(never)]
fn mark<const N: usize>() {
    std::hint::black_box(N);
}

macro_rules! marks {
    ($($row:literal)*) => {
        [$([
            mark::<{ $row * 8 }>, mark::<{ $row * 8 + 1 }>, mark::<{ $row * 8 + 2 }>, mark::<{ $row * 8 + 3 }>,
            mark::<{ $row * 8 + 4 }>, mark::<{ $row * 8 + 5 }>, mark::<{ $row * 8 + 6 }>, mark::<{ $row * 8 + 7 }>,
        ]),*]
    };
}

static MARKS: [[fn(); 8]; 64] = marks!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

#[cfg(test)]
mod tests {
    use shakedown_protocol::mediastream::PROTOCOL;

    use super::*;

    #[test]
    fn a_pair_that_was_reached_is_not_listed() {
        let syn = PROTOCOL.vocabulary.encode("SYN", &Map::new()).unwrap();
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let mut states = States::default();
        states.input(0, Role::Responder, peer, &syn);
        states.transition(0, peer, "Half");
        states.input(0, Role::Responder, peer, b"JOIN");
        let missing = never_reached(&PROTOCOL);
        let has = |pair: &str| missing.iter().any(|missing| missing == pair);
        assert!(!has("responder, none: SYN") && has("responder, none: START"));
        assert!(has("responder, Half: SYN") && !has("responder, Half: JOIN token"));
    }
}
