//! The monitor's opinion of the reference: what the one says of the other must be nothing.

use rstest::rstest;

use super::super::settings::tests::{STREAM, settings};
use super::tests::{Fault, Pattern, pair_under, patterns};
use super::*;
use crate::mediastream;
use crate::monitor::{Observation, Vantage};
use crate::{MonitorSettings, Tolerance};

/// What the monitor finds in a capture of `flights`.
fn findings(flights: &[Datagram], monitor: &MonitorSettings, end: Duration) -> Vec<String> {
    let mut monitor = mediastream::new_monitor(monitor);
    let mut found = Vec::new();
    let mut say = |observation| {
        if let Observation::Finding(finding) = observation {
            found.push(format!("{finding:?}"));
        }
    };
    for (number, flight) in (1..).zip(flights) {
        let datagram = shakedown_wire::Datagram {
            number,
            time: flight.at,
            source: flight.from,
            destination: flight.to,
            payload: &flight.payload,
            length: flight.payload.len(),
        };
        monitor.datagram(&datagram, &mut say);
    }
    monitor.finish(end, &mut say);
    found
}

#[rstest]
#[case::legacy("legacy", &[], &[], &[])]
#[case::three_way("3way", &[], &[], &[])]
#[case::optimistic("3way", &["optimistic_start"], &[], &[])]
#[case::fallback("3way", &["allow_legacy_start"], &["fallback"], &[])]
#[case::start3("start3", &[], &[], &[])]
#[case::begin_immediately("start3", &["begin_immediately"], &[], &[])]
#[case::compatible("start3", &["allow_legacy_start"], &["fallback"], &[])]
#[case::split_in_start3("start3", &[], &[], &[("max_datagram", "300")])]
#[case::split("legacy", &[], &[], &[("max_datagram", "300")])]
#[case::fragments("3way", &[], &[], &[("max_datagram", "300"), ("carry", "fragments")])]
fn nothing_is_found_in_a_stream_of_the_reference(
    #[case] mode: &str,
    #[case] responder: &[&str],
    #[case] initiator: &[&str],
    #[case] extra: &[(&str, &str)],
) {
    let told = settings(mode, responder, extra);
    let both = [responder, initiator].concat();
    let monitor = MonitorSettings {
        vantage: Vantage::Sender,
        tolerance: Tolerance::new(0.0),
        stream: Some(STREAM),
        max_datagram: Some(told.max_datagram),
        options: Some(both.iter().map(ToString::to_string).collect()),
        mode: Some(mode.into()),
        supervised: true,
        buffer_period: None,
        watched_until: None,
        stopped: Vec::new(),
    };
    let mut pair = Pair::new(told, settings(mode, initiator, extra));
    pair.run();
    let end = pair.now() + Duration::from_secs(20);
    assert_eq!(findings(&pair.sent, &monitor, end), Vec::<String>::new());
}

#[rstest]
#[case::plain(pair_under, &[])]
#[case::optimistic(pair_under, &["optimistic_start"])]
#[case::start3(start3::pair_under, &[])]
#[case::begin_immediately(start3::pair_under, &["begin_immediately"])]
fn nothing_is_found_on_the_path_whatever_2_mishaps_happen(
    #[case] pair_under: fn(&Pattern, &[&str]) -> Pair,
    #[case] options: &[&str],
) {
    let monitor = MonitorSettings {
        vantage: Vantage::Path,
        tolerance: Tolerance::new(0.25),
        stream: None,
        max_datagram: None,
        options: None,
        mode: None,
        supervised: false,
        buffer_period: None,
        watched_until: None,
        stopped: Vec::new(),
    };
    // What comes after its session is over begins another one, of which the path shows too little.
    let is_usual = |pattern: &&Pattern| {
        pattern.len() <= 2 && pattern.iter().all(|(_, fault)| *fault != Fault::VeryLate)
    };
    for pattern in patterns(7).iter().filter(is_usual) {
        let mut pair = pair_under(pattern, options);
        pair.run();
        let end = pair.now() + Duration::from_secs(20);
        let found = findings(&pair.arrived, &monitor, end);
        assert!(found.is_empty(), "{pattern:?}: {found:#?}");
    }
}
