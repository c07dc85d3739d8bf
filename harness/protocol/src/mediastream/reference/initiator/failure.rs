//! Why an initiator fails, in sentences for people.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::receive::Numbers;
use super::super::timing::SENDS;
use crate::machine::Failure;

pub(super) fn no_answer_to_start(peer: SocketAddr, sends: u32, period: Duration) -> Failure {
    failure(
        "timeout",
        format!("{peer} did not answer: START was sent {sends} times in {period:?}"),
    )
}

pub(super) fn no_answer_to_syn(peer: SocketAddr) -> Failure {
    failure(
        "timeout",
        format!("{peer} did not answer: SYN was sent {SENDS} times"),
    )
}

/// `diagnostic` is the peer's own word, if it has one.
pub(super) fn rejected(peer: SocketAddr, diagnostic: Option<&[u8]>) -> Failure {
    let said = diagnostic.map_or_else(String::new, |text| {
        format!(" and says {:?}", String::from_utf8_lossy(text))
    });
    failure("rejected", format!("{peer} rejected the session{said}"))
}

pub(super) fn no_media(peer: SocketAddr, period: Duration) -> Failure {
    failure(
        "no_media",
        format!("{peer} accepted the session, but no media came in {period:?}"),
    )
}

pub(super) fn lost_contact(
    peer: SocketAddr,
    period: Duration,
    frames: u64,
    done: &Numbers,
) -> Failure {
    let state = state(frames, done);
    failure(
        "lost_contact",
        format!("nothing came from {peer} for {period:?}: {state}"),
    )
}

pub(super) fn incomplete(peer: SocketAddr, frames: u64, done: &Numbers) -> Failure {
    let state = state(frames, done);
    failure(
        "incomplete",
        format!("the stream of {peer} is over: {state}"),
    )
}

pub(super) fn damaged(peer: SocketAddr, datagrams: u64) -> Failure {
    failure(
        "payload",
        format!("{datagrams} datagrams of {peer} did not carry the counter pattern"),
    )
}

pub(super) fn stopped() -> Failure {
    failure("stopped", "the initiator was stopped".into())
}

fn state(frames: u64, done: &Numbers) -> String {
    let (there, missing) = (done.count(), done.missing(frames));
    format!("{there} of {frames} frames are there, missing {missing}")
}

const fn failure(cause: &'static str, message: String) -> Failure {
    Failure { cause, message }
}
