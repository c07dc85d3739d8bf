use rstest::rstest;

use super::super::settings::tests::settings;
use super::*;
use crate::StreamParameters;
use crate::mediastream::frame::{Frame, START_TOKEN};

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What may happen to a handshake datagram on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Lost,
    Twice,
    /// After the datagrams that were sent next.
    Overtaken,
    /// After a repetition of it was sent, and after most timers.
    VeryLate,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Lost, Self::Twice, Self::Overtaken, Self::VeryLate];

    pub(super) fn arrivals(self) -> Vec<Duration> {
        match self {
            Self::Lost => vec![],
            Self::Twice => vec![LATENCY, LATENCY + millis(1)],
            Self::Overtaken => vec![millis(30)],
            Self::VeryLate => vec![millis(3_000)],
        }
    }
}

/// The places of mishaps among the handshake datagrams, counted from 0.
pub(super) type Pattern = Vec<(usize, Fault)>;

/// Every pattern of 1 to 3 mishaps among the first `places` handshake datagrams.
pub(super) fn patterns(places: usize) -> Vec<Pattern> {
    let mut all: Vec<Pattern> = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..3 {
        let mut longer = Vec::new();
        for pattern in &last {
            let first = pattern.last().map_or(0, |(place, _)| place + 1);
            for place in first..places {
                longer.extend(Fault::ALL.map(|fault| {
                    let mut pattern = pattern.clone();
                    pattern.push((place, fault));
                    pattern
                }));
            }
        }
        all.extend(longer.iter().cloned());
        last = longer;
    }
    all
}

fn is_handshake(payload: &[u8]) -> bool {
    let frame = Frame::decode(payload);
    matches!(
        frame,
        Ok(Some(Frame::Syn(_) | Frame::SynAck(_) | Frame::Ack(_)))
    )
}

fn short_stream(options: &[&str]) -> Settings {
    let mut settings = settings("3way", options, &[]);
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
        if !is_handshake(&flight.payload) {
            return vec![LATENCY];
        }
        let fault = pattern.iter().find(|(at, _)| *at == place);
        place += 1;
        fault.map_or_else(|| vec![LATENCY], |(_, fault)| fault.arrivals())
    })
}

/// Whether one side holds a session of which the other side knows nothing (any more).
fn is_one_sided(pair: &Pair) -> bool {
    let is_established = ["Established", "Streaming"].contains(&pair.initiator.state());
    let is_confirmed = pair.responder.sessions() > pair.responder.half_open();
    (is_established && pair.responder.sessions() == 0)
        || (is_confirmed && pair.initiator.is_finished())
}

#[rstest]
#[case::legacy("legacy", &[], &[])]
#[case::three_way("3way", &[], &[])]
#[case::optimistic("3way", &["optimistic_start"], &[])]
#[case::split("legacy", &[], &[("max_datagram", "300")])]
#[case::fragments("3way", &[], &[("max_datagram", "300"), ("carry", "fragments")])]
fn a_stream_over_a_clean_link_arrives_in_full_and_both_sides_close(
    #[case] mode: &str,
    #[case] options: &[&str],
    #[case] extra: &[(&str, &str)],
) {
    let mut pair = Pair::new(settings(mode, options, extra), settings(mode, &[], extra));
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    assert_eq!(pair.responder_outcomes, [Outcome::Completed]);
    assert_eq!(pair.initiator.counters()["frames"], 100);
    assert_eq!(pair.initiator.counters()["state"], "Closed");
    assert_eq!(pair.responder.counters()["sessions"], 0);
}

#[rstest]
#[case::plain(&[])]
#[case::optimistic(&["optimistic_start"])]
fn any_3_mishaps_end_in_both_sides_streaming_or_both_closed(#[case] options: &[&str]) {
    // MS-H-25: the longest timer that runs then is the initiator's buffer period.
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
        // An optimistic stream may be over before its ACK, which then comes never.
        if pair.initiator_outcome == Some(Outcome::Completed) && options.is_empty() {
            assert!(
                pair.responder_outcomes.contains(&Outcome::Completed),
                "{pattern:?}"
            );
        }
    }
}

#[rstest]
#[case::plain(&[])]
#[case::optimistic(&["optimistic_start"])]
fn up_to_2_mishaps_never_keep_the_stream_from_coming(#[case] options: &[&str]) {
    for pattern in patterns(8).iter().filter(|pattern| pattern.len() <= 2) {
        let mut pair = pair_under(pattern, options);
        pair.run();
        assert_eq!(
            pair.initiator_outcome,
            Some(Outcome::Completed),
            "{pattern:?}"
        );
    }
}

#[test]
fn an_initiator_of_3way_falls_back_to_a_responder_of_legacy() {
    let fallback = settings("3way", &["fallback"], &[]);
    let mut pair = Pair::new(settings("legacy", &[], &[]), fallback);
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    let start = pair
        .sent
        .iter()
        .find(|flight| flight.payload == START_TOKEN);
    assert_eq!(start.unwrap().at, millis(3_500)); // MS-H-04
}

#[test]
fn an_initiator_of_legacy_is_served_by_3way_only_with_allow_legacy_start() {
    for (options, expected) in [(&["allow_legacy_start"][..], true), (&[], false)] {
        let responder = settings("3way", options, &[]);
        let mut pair = Pair::new(responder, settings("legacy", &[], &[]));
        pair.run();
        let completed = pair.initiator_outcome == Some(Outcome::Completed);
        assert_eq!(completed, expected, "{options:?}");
    }
}

#[test]
fn an_initiator_that_falls_back_while_its_handshake_hangs_is_served() {
    let responder = settings("3way", &["allow_legacy_start"], &[]);
    let initiator = settings("3way", &["fallback"], &[]);
    // SYN-ACKs are lost, whatever the timers do.
    let mut pair = Pair::new(responder, initiator).with_arrival_times(|_, flight| {
        match Frame::decode(&flight.payload) {
            Ok(Some(Frame::SynAck(_))) => vec![],
            _ => vec![LATENCY],
        }
    });
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
}

#[test]
fn a_stream_of_an_hour_leaves_on_time_to_the_last_frame() {
    let mut long = settings("legacy", &[], &[]);
    long.stream.frames_per_second = 30;
    long.stream.seconds = 3_600;
    let mut pair = Pair::new(long.clone(), long);
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    let last = pair.sent.last().unwrap();
    assert_eq!(last.at, LATENCY + Duration::from_secs(3_600)); // MS-D-06
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut pair = Pair::new(settings("3way", &[], &[]), settings("3way", &[], &[]));
        pair.run();
        pair.sent
            .into_iter()
            .map(|flight| (flight.at, flight.payload))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
