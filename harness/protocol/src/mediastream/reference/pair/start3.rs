//! Both sides of `start3`, whatever happens to the datagrams of their handshake.

use rstest::rstest;

use super::super::settings::tests::settings;
use super::tests::{Pattern, patterns};
use super::*;
use crate::StreamParameters;
use crate::mediastream::frame::{Frame, START_TOKEN};

fn short_stream(options: &[&str]) -> Settings {
    let mut settings = settings("start3", options, &[]);
    settings.stream = StreamParameters {
        bits_per_second: 4_000,
        frames_per_second: 5,
        seconds: 1,
    };
    settings
}

pub(super) fn pair_under(pattern: &Pattern, options: &[&str]) -> Pair {
    let pattern = pattern.clone();
    let mut place = 0;
    Pair::new(short_stream(options), short_stream(&[])).with_arrival_times(move |_, flight| {
        let frame = Frame::decode(&flight.payload);
        let is_handshake = matches!(
            frame,
            Ok(Some(
                Frame::Start(_) | Frame::StartAck(_) | Frame::StartConfirm(_) | Frame::Error(_)
            ))
        );
        if !is_handshake {
            return vec![LATENCY];
        }
        let fault = pattern.iter().find(|(at, _)| *at == place);
        place += 1;
        fault.map_or_else(|| vec![LATENCY], |(_, fault)| fault.arrivals())
    })
}

/// Whether one side holds a session of which the other side knows nothing (any more).
fn is_one_sided(pair: &Pair) -> bool {
    let is_agreed = ["AwaitingStartConfirm", "Streaming"].contains(&pair.initiator.state());
    let is_confirmed = pair.responder.sessions() > pair.responder.half_open();
    (is_agreed && pair.responder.sessions() == 0) || (is_confirmed && pair.initiator.is_finished())
}

#[rstest]
#[case::plain(&[], &[])]
#[case::begin_immediately(&["begin_immediately"], &[])]
#[case::fragments(&[], &[("max_datagram", "300"), ("carry", "fragments")])]
fn a_stream_over_a_clean_link_arrives_in_full_and_both_sides_close(
    #[case] options: &[&str],
    #[case] extra: &[(&str, &str)],
) {
    let responder = settings("start3", options, extra);
    let mut pair = Pair::new(responder, settings("start3", &[], extra));
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    assert_eq!(pair.responder_outcomes, [Outcome::Completed]);
    assert_eq!(pair.initiator.counters()["frames"], 100);
    assert_eq!(pair.responder.counters()["sessions"], 0);
}

#[rstest]
#[case::plain(&[])]
#[case::begin_immediately(&["begin_immediately"])]
fn any_3_mishaps_end_in_both_sides_streaming_or_both_closed(#[case] options: &[&str]) {
    // MS-S-18: the longest timer that runs then is the initiator's buffer period.
    let longest = millis(3_000) + 2 * LATENCY;
    for pattern in patterns(8) {
        let mut pair = pair_under(&pattern, options);
        let mut one_sided_since = None;
        while pair.step() {
            let since = *one_sided_since.get_or_insert(pair.now());
            assert!(pair.now() - since <= longest, "{pattern:?}");
            if !is_one_sided(&pair) {
                one_sided_since = None;
            }
            assert!(pair.now() < Duration::from_secs(30), "{pattern:?}");
        }
        assert!(pair.initiator.is_finished(), "{pattern:?}");
        assert_eq!(pair.responder.sessions(), 0, "{pattern:?}");
    }
}

#[rstest]
#[case::plain(&[])]
#[case::begin_immediately(&["begin_immediately"])]
fn up_to_2_mishaps_never_keep_the_stream_from_coming(#[case] options: &[&str]) {
    for pattern in patterns(8).iter().filter(|pattern| pattern.len() <= 2) {
        let mut pair = pair_under(pattern, options);
        pair.run();
        let outcome = pair.initiator_outcome;
        assert_eq!(outcome, Some(Outcome::Completed), "{pattern:?}");
    }
}

#[test]
fn of_two_sides_that_want_different_streams_the_lower_parameters_count() {
    let mut responder = settings("start3", &[], &[]); // MS-S-14
    responder.stream.bits_per_second = 100_000;
    let mut initiator = settings("start3", &[], &[]);
    initiator.stream.seconds = 1;
    let mut pair = Pair::new(responder, initiator);
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    assert_eq!(pair.initiator.counters()["frames"], 50);
    let last = pair.sent.last().unwrap();
    assert_eq!(last.payload.len(), 250);
}

#[rstest]
#[case::of_legacy("legacy", &[])]
#[case::of_3way_that_allows_it("3way", &["allow_legacy_start"])]
fn an_initiator_of_start3_falls_back_to_a_responder(#[case] mode: &str, #[case] options: &[&str]) {
    let fallback = settings("start3", &["fallback"], &[]);
    let mut pair = Pair::new(settings(mode, options, &[]), fallback);
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    let is_token = |flight: &&Datagram| flight.payload == START_TOKEN;
    let token = pair.sent.iter().find(is_token).unwrap();
    assert_eq!(token.at, millis(3_500)); // MS-S-09
}

#[rstest]
#[case::start3("start3")]
#[case::three_way("3way")]
fn a_responder_of_3way_and_start3_serves_both(#[case] mode: &str) {
    let mut pair = Pair::new(settings("3way,start3", &[], &[]), settings(mode, &[], &[]));
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    assert_eq!(pair.responder_outcomes, [Outcome::Completed]);
}

#[test]
fn an_initiator_that_falls_back_while_its_handshake_hangs_is_served() {
    let responder = settings("start3", &["allow_legacy_start"], &[]);
    let initiator = settings("start3", &["fallback"], &[]);
    // START_ACKs are lost, whatever the timers do.
    let mut pair = Pair::new(responder, initiator).with_arrival_times(|_, flight| {
        match Frame::decode(&flight.payload) {
            Ok(Some(Frame::StartAck(_))) => vec![],
            _ => vec![LATENCY],
        }
    });
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
