//! Where the secrets stand, and what is told where they are missing.

use shakedown_capture::quic::{CloseCode, Limits, UnreadableReason};

use super::seen::Seen;
use super::session::{Options, record};
use super::talks::{assert_exchanged, exchanged};

#[test]
fn a_key_log_beside_the_capture_is_as_good_as_one_inside() {
    let recording = exchanged(Options::default());
    let seen = Seen::of_file(
        &recording.pcapng(None),
        &recording.key_log,
        Limits::default(),
    );
    seen.assert_all_read();
    assert_exchanged(&seen);
}

#[test]
fn packets_wait_for_secrets_that_come_later() {
    let recording = exchanged(Options::default());
    for at in [1, 2, 3, 10, 60] {
        let seen = Seen::of_file(&recording.pcapng(Some(at)), "", Limits::default());
        seen.assert_all_read();
        assert_exchanged(&seen);
    }
}

#[test]
fn secrets_that_come_too_late_lose_streams_and_give_no_wrong_byte() {
    let mut recording = exchanged(Options::default());
    let whole = Seen::of(&recording);
    let limits = Limits {
        connection: 20_000,
        ..Limits::default()
    };
    let seen = Seen::of_file(&recording.pcapng(Some(40)), "", limits);
    seen.assert_beginning_of(&whole);
    assert!(!seen.lost.is_empty());
    assert!(
        seen.unreadable
            .iter()
            .all(|it| *it == (Some(1), UnreadableReason::NoSecrets))
    );
    // Behind all packets, and more of them than may wait.
    recording.datagrams.truncate(40);
    let seen = Seen::of_file(&recording.pcapng(Some(40)), "", limits);
    seen.assert_beginning_of(&whole);
    assert!(!seen.unreadable.is_empty());
}

#[test]
fn without_secrets_no_packet_counts_as_damaged() {
    let recording = exchanged(Options::default());
    let seen = Seen::of_file(&recording.pcapng(None), "", Limits::default());
    assert!(seen.streams.is_empty());
    assert_eq!(seen.opened.len(), 1);
    assert_eq!(seen.offered.len(), 2);
    assert!(!seen.unreadable.is_empty());
    assert!(
        seen.unreadable
            .iter()
            .all(|it| *it == (Some(1), UnreadableReason::NoSecrets))
    );
    assert_eq!(seen.statistics.no_secrets, seen.unreadable.len() as u64);
    assert_eq!(seen.statistics.unreadable(), seen.statistics.no_secrets);
}

#[test]
fn secrets_of_another_session_are_none() {
    let recording = exchanged(Options::default());
    let other = exchanged(Options::default());
    let seen = Seen::of_file(&recording.pcapng(None), &other.key_log, Limits::default());
    assert!(
        seen.unreadable
            .iter()
            .all(|it| it.1 == UnreadableReason::NoSecrets)
    );
    assert!(seen.streams.is_empty());
}

#[test]
fn wrong_secrets_are_no_missing_ones() {
    let recording = exchanged(Options::default());
    let wrong: String = recording
        .key_log
        .lines()
        .map(|line| {
            let (head, secret) = line.rsplit_once(' ').expect("three words");
            format!("{head} {}\n", "00".repeat(secret.len() / 2))
        })
        .collect();
    let seen = Seen::of_file(&recording.pcapng(None), &wrong, Limits::default());
    // The server's other ids are never learnt.
    let known = |why| {
        matches!(
            why,
            UnreadableReason::CannotDecrypt
                | UnreadableReason::UnknownConnection
                | UnreadableReason::NotQuic
        )
    };
    assert!(seen.unreadable.iter().all(|it| known(it.1)));
    assert!(seen.statistics.cannot_decrypt > 2);
    assert!(seen.streams.is_empty());
}

#[test]
fn damaged_packets_are_told_and_the_others_read() {
    let mut recording = exchanged(Options::default());
    let whole = Seen::of(&recording);
    let at = recording.datagrams.len() / 2;
    let last = recording.datagrams[at].payload.last_mut().expect("bytes");
    *last ^= 1;
    let seen = Seen::of(&recording);
    assert_eq!(
        seen.unreadable,
        [(Some(1), UnreadableReason::CannotDecrypt)]
    );
    assert_eq!(seen.statistics.read, whole.statistics.read - 1);
    seen.assert_beginning_of(&whole);
}

#[test]
fn a_session_whose_beginning_is_missing_is_unknown() {
    let mut recording = exchanged(Options::default());
    recording.datagrams.drain(..4);
    let seen = Seen::of(&recording);
    assert!(seen.opened.is_empty() && seen.streams.is_empty());
    let known = |why| {
        matches!(
            why,
            UnreadableReason::UnknownConnection | UnreadableReason::NotQuic
        )
    };
    assert!(seen.unreadable.iter().all(|it| known(it.1)));
}

#[test]
fn an_alert_of_tls_is_read() {
    let recording = record(Options::default(), async |pair| {
        pair.refuse_protocols();
        let (client, server) = tokio::join!(pair.connecting(), pair.accept_failing());
        client.expect_err("refused");
        assert!(server);
    });
    // In an Initial or a Handshake packet, before there are any secrets of the connection.
    let seen = Seen::of(&recording);
    let is_alert = |code| matches!(code, CloseCode::Transport { code: 0x178, .. });
    assert!(
        seen.closes.iter().any(|it| is_alert(it.2)),
        "{:?}",
        seen.closes
    );
}
