//! What the rows of the table are made of: which datagrams, which rhythms, and small changes.

use std::time::Duration;

use super::super::carry::{self, Carry};
use super::super::responder::answer;
use super::hook::Waits;
use super::passing::Flags;
use crate::machine::{Failure, Outcome};
use crate::mediastream::frame::{ConnectionId, flag};

pub(super) const ANY: Flags = 0..=u16::MAX;
pub(super) const MEDIA: Flags = flag::DATA..=flag::FRAGMENT;
pub(super) const FRAGMENT: Flags = flag::FRAGMENT..=flag::FRAGMENT;
pub(super) const SYN: Flags = flag::SYN..=flag::SYN;
pub(super) const SYN_ACK: Flags = flag::SYN_ACK..=flag::SYN_ACK;
pub(super) const ACK: Flags = flag::ACK..=flag::ACK;
pub(super) const CONTROL: Flags = flag::SYN..=flag::ACK;
pub(super) const START: Flags = flag::START..=flag::START;
pub(super) const START_ACK: Flags = flag::START_ACK..=flag::START_ACK;
pub(super) const CONFIRM: Flags = flag::START_CONFIRM..=flag::START_CONFIRM;
pub(super) const ERROR: Flags = flag::ERROR..=flag::ERROR;
pub(super) const START3: Flags = flag::START..=flag::ERROR;
pub(super) const HANDSHAKE: Flags = flag::SYN..=flag::ERROR;
pub(super) const NAME: Flags = flag::CONNECTION_ID..=flag::CONNECTION_ID;
/// The first two bytes of START.
pub(super) const TOKEN: Flags = 0x5453..=0x5453;

/// As [`timing::WAITS`](super::super::timing::WAITS), but for one of them.
pub(super) const FIRST_EARLY: Waits = &[250, 1_000, 2_000];
pub(super) const FIRST_NEAR: Waits = &[400, 1_000, 2_000];
pub(super) const FIRST_LATE: Waits = &[1_000, 1_000, 2_000];
pub(super) const SECOND_EARLY: Waits = &[500, 500, 2_000];
pub(super) const SECOND_LATE: Waits = &[500, 2_000, 2_000];
pub(super) const FOUR: Waits = &[500, 1_000, 2_000, 2_000];
pub(super) const TWO: Waits = &[500, 1_000];
pub(super) const ONCE: Waits = &[10_000];
pub(super) const LAST_SHORT: Waits = &[500, 1_000, 50];
pub(super) const LAST_NEAR: Waits = &[500, 1_000, 1_850];
pub(super) const LAST_LONG: Waits = &[500, 1_000, 6_000];
pub(super) const FOREVER: Waits = &{
    let mut waits = [2_000; 100];
    [waits[0], waits[1]] = [500, 1_000];
    waits
};

pub(super) const START_ACK_OR_CONFIRM: Flags = flag::START_ACK..=flag::START_CONFIRM;

/// An id that was never assigned.
pub(super) const FIXED: ConnectionId =
    ConnectionId::from_bytes(*b"7a7a7a7a-7a7a-4a7a-8a7a-7a7a7a7a7a7a\0");

/// The process ends as one does that panicked.
pub(super) fn crash(failure: Failure) -> Outcome {
    Outcome::Failed(Failure {
        cause: Failure::CRASH,
        ..failure
    })
}

/// Whether something stands behind the NUL that ends the id.
pub(super) fn has_bytes_after_nul(id: &ConnectionId) -> bool {
    let rest = id.as_bytes().get(id.text().len()..);
    rest.is_some_and(|rest| rest.iter().any(|byte| *byte != 0))
}

/// The exclusive or of the lower and the upper half of a number.
pub(super) const fn halves_xor(number: u64) -> u64 {
    (number ^ (number >> 32)) & 0xFFFF_FFFF
}

/// The sum of the lower and the upper half of a number.
pub(super) const fn halves_sum(number: u64) -> u64 {
    (number & 0xFFFF_FFFF) + (number >> 32)
}

/// The first eight bytes of an id.
pub(super) fn short(id: &ConnectionId) -> ConnectionId {
    let text = id.text().get(..8).unwrap_or_default();
    ConnectionId::from_text(text).unwrap_or(ConnectionId::EMPTY)
}

/// The last twelve bytes of an id.
pub(super) fn ending(id: &ConnectionId) -> ConnectionId {
    let text = id.text();
    let text = text
        .get(text.len().saturating_sub(12)..)
        .unwrap_or_default();
    ConnectionId::from_text(text).unwrap_or(ConnectionId::EMPTY)
}

pub(super) fn name(id: ConnectionId) -> Vec<u8> {
    answer::connection_id(&id)
}

/// The first datagram of a stream.
pub(super) fn first_media() -> Vec<u8> {
    let mut all = carry::datagrams(Carry::Split, 1, Duration::ZERO, 1_000, 1_400);
    all.next().unwrap_or_default()
}

pub(super) fn is_uuid(id: &ConnectionId) -> bool {
    id.is_empty() || uuid::Uuid::try_parse_ascii(id.text()).is_ok()
}

pub(super) const fn one_more(number: u64) -> u64 {
    number.wrapping_add(1)
}

pub(super) fn interval(due: Duration, number: u64) -> Duration {
    due / up_to(number)
}

pub(super) fn up_to(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
