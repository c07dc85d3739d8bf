use rstest::rstest;

use super::*;

/// A server that closes so after `connected` milliseconds, or before its handshake is done.
fn ends(step: Value, connected: Option<u64>, why: Closing<'_>) -> Play {
    let mut play = server(json!([{ "connect": {} }, { "expect_close": step }]));
    if connected.is_some() {
        play.connected(0, 0);
    }
    play.closed(connected.unwrap_or(10), 0, why);
    play
}

fn application(code: u64) -> Closing<'static> {
    Closing::Application { code, reason: b"" }
}

fn transport(code: u64) -> Closing<'static> {
    Closing::Transport { code, reason: b"" }
}

#[rstest]
#[case::another_code(&[5], &[], Some(500), application(5), true)]
#[case::one_of_two_codes(&[1, 5], &[], Some(500), application(5), true)]
#[case::a_code_that_is_not_listed(&[1], &[], Some(500), application(5), false)]
#[case::a_refusal(&[6], &["refused"], None, Closing::Refused, true)]
#[case::a_refusal_is_no_code(&[6], &[], None, Closing::Refused, false)]
#[case::a_tls_alert(&[], &["refused"], None, transport(0x178), true)]
#[case::a_tls_alert_that_crosses_the_last_flight(&[], &["refused"], Some(10), transport(0x178), true)]
#[case::a_tls_alert_later(&[], &["refused"], Some(1_001), transport(0x178), false)]
#[case::a_refusal_in_the_last_flight(&[], &["refused"], Some(10), transport(2), true)]
#[case::a_code_hidden_by_the_handshake(&[6], &[], None, transport(0x0c), true)]
#[case::a_code_hidden_in_the_last_flight(&[6], &[], Some(1_000), transport(0x0c), true)]
#[case::a_code_hidden_for_no_reason(&[6], &[], Some(1_001), transport(0x0c), false)]
#[case::a_hidden_code_is_a_refusal(&[], &["refused"], None, transport(0x0c), true)]
#[case::a_transport_that_closes(&[5], &["transport"], Some(500), transport(0x0a), true)]
#[case::a_transport_is_no_code(&[5], &[], Some(500), transport(0x0a), false)]
#[case::a_handshake_is_no_connection(&[], &["transport"], None, transport(0x0a), false)]
#[case::a_refusal_is_no_close_of_a_connection(&[], &["transport"], None, Closing::Refused, false)]
#[case::silence_is_no_refusal(&[5], &["refused"], None, Closing::TimedOut, false)]
#[case::silence(&[5], &["idle_timeout"], None, Closing::TimedOut, true)]
#[case::silence_later(&[], &["idle_timeout"], Some(900), Closing::TimedOut, true)]
#[case::a_stateless_reset(&[], &["stateless_reset"], Some(500), Closing::Reset, true)]
#[case::a_stateless_reset_is_no_silence(&[], &["idle_timeout"], Some(500), Closing::Reset, false)]
#[case::something_else(&[0], &["refused", "transport"], None, Closing::Other("odd"), false)]
fn a_connection_ends_as_expected_or_not(
    #[case] code: &[u64],
    #[case] or: &[&str],
    #[case] connected: Option<u64>,
    #[case] why: Closing<'_>,
    #[case] passes: bool,
) {
    let step = json!({ "code": code, "or": or, "within": "2s" });
    let play = ends(step, connected, why);
    match passes {
        true => play.passes(),
        false => {
            play.fails();
        }
    }
}

#[test]
fn every_end_is_told_in_words() {
    let step = json!({ "code": [1, 6], "or": ["refused", "stateless_reset"], "within": "1s" });
    let expected = "the connection closed with code 1 or 6, or refused, or reset without state \
                    within 1.3 s (tolerance added)";
    let why = Closing::Application {
        code: 3,
        reason: b"set-up timeout",
    };
    let play = ends(step.clone(), Some(1_000), why);
    let got = "closed with code 3 (\"set-up timeout\") after 1 s";
    assert_eq!(play.text(), format!("{expected} | {got}"));
    let play = ends(step.clone(), None, Closing::TimedOut);
    let got = "lost by silence (idle timeout), before its handshake was done after 10 ms";
    assert_eq!(play.text(), format!("{expected} | {got}"));
    let play = ends(step.clone(), Some(1_000), transport(0x0a));
    let got = "closed by its transport with QUIC code 0xa after 1 s";
    assert_eq!(play.text(), format!("{expected} | {got}"));
    let mut play = server(json!([{ "connect": {} }, { "expect_close": step }]));
    play.until(1_300);
    assert_eq!(play.text(), format!("{expected} | it lives on"));
}

#[test]
fn a_close_may_be_too_early() {
    let step = json!({ "code": [3], "after": "1s", "within": "2s" });
    let play = ends(step.clone(), Some(699), application(3));
    assert_eq!(
        play.text(),
        "the connection closed with code 3 not before 700 ms (tolerance taken off) after the step \
         before | that after 699 ms"
    );
    ends(step, Some(700), application(3)).passes();
}

#[test]
fn a_reason_of_the_implementation_is_shown_without_harm() {
    let reason = "\u{1b}[2J".repeat(100);
    let why = Closing::Application {
        code: 3,
        reason: reason.as_bytes(),
    };
    let play = ends(json!({ "code": [5], "within": "1s" }), Some(1), why);
    let text = play.text();
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.len() < 1_000, "{text}");
}
