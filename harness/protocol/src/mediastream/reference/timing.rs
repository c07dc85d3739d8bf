//! Timers and bounds that the specification gives by number (sections 3.2, 4 and 6).

use std::time::Duration;

/// How often a SYN or SYN-ACK is sent in all (MS-H-03, MS-H-18).
pub(super) const SENDS: u32 = 3;
/// Wait after the first send (MS-H-03).
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait (MS-H-03).
const LONGEST_WAIT: Duration = Duration::from_secs(2);

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

/// The wait after a send, counted from 1: it doubles up to a cap.
pub(super) fn wait_after(send: u32) -> Duration {
    let doublings = send.saturating_sub(1).min(8);
    (FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_500_ms_and_stop_at_2_s() {
        let waits = [1, 2, 3, 4, 100].map(|send| wait_after(send).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 2_000, 2_000]);
    }
}
