//! Which initiator gets a stream from which responder: every cell of the table for people, as the
//! reference does it and as the specification demands it.

use std::time::Duration;

use rstest::rstest;

use super::super::settings::Settings;
use super::super::settings::tests::settings;
use super::Pair;
use crate::machine::Outcome;
use crate::mediastream;
use crate::mediastream::exploration::EXPLORATION;
use crate::mediastream::frame::START_TOKEN;
use crate::pair::Offer;

const PAGE: &str = include_str!("../../../../../../docs/mediastream.md");

/// The cells of the table, its head among them.
fn table() -> Vec<Vec<&'static str>> {
    let rows = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("| responder / initiator |"))
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("|---"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn cell(responder: &str, initiator: &str) -> &'static str {
    let table = table();
    let column = table[0].iter().position(|name| *name == initiator);
    let row = table.iter().find(|row| row[0] == responder);
    row.unwrap()[column.unwrap()]
}

/// The modes and options of what the table calls `3way+start3, allow_legacy_start`.
fn words(name: &str) -> (String, Vec<&str>) {
    let mut words = name.split(", ");
    let modes = words.next().unwrap().replace('+', ",");
    (modes, words.collect())
}

fn told(name: &str) -> Settings {
    let (modes, options) = words(name);
    settings(&modes, &options, &[])
}

#[rstest]
fn the_specification_demands_what_the_table_says(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)] responder: usize,
    #[values(0, 1, 2, 3, 4)] initiator: usize,
) {
    let (responder, initiator) = (
        EXPLORATION.responders[responder],
        EXPLORATION.initiators[initiator],
    );
    let own = |options: Vec<&str>| options.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (asks, wants) = words(initiator);
    let (offers, has) = words(responder);
    let (wants, has) = (own(wants), own(has));
    let initiator_offer = Offer {
        mode: &asks,
        options: &wants,
        is_second: false,
    };
    let responder_offer = Offer {
        mode: &offers,
        options: &has,
        is_second: false,
    };
    let demand = (mediastream::PAIRS.demand)(&initiator_offer, &responder_offer);
    assert_eq!(demand.end.name(), cell(responder, initiator));
}

#[test]
fn the_table_has_these_rows_and_columns_and_no_others() {
    let table = table();
    assert_eq!(table[0][1..], *EXPLORATION.initiators);
    let rows: Vec<_> = table[1..].iter().map(|row| row[0]).collect();
    assert_eq!(rows, *EXPLORATION.responders);
    assert!(table.iter().all(|row| row.len() == table[0].len()));
}

#[rstest]
fn the_table_says_what_happens(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)] responder: usize,
    #[values(0, 1, 2, 3, 4)] initiator: usize,
) {
    let (responder, initiator) = (
        EXPLORATION.responders[responder],
        EXPLORATION.initiators[initiator],
    );
    let mut pair = Pair::new(told(responder), told(initiator));
    pair.run();
    let token = pair.sent.iter().find(|sent| sent.payload == START_TOKEN);
    let token = token.map(|sent| sent.at);
    let asks_by_token = initiator == "legacy";
    let begin = (!asks_by_token).then_some(Duration::from_millis(3_500));
    let happened = match pair.initiator_outcome.as_ref() {
        Some(Outcome::Completed) if asks_by_token || token.is_none() => "streams",
        Some(Outcome::Completed) if token == begin => "falls back", // MS-H-04, MS-S-09
        Some(Outcome::Failed(failure)) if failure.cause == "timeout" => "times out",
        other => panic!("{initiator} from {responder}: {other:?}, START token at {token:?}"),
    };
    assert_eq!(happened, cell(responder, initiator));
    let streamed = happened != "times out";
    assert_eq!(
        pair.responder_outcomes.contains(&Outcome::Completed),
        streamed
    );
    assert_eq!(pair.responder.sessions(), 0);
}
