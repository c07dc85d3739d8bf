//! Why an initiator fails, in human-readable sentences.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::receive::Numbers;
use super::super::start3::Identity;
use crate::machine::Failure;
use crate::mediastream::Mode;
use crate::mediastream::frame::tlv::kind;
use crate::mediastream::frame::{ErrorCode, Start3};

pub(super) fn no_answer_to_start(peer: SocketAddr, sends: u32, period: Duration) -> Failure {
    failure(
        "timeout",
        format!(
            "{peer} did not answer: the START token was sent {} in {period:?}",
            times(sends)
        ),
    )
}

fn times(sends: u32) -> String {
    match sends {
        1 => "once".to_owned(),
        sends => format!("{sends} times"),
    }
}

/// The first frame of the handshake of `mode` was sent as often as it may be.
pub(super) fn no_answer(peer: SocketAddr, mode: Mode, sends: u32) -> Failure {
    let asked = match mode {
        Mode::Legacy => "the START token",
        Mode::ThreeWay => "SYN",
        Mode::Start3 => "START (0x0200)",
    };
    failure(
        "timeout",
        format!("{peer} did not answer: {asked} was sent {}", times(sends)),
    )
}

/// `diagnostic` is the peer's own word, if it has one.
pub(super) fn rejected(peer: SocketAddr, diagnostic: Option<&[u8]>) -> Failure {
    let said = said(diagnostic);
    failure("rejected", format!("{peer} rejected the session{said}"))
}

/// An ERROR instead of a START_ACK.
pub(super) fn refused(peer: SocketAddr, error: &Start3<'_>) -> Failure {
    let what = what(error);
    failure("refused", format!("{peer} refused the stream: {what}"))
}

/// An ERROR after the START_ACK.
pub(super) fn ended(peer: SocketAddr, error: &Start3<'_>) -> Failure {
    let what = what(error);
    failure("peer_error", format!("{peer} ended the stream: {what}"))
}

pub(super) fn other_stream(peer: SocketAddr, own: Identity, theirs: Identity) -> Failure {
    let (asked, answered) = (own.stream_id, theirs.stream_id);
    failure(
        "stream_id_mismatch",
        format!("{peer} answered for stream {answered:#018x}, but {asked:#018x} was asked for"),
    )
}

/// `whose` is the side that chose the nonce.
pub(super) fn other_nonce(peer: SocketAddr, whose: &str, own: u64, theirs: u64) -> Failure {
    failure(
        "nonce_mismatch",
        format!("{peer} answered with {whose} {theirs:#018x} instead of {own:#018x}"),
    )
}

/// `why` says what is wrong with the parameters.
pub(super) fn grant_refused(peer: SocketAddr, why: &str) -> Failure {
    failure(
        "invalid_parameters",
        format!("the parameters that {peer} accepted cannot be taken: {why}"),
    )
}

pub(super) fn no_media(peer: SocketAddr, period: Duration) -> Failure {
    failure(
        "no_media",
        format!("{peer} accepted the session, but sent no media for {period:?}"),
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
        format!("{peer} was silent for {period:?}: {state}"),
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

/// ErrorCode with its meaning, and the Diagnostic.
fn what(error: &Start3<'_>) -> String {
    let number = error.error_code().unwrap_or_default();
    let code = ErrorCode::from_number(number).map_or_else(
        || format!("{number} (a code that the specification does not name)"),
        |code| code.to_string(),
    );
    let said = said(error.tlvs.get(kind::DIAGNOSTIC));
    format!("it sent ERROR {code}{said}")
}

/// The peer's own word.
fn said(diagnostic: Option<&[u8]>) -> String {
    diagnostic.map_or_else(String::new, |text| {
        format!(" and says {:?}", String::from_utf8_lossy(text))
    })
}

fn state(frames: u64, done: &Numbers) -> String {
    let (there, missing) = (done.count(), done.missing(frames));
    format!("{there} of {frames} frames are there, missing {missing}")
}

const fn failure(cause: &'static str, message: String) -> Failure {
    Failure { cause, message }
}
