use std::collections::BTreeSet;
use std::sync::Arc;

use shakedown_protocol::Protocol;
use shakedown_protocol::web::{CapsuleType, Settings, prefix};

use super::{Conversation, Corpus, DatagramMutator, Mutator, http3};
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
    let parsed = all
        .iter()
        .map(|one| Conversation::from_scenario(one, protocol));
    parsed
        .map(|one| one.unwrap_or_else(|why| panic!("{}", why.render(false))))
        .collect()
}

#[test]
fn every_built_in_scenario_becomes_a_conversation_that_expects_nothing() {
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
fn mutations_follow_from_the_seed() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let all = conversations(protocol);
    let names = |seed| {
        let mut mutator = Mutator::new(protocol, seed);
        let mutated = all
            .iter()
            .take(20)
            .map(|from| mutator.mutate(from, &all[0]));
        mutated
            .map(|one| one.map(|one| one.name()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(7), names(7));
    assert_ne!(names(7), names(8));
}

#[test]
fn almost_every_conversation_can_be_mutated() {
    for protocol in shakedown_protocol::PROTOCOLS {
        let all = conversations(protocol);
        let mut mutator = Mutator::new(protocol, 1);
        let mut verbs = BTreeSet::new();
        let mut unmutated = 0;
        for (n, from) in all.iter().enumerate() {
            match mutator.mutate(from, &all[(n + 1) % all.len()]) {
                Some(mutated) => {
                    assert_ne!(mutated.text(), from.text());
                    assert!(mutated.scenario().tolerant);
                    verbs.extend(mutated.scenario().steps.iter().map(Step::verb));
                }
                None => unmutated += 1,
            }
        }
        assert!(
            unmutated * 20 <= all.len(),
            "{}: {unmutated} of {}",
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
fn a_field_gets_a_boundary_value_within_5000_mutations() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let all = conversations(protocol);
    let from = all
        .iter()
        .find(|one| one.text().contains("\"SYN\""))
        .unwrap();
    let mut mutator = Mutator::new(protocol, 1);
    let is_there = |mutated: &Conversation| {
        mutated.text().contains("\"reserved\": 65535")
            || mutated.text().contains("\"reserved\", \"hex\": \"ff")
    };
    let found = (0..5_000).any(|_| {
        mutator
            .mutate(from, from)
            .is_some_and(|mutated| is_there(&mutated))
    });
    assert!(found);
}

#[test]
fn a_corpus_takes_each_conversation_and_each_behaviour_once() {
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
    assert!(corpus.add_behaviour(4));
    assert!(!corpus.add_behaviour(4));
}

#[test]
fn datagrams_after_a_conversation_have_its_ids_as_a_scenario() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let all = conversations(protocol);
    let from = all
        .iter()
        .find(|one| one.text().contains("\"uuid\""))
        .unwrap();
    let bindings = ["wish", "id"].map(|name| (name.to_owned(), "11111111-1111".into()));
    let mut mutator = DatagramMutator::new(protocol, 1);
    let datagrams: Vec<_> = (0..64).map(|_| mutator.next_datagram()).collect();
    let followed = from.followed_by(&bindings.into_iter().collect(), &datagrams);
    let followed = followed.unwrap_or_else(|why| panic!("{}", why.render(false)));
    let more = followed.scenario().steps.len() - from.scenario().steps.len();
    assert_eq!(more, 64);
    assert!(followed.text().contains("11111111-1111"));
}

#[test]
fn a_finding_waits_only_seconds_for_answers() {
    for name in ["proton", "darktower"] {
        let protocol = shakedown_protocol::protocol(name).unwrap();
        let all = conversations(protocol);
        let waits = |text: &str| text.contains("\"within\": \"$answer\"");
        let patient: Vec<_> = all.iter().filter(|one| waits(one.text())).collect();
        assert!(patient.len() > 20, "{}", patient.len());
        for one in patient {
            let named = one.renamed("exit-1", "It survives");
            let named = named.unwrap_or_else(|why| panic!("{}", why.render(false)));
            assert!(!waits(&named.text), "{}", named.text);
        }
    }
}

#[test]
fn mutated_datagrams_have_every_frame_and_fields_at_boundaries_and_start_from_what_was_sent() {
    let protocol = shakedown_protocol::protocol("mediastream").unwrap();
    let mut mutator = DatagramMutator::new(protocol, 1);
    let sent = protocol
        .vocabulary
        .encode(
            "START",
            &serde_json::Map::from_iter([("nonce".to_owned(), 77.into())]),
        )
        .unwrap();
    mutator.set_sent([sent.as_slice()].into_iter());
    let mut frames = BTreeSet::new();
    let mut largest = false;
    for _ in 0..20_000 {
        let datagram = mutator.next_datagram();
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
fn over_streams_a_conversation_ends_with_a_wait() {
    let protocol = shakedown_protocol::protocol("proton").unwrap();
    let all = conversations(protocol);
    let mut mutator = Mutator::new(protocol, 1);
    let mutated = all.iter().filter_map(|one| mutator.mutate(one, &all[0]));
    let all = mutated.chain(conversations(protocol));
    for one in all.filter(|one| !one.text().contains("expect_exit")) {
        assert_eq!(one.scenario().steps.last().map(Step::verb), Some("wait"));
    }
}

#[test]
fn http3_streams_have_wrong_lengths_large_values_and_repeated_settings() {
    let mut random = SeededRandom::new(1);
    let sessions = ["s".to_owned()];
    let written: Vec<_> = (0..10_000)
        .flat_map(|_| http3::steps(&mut random, &sessions, "w"))
        .filter_map(|step| step["write"].as_object().cloned())
        .collect();
    let says = |stream: &str, begin: &str, part: &str| {
        written.iter().any(|write| {
            let hex = write["hex"].as_str().unwrap();
            write["stream"] == stream && hex.starts_with(begin) && hex.contains(part)
        })
    };
    // A capsule of 2^32 bytes on a session, a HEADERS frame of none, settings with a large value.
    let capsule = hex::encode(prefix(CapsuleType::CloseSession.number(), 1 << 32));
    assert!(says("s", "00", &capsule));
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
