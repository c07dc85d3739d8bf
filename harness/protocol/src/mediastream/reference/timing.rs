//! Timers and bounds that the specification gives by number (sections 3.2, 4 and 6).

use std::time::Duration;

use super::deviation::Waits;

/// How long an answer to each send of a frame is waited for, in milliseconds: three sends in all
/// (MS-H-03, MS-H-18).
pub(super) const WAITS: Waits = &[500, 1_000, 2_000];

/// What a START waits beyond a frame interval until it is sent again (MS-L-02).
pub(super) const START_WAIT: Duration = Duration::from_millis(500);

/// Media in bytes that may go to a tuple before its ACK (MS-H-22).
pub(super) const UNCONFIRMED_BYTES: u64 = 64 * 1024;
/// The time in which it may (MS-H-22).
pub(super) const UNCONFIRMED_PERIOD: Duration = Duration::from_secs(10);

/// Half-open sessions at a time (MS-H-19).
pub(super) const HALF_OPEN_LIMIT: usize = 1_024;
/// Longest life of a half-open session (MS-H-19).
pub(super) const HALF_OPEN_AGE: Duration = Duration::from_secs(10);

/// The wait after a send, counted from 1; `None` if there is no such send.
pub(super) fn wait_after(waits: Waits, send: u32) -> Option<Duration> {
    let before = usize::try_from(send).ok()?.checked_sub(1)?;
    waits.get(before).copied().map(Duration::from_millis)
}
