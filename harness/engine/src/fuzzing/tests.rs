use std::collections::BTreeSet;
use std::sync::Arc;

use shakedown_protocol::Protocol;
use shakedown_protocol::web::Settings;

use super::{Conversation, Corpus, Mutator, Volley, web};
use crate::random::SeededRandom;
use crate::scenario::{Library, Loaded};
use crate::step::Step;

fn all_of(protocol: &Protocol) -> Vec<Loaded> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/");
    let folder = format!("{folder}{}/scenarios", protocol.id);
    Library::read(&[folder]).unwrap().scenarios().to_vec()
}

fn conversations(protocol: &Protocol) -> Vec<Conversation> {
    let all = all_of(protocol);
    let grown = all
        .iter()
        .map(|one| Conversation::grown_from(one, protocol));
    grown
        .map(|one| one.unwrap_or_else(|why| panic!("{}", why.render(false))))
        .collect()
}

#[test]
fn every_scenario_that_is_built_in_becomes_a_conversation_of_which_nothing_is_wanted() {
    for protocol in shakedown_protocol::PROTOCOLS {
        for one in conversations(protocol) {
            assert!(one.scenario().tolerant);
            assert_eq!(one.scenario().impair, None);
            let again = Conversation::parse(one.text()).unwrap();
            assert_eq!(again.scenario(), one.scenario());
            assert_eq!(again.name(), one.name());
        }
    }
}

#[test]
fn the_same_seed_grows_the_same_and_another_seed_something_else() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let all = conversations(protocol);
    let grown = |seed| {
        let mut mutator = Mutator::new(protocol, seed);
        let grown = all.iter().take(20).map(|from| mutator.grown(from, &all[0]));
        grown
            .map(|one| one.map(|one| one.name()))
            .collect::<Vec<_>>()
    };
    assert_eq!(grown(7), grown(7));
    assert_ne!(grown(7), grown(8));
}

#[test]
fn almost_every_conversation_has_children_which_are_scenarios_that_differ() {
    for protocol in shakedown_protocol::PROTOCOLS {
        let all = conversations(protocol);
        let mut mutator = Mutator::new(protocol, 1);
        let mut verbs = BTreeSet::new();
        let mut childless = 0;
        for (n, from) in all.iter().enumerate() {
            match mutator.grown(from, &all[(n + 1) % all.len()]) {
                Some(child) => {
                    assert_ne!(child.text(), from.text());
                    assert!(child.scenario().tolerant);
                    verbs.extend(child.scenario().steps.iter().map(Step::verb));
                }
                None => childless += 1,
            }
        }
        assert!(
            childless * 20 <= all.len(),
            "{}: {childless} of {}",
            protocol.id,
            all.len()
        );
        let expected = match protocol.transport {
            None => ["send", "mutate", "send_raw"],
            Some(_) => ["write", "fin", "close"],
        };
        for verb in expected {
            assert!(
                verbs.contains(verb),
                "{}: no {verb} in {verbs:?}",
                protocol.id
            );
        }
    }
}

#[test]
fn a_field_gets_a_value_at_its_boundary_before_long() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let all = conversations(protocol);
    let from = all
        .iter()
        .find(|one| one.text().contains("\"SYN\""))
        .unwrap();
    let mut mutator = Mutator::new(protocol, 1);
    let is_there = |child: &Conversation| {
        child.text().contains("\"reserved\": 65535")
            || child.text().contains("\"reserved\", \"hex\": \"ff")
    };
    let found = (0..5_000).any(|_| {
        mutator
            .grown(from, from)
            .is_some_and(|child| is_there(&child))
    });
    assert!(found);
}

#[test]
fn a_corpus_takes_each_conversation_once_and_counts_what_was_done() {
    let protocol = shakedown_protocol::protocol("proton").unwrap();
    let one = Arc::new(conversations(protocol).swap_remove(0));
    let mut corpus = Corpus::default();
    assert!(corpus.add("group", Arc::clone(&one)));
    assert!(!corpus.add("group", Arc::clone(&one)));
    assert_eq!(
        (corpus.len(), corpus.groups()),
        (1, vec!["group".to_owned()])
    );
    let mut mutator = Mutator::new(protocol, 1);
    assert_eq!(
        corpus.choose("group", &mut mutator).map(|one| one.name()),
        Some(one.name())
    );
    assert!(corpus.choose("another", &mut mutator).is_none());
    assert!(corpus.is_new(4));
    assert!(!corpus.is_new(4));
}

#[test]
fn a_volley_makes_a_scenario_with_the_ids_that_were_in_it() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let all = conversations(protocol);
    let from = all
        .iter()
        .find(|one| one.text().contains("\"uuid\""))
        .unwrap();
    let bindings = ["wish", "id"].map(|name| (name.to_owned(), "11111111-1111".into()));
    let mut volley = Volley::new(protocol, 1);
    let datagrams: Vec<_> = (0..64).map(|_| volley.datagram()).collect();
    let followed = from.followed_by(&bindings.into_iter().collect(), &datagrams);
    let followed = followed.unwrap_or_else(|why| panic!("{}", why.render(false)));
    let more = followed.scenario().steps.len() - from.scenario().steps.len();
    assert_eq!(more, 64);
    assert!(followed.text().contains("11111111-1111"));
}

#[test]
fn a_volley_has_every_frame_and_fields_at_their_boundaries_and_goes_on_from_what_was_said() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let mut volley = Volley::new(protocol, 1);
    let said = protocol
        .vocabulary
        .encode(
            "START",
            &serde_json::Map::from_iter([("nonce".to_owned(), 77.into())]),
        )
        .unwrap();
    volley.learn([said.as_slice()].into_iter());
    let mut frames = BTreeSet::new();
    let mut largest = false;
    for _ in 0..20_000 {
        let datagram = volley.datagram();
        assert!(!datagram.is_empty());
        if let Ok(Some(read)) = protocol.vocabulary.decode(&datagram) {
            frames.insert(read.frame);
            largest |= read.frame == "START"
                && read.fields["nonce"] == 77
                && read.fields["version"] == 255;
        }
    }
    assert_eq!(
        frames.len(),
        protocol.vocabulary.frames().len(),
        "{frames:?}"
    );
    assert!(largest);
}

#[test]
fn over_streams_a_conversation_stays_open_until_its_last_step_was_heard() {
    let protocol = shakedown_protocol::protocol("proton").unwrap();
    let all = conversations(protocol);
    let mut mutator = Mutator::new(protocol, 1);
    let children = all.iter().filter_map(|one| mutator.grown(one, &all[0]));
    let all = children.chain(conversations(protocol));
    for one in all.filter(|one| !one.text().contains("expect_exit")) {
        assert_eq!(one.scenario().steps.last().map(Step::verb), Some("wait"));
    }
}

#[test]
fn streams_of_http_3_break_its_rules_before_long() {
    let mut random = SeededRandom::new(1);
    let sessions = ["s".to_owned()];
    let written: Vec<_> = (0..2_000)
        .flat_map(|_| web::steps(&mut random, &sessions, "w"))
        .filter_map(|step| step["write"].as_object().cloned())
        .collect();
    let says = |stream: &str, begin: &str, part: &str| {
        written.iter().any(|write| {
            let hex = write["hex"].as_str().unwrap();
            write["stream"] == stream && hex.starts_with(begin) && hex.contains(part)
        })
    };
    // A capsule of 2^32 bytes on a session, a HEADERS frame of none, settings with a large value.
    assert!(says("s", "00", "c000000100000000"));
    assert!(says("w", "0100", ""));
    assert!(says("w", "0004", "ffffffffffffffff"));
    let twice = written.iter().filter(|write| write["stream"] == "w");
    let twice = twice.filter(|write| {
        let bytes = hex::decode(write["hex"].as_str().unwrap()).unwrap();
        let payload = bytes
            .get(3..)
            .and_then(|rest| rest.get(..usize::from(bytes[2])));
        let settings = payload.filter(|_| bytes[..2] == [0, 4]);
        settings.is_some_and(|payload| Settings::decode(payload).is_err())
    });
    assert!(twice.count() > 10);
}
