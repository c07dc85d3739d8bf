use std::collections::BTreeSet;

use rstest::rstest;
use shakedown_protocol::mediastream::PROTOCOL;

use shakedown_engine::explore::exhaustive::{Bounds, Explored, STREAM, Setup, explore, join};
use shakedown_engine::explore::{Event, EventKind, Side, Trace};
use shakedown_protocol::exploration::Exploration;

fn known() -> &'static Exploration {
    PROTOCOL.exploration.unwrap()
}

fn setup(initiator: &str, responder: &str, bounds: [u8; 4]) -> Setup {
    let [loss, dup, reorder, slow] = bounds;
    Setup {
        protocol: &PROTOCOL,
        initiator: initiator.parse().unwrap(),
        responder: responder.parse().unwrap(),
        stream: STREAM,
        bounds: Bounds {
            loss,
            dup,
            reorder,
            slow,
        },
        seed: 1,
        threads: 1,
        extra: Vec::new(),
    }
}

fn explored(setup: &Setup) -> Explored {
    explore(setup, &mut |_, threads| join(threads)).unwrap()
}

fn refused(setup: &Setup) -> String {
    explore(setup, &mut |_, threads| join(threads)).unwrap_err()
}

/// What a trace shows of the way: `SYN 1 lost`.
fn story(trace: &Trace) -> Vec<String> {
    let told = |event: &Event| match &event.what {
        EventKind::Sent { frame, .. } => format!("{frame} sent"),
        EventKind::Delivered { frame, .. } => format!("{frame} arrives"),
        EventKind::Lost { datagram } => format!("{datagram} is lost"),
        EventKind::Duplicated { datagram } => format!("{datagram} is doubled"),
        EventKind::Overtaken { datagram } => format!("{datagram} stays behind"),
        EventKind::Timer { side } => {
            format!("timer of the {side} after {} ms", event.at / 1_000_000)
        }
        EventKind::Ended { side, .. } => format!("the {side} gives up"),
        EventKind::State { .. } | EventKind::Moved { .. } | EventKind::Healed {} => String::new(),
    };
    let told = trace.events.iter().map(told);
    told.filter(|line| !line.is_empty()).collect()
}

#[rstest]
fn no_pair_of_references_breaks_a_rule_within_one_mishap_of_each_kind(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)] responder: usize,
    #[values(0, 1, 2, 3, 4)] initiator: usize,
) {
    let (initiator, responder) = (known().initiators[initiator], known().responders[responder]);
    let explored = explored(&setup(initiator, responder, [1, 1, 1, 0]));
    assert_eq!(explored.violation, None);
    assert!(explored.complete);
}

#[rstest]
#[case("MS-L-04", "legacy", "legacy")]
#[case("MS-H-03", "3way", "3way")]
#[case("MS-H-08", "3way", "3way")]
#[case("MS-H-09", "3way", "3way")]
#[case("MS-H-11", "3way", "3way")]
#[case("MS-H-12", "3way", "3way")]
#[case("MS-H-15", "3way", "3way")]
#[case("MS-H-16", "3way", "3way, optimistic_start")]
#[case("MS-H-18", "3way", "3way")]
#[case("MS-H-18", "3way, fallback", "3way+start3, allow_legacy_start")]
#[case("MS-S-04", "start3", "start3")]
#[case("MS-S-08", "start3", "start3")]
#[case("MS-S-11", "start3", "start3")]
#[case("MS-S-12", "start3", "start3")]
#[case("MS-S-13", "start3", "start3")]
fn a_twin_is_found_by_what_it_leaves_out(
    #[case] without: &str,
    #[case] initiator: &str,
    #[case] responder: &str,
) {
    let mut setup = setup(initiator, responder, [1, 1, 1, 0]);
    setup.initiator.without.push(without.to_owned());
    setup.responder.without.push(without.to_owned());
    let explored = explored(&setup);
    let trace = explored.violation.unwrap();
    assert_eq!(trace.violation.unwrap().requirement, without);
    assert!(!explored.complete);
}

#[test]
fn without_repeated_syn_acks_a_lost_ack_stalls_both_sides() {
    let mut setup = setup("3way", "3way", [3, 2, 2, 0]);
    setup.responder.without.push("MS-H-18".to_owned());
    let trace = explored(&setup).violation.unwrap();
    assert_eq!(
        story(&trace),
        [
            "SYN sent",
            "SYN arrives",
            "SYN-ACK sent",
            "SYN-ACK arrives",
            "ACK sent",
            "3 is lost",
            // Nobody sends anything any more.
            "timer of the initiator after 3000 ms",
            "the initiator gives up",
            "timer of the responder after 10000 ms",
            "the responder gives up",
        ]
    );
    let again = Trace::parse("trace.json", &trace.to_json()).unwrap();
    assert_eq!(again, trace);
}

#[test]
fn the_shortest_trace_is_the_same_with_any_number_of_threads() {
    let mut setup = setup("3way", "3way", [1, 1, 1, 0]);
    setup.responder.without.push("MS-H-12".to_owned());
    let one = explored(&setup).violation;
    setup.threads = 2;
    assert_eq!(explored(&setup).violation, one);
}

#[test]
fn an_initiator_that_waits_too_long_leaves_one_side_open_alone() {
    let mut setup = setup("3way", "3way", [1, 0, 0, 0]);
    setup.extra = vec![("buffer_period".to_owned(), "60s".to_owned())];
    let trace = explored(&setup).violation.unwrap();
    assert_eq!(trace.violation.as_ref().unwrap().requirement, "MS-H-25");
    let lost = story(&trace);
    let lost: Vec<_> = lost.iter().filter(|line| line.ends_with("lost")).collect();
    assert_eq!(lost.len(), 1, "the last frame is enough: {lost:?}");
}

#[test]
fn the_same_states_are_reached_with_any_number_of_threads_and_any_seed() {
    let mut setup = setup("3way", "3way, optimistic_start", [1, 1, 1, 0]);
    let one = explored(&setup).progress;
    setup.threads = 2;
    let two = explored(&setup).progress;
    assert_eq!(one.distinct, two.distinct);
    assert_eq!(one.generated, two.generated);
    setup.seed = 77;
    assert_eq!(explored(&setup).progress.distinct, one.distinct);
}

#[test]
fn an_exploration_that_is_ended_says_so() {
    let setup = setup("3way", "3way", [3, 2, 2, 0]);
    let explored = explore(&setup, &mut |running, threads| {
        running.end();
        join(threads)
    });
    let explored = explored.unwrap();
    assert!(!explored.complete);
    assert_eq!(explored.violation, None);
}

#[test]
fn what_cannot_be_explored_is_refused_with_the_side() {
    let wrong = setup("3way, begin_immediately", "3way", [0; 4]);
    assert_eq!(
        refused(&wrong),
        "the initiator cannot be `3way, begin_immediately`: begin_immediately applies to \
         mode start3 only"
    );
    let wrong = setup("3way", "legacy, slots=1", [0; 4]);
    let error = refused(&wrong);
    assert!(error.contains("slots"), "{error}");
}

#[test]
fn sides_are_read_as_they_are_written_in_tables() {
    let texts = known().initiators.iter().chain(known().responders);
    for text in texts {
        let side: Side = text.parse().unwrap();
        assert_eq!(side.to_string(), *text);
    }
    let modes: BTreeSet<_> = ["3way+start3", "3way,start3"]
        .map(|text| text.parse::<Side>().unwrap().mode)
        .into();
    assert_eq!(modes.len(), 1);
    "".parse::<Side>().unwrap_err();
}
