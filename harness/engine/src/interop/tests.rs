use rstest::rstest;
use shakedown_protocol::StreamParameters;
use shakedown_protocol::pair::{Demand, DemandedEnd, Offer};
use shakedown_protocol::requirement::Role;

use super::*;
use crate::iut::Iut;

const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 400_000,
    frames_per_second: 50,
    seconds: 2,
};

fn iut(name: &str, role: &str, modes: &str, options: &str) -> Iut {
    let peer = if role == "initiator" {
        "{peer}"
    } else {
        "{address}"
    };
    let text = format!(
        "name = {name:?}\nprotocol = \"mediastream\"\nrole = {role:?}\nmodes = {modes}\n\
         [start]\ncommand = [\"x\", {peer:?}, \"{{mode}}\"]\n[start.options]\n{options}\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
    );
    Iut::parse("it.toml", &text).unwrap()
}

#[test]
fn every_responder_meets_every_initiator_in_every_mode_and_option_that_changes_something() {
    let server = iut(
        "Acme Server 2.1",
        "responder",
        r#"["legacy", "3way,start3"]"#,
        "allow_legacy_start = []\nfragments = []\nslots = [\"{number}\"]",
    );
    let player = iut(
        "player",
        "initiator",
        r#"["legacy", "3way"]"#,
        "fallback = []\nupload = []",
    );
    let other = iut("PLAYER", "initiator", r#"["start3"]"#, "");
    let (_, pairs) = pairs(&[server, player, other]).unwrap();
    let ids: Vec<_> = pairs.iter().map(|pair| pair.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "acme-server-2-1/legacy/player/legacy",
            "acme-server-2-1/legacy/player/3way",
            "acme-server-2-1/legacy/player/3way.fallback",
            "acme-server-2-1/legacy/player-3/start3",
            "acme-server-2-1/3way+start3/player/legacy",
            "acme-server-2-1/3way+start3/player/3way",
            "acme-server-2-1/3way+start3/player/3way.fallback",
            "acme-server-2-1/3way+start3/player-3/start3",
            "acme-server-2-1/3way+start3.allow_legacy_start/player/legacy",
            "acme-server-2-1/3way+start3.allow_legacy_start/player/3way",
            "acme-server-2-1/3way+start3.allow_legacy_start/player/3way.fallback",
            "acme-server-2-1/3way+start3.allow_legacy_start/player-3/start3",
        ]
    );
    let demanded: Vec<_> = pairs.iter().map(|pair| pair.demand.end.name()).collect();
    assert_eq!(
        demanded[..4],
        ["streams", "times out", "falls back", "times out"]
    );
    assert_eq!(
        pairs[8].responder.event().setup(),
        "3way+start3, allow_legacy_start"
    );
    assert!(
        pairs
            .iter()
            .all(|pair| pair.initiator.needs.stream == Some(STREAM))
    );
}

#[test]
fn a_table_needs_both_sides_and_each_once() {
    let server = iut("server", "responder", r#"["legacy"]"#, "");
    let player = iut("player", "initiator", r#"["legacy"]"#, "");
    let result = |iuts: &[Iut]| pairs(iuts).unwrap_err().to_string();
    assert_eq!(
        result(std::slice::from_ref(&server)),
        "no implementation is the initiator: \"server\" is the responder; add the description of an \
         implementation with `role = \"initiator\"`"
    );
    let lonely = result(std::slice::from_ref(&player));
    assert!(
        lonely.starts_with("no implementation is the responder"),
        "{lonely}"
    );
    let twice = result(&[server.clone(), player.clone(), server.clone()]);
    assert!(
        twice.starts_with("\"server\" is described as responder twice"),
        "{twice}"
    );
    let mut faster = player;
    faster.stream.frames_per_second = 25;
    let differ = result(&[server, faster]);
    assert!(
        differ.starts_with(
            "\"player\" asks for 400000 bit/s in 25 frames/s for 2 s and \"server\" streams 400000 \
             bit/s in 50 frames/s for 2 s"
        ),
        "{differ}"
    );
}

#[test]
fn who_can_be_told_streams_what_the_other_does() {
    let server = iut("server", "responder", r#"["legacy"]"#, "");
    let mut player = iut("player", "initiator", r#"["legacy"]"#, "");
    player.stream.seconds = 9;
    let start = player.start.as_mut().unwrap();
    start.command.push("--for={seconds}".to_owned());
    let (_, result) = pairs(&[server.clone(), player.clone()]).unwrap();
    assert_eq!(result[0].stream, STREAM);
    let mut other = server;
    other
        .start
        .as_mut()
        .unwrap()
        .command
        .push("{seconds}".to_owned());
    player.start.as_mut().unwrap().command.pop();
    let (_, result) = pairs(&[other, player]).unwrap();
    assert_eq!(result[0].stream.seconds, 9);
}

/// A witness of so many frames, and what the initiator did before them.
fn traffic(asked: u64, fell_back: bool, frames: u64) -> EdgeTraffic {
    let pairs = &shakedown_protocol::mediastream::PAIRS;
    let words = shakedown_protocol::mediastream::PROTOCOL.vocabulary;
    let initiator = Offer {
        mode: "3way",
        options: &[],
        is_second: false,
    };
    let mut traffic = EdgeTraffic::default();
    for _ in 0..asked {
        let syn = words.encode("SYN", &serde_json::Map::new()).unwrap();
        traffic.observe(pairs, &initiator, Role::Initiator, &syn);
    }
    if fell_back {
        traffic.observe(pairs, &initiator, Role::Initiator, b"START");
    }
    for number in 1..=frames {
        let fields = serde_json::json!({ "sequence_number": number });
        let data = words.encode("data", fields.as_object().unwrap()).unwrap();
        // A frame may come in several datagrams.
        traffic.observe(pairs, &initiator, Role::Responder, &data);
        traffic.observe(pairs, &initiator, Role::Responder, &data);
    }
    traffic
}

const OK: ProcessEnd = ProcessEnd::Ended { code: Some(0) };
const FAILED: ProcessEnd = ProcessEnd::Ended { code: Some(1) };
const KILLED: ProcessEnd = ProcessEnd::Ended { code: None };

/// What is seen of a pair that is demanded to end so: outcome, standing, and the words.
fn judged(
    end: DemandedEnd,
    impaired: bool,
    at_initiator: &EdgeTraffic,
    at_responder: &EdgeTraffic,
    (initiator, responder): (ProcessEnd, ProcessEnd),
) -> (PairOutcome, Standing, String) {
    let demand = Demand {
        end,
        because: &[],
        may_refuse: if end == DemandedEnd::Streams && at_initiator.wanted.is_none() {
            &["MS-H-07"]
        } else {
            &[]
        },
    };
    let evidence = PairEvidence {
        demand: &demand,
        impaired,
        stream: STREAM,
        at_initiator,
        at_responder,
        initiator,
        responder,
        status_tells: true,
        unit: "frames",
        may_wait: at_initiator.wanted.is_some(),
    };
    let PairVerdict {
        outcome,
        standing,
        seen,
    } = evidence.judge();
    (outcome, standing, seen)
}

#[rstest]
#[case::streams(DemandedEnd::Streams, (1, false, 100), (OK, ProcessEnd::Ran), "streams", "as demanded")]
#[case::of_one_stream(DemandedEnd::Streams, (1, false, 100), (OK, OK), "streams", "as demanded")]
#[case::plays_on(DemandedEnd::Streams, (1, false, 100), (ProcessEnd::Ran, ProcessEnd::Ran), "streams", "as demanded")]
#[case::falls_back(DemandedEnd::FallsBack, (3, true, 100), (OK, ProcessEnd::Ran), "falls back", "as demanded")]
#[case::too_old(DemandedEnd::Streams, (3, true, 100), (OK, ProcessEnd::Ran), "falls back", "not as demanded")]
#[case::too_kind(DemandedEnd::TimesOut, (1, false, 100), (OK, ProcessEnd::Ran), "streams", "not as demanded")]
#[case::times_out(DemandedEnd::TimesOut, (3, false, 0), (FAILED, ProcessEnd::Ran), "times out", "as demanded")]
#[case::says_it_streamed(DemandedEnd::TimesOut, (3, false, 0), (OK, ProcessEnd::Ran), "times out", "not as demanded")]
#[case::too_short(DemandedEnd::Streams, (1, false, 99), (OK, ProcessEnd::Ran), "breaks off", "not as demanded")]
#[case::dissatisfied(DemandedEnd::Streams, (1, false, 100), (FAILED, ProcessEnd::Ran), "breaks off", "not as demanded")]
#[case::never_ends(DemandedEnd::TimesOut, (3, false, 0), (ProcessEnd::Ran, ProcessEnd::Ran), "hangs", "not as demanded")]
#[case::mute(DemandedEnd::TimesOut, (0, false, 0), (FAILED, ProcessEnd::Ran), "not started", "not as demanded")]
#[case::crash(DemandedEnd::Streams, (1, false, 9), (KILLED, ProcessEnd::Ran), "dies", "not as demanded")]
#[case::gone(DemandedEnd::Streams, (1, false, 9), (FAILED, KILLED), "dies", "not as demanded")]
#[case::left(DemandedEnd::Streams, (1, false, 9), (FAILED, OK), "dies", "not as demanded")]
#[case::open(DemandedEnd::NotSaid, (1, false, 100), (OK, ProcessEnd::Ran), "streams", "left open")]
#[case::open_but_stuck(DemandedEnd::NotSaid, (1, false, 0), (ProcessEnd::Ran, ProcessEnd::Ran), "hangs", "not as demanded")]
fn how_a_pair_ended(
    #[case] end: DemandedEnd,
    #[case] (asked, fell_back, frames): (u64, bool, u64),
    #[case] ends: (ProcessEnd, ProcessEnd),
    #[case] outcome: &str,
    #[case] standing: &str,
) {
    let seen = traffic(asked, fell_back, frames);
    let (got, how, _) = judged(end, false, &seen, &seen, ends);
    assert_eq!((got.name(), how.name()), (outcome, standing));
}

#[test]
fn what_loss_can_explain_is_no_breach_and_what_it_cannot_is() {
    let whole = traffic(1, false, 100);
    let some = traffic(1, false, 60);
    let none = traffic(3, false, 0);
    let lossy = |end, at_initiator, at_responder, ends| {
        let (outcome, standing, _) = judged(end, true, at_initiator, at_responder, ends);
        (outcome.name(), standing.name())
    };
    let (ran, failed) = ((OK, ProcessEnd::Ran), (FAILED, ProcessEnd::Ran));
    let streams = DemandedEnd::Streams;
    assert_eq!(
        lossy(streams, &some, &whole, failed),
        ("streams", "as demanded")
    );
    assert_eq!(
        lossy(streams, &some, &some, failed),
        ("breaks off", "excused by loss")
    );
    let unheard = traffic(0, false, 0);
    assert_eq!(
        lossy(streams, &none, &unheard, failed),
        ("times out", "excused by loss")
    );
    assert_eq!(
        lossy(streams, &none, &none, failed),
        ("times out", "not as demanded")
    );
    let silent = DemandedEnd::TimesOut;
    assert_eq!(
        lossy(silent, &whole, &whole, ran),
        ("streams", "not as demanded")
    );
    let both_ran = (ProcessEnd::Ran, ProcessEnd::Ran);
    assert_eq!(
        lossy(streams, &none, &none, both_ran),
        ("hangs", "not as demanded")
    );
    let killed = (FAILED, KILLED);
    assert_eq!(
        lossy(streams, &some, &some, killed),
        ("dies", "not as demanded")
    );
}

#[test]
fn a_refusal_is_left_open_where_the_specification_allows_one() {
    let mut refused = traffic(1, false, 0);
    refused.refusal = Some("SYN-ACK with Accept=0".to_owned());
    let ends = (FAILED, ProcessEnd::Ran);
    let (outcome, standing, seen) = judged(DemandedEnd::Streams, false, &refused, &refused, ends);
    assert_eq!(
        (outcome, standing),
        (PairOutcome::Refuses, Standing::LeftOpen)
    );
    assert_eq!(
        seen,
        "SYN-ACK with Accept=0; the initiator ended (exit status 1)"
    );
    let (_, standing, _) = judged(DemandedEnd::TimesOut, false, &refused, &refused, ends);
    assert_eq!(standing, Standing::NotAsDemanded);
}

#[test]
fn a_stream_that_was_granted_shorter_is_whole_when_it_is_over() {
    let mut seen = traffic(1, false, 50);
    seen.granted = (Some(25), None);
    let ends = (OK, ProcessEnd::Ran);
    let (outcome, standing, seen) = judged(DemandedEnd::Streams, false, &seen, &seen, ends);
    assert_eq!(
        (outcome, standing),
        (PairOutcome::Streams, Standing::AsDemanded)
    );
    assert_eq!(seen, "50 of 50 frames arrived");
}

#[test]
fn what_was_seen_is_a_sentence() {
    let none = traffic(3, true, 0);
    let ends = (FAILED, ProcessEnd::Ran);
    let (_, _, seen) = judged(DemandedEnd::TimesOut, false, &none, &none, ends);
    assert_eq!(
        seen,
        "the initiator asked 3 times, then by its fallback, no frames arrived, and it ended (exit \
         status 1)"
    );
    let some = traffic(1, false, 9);
    let (_, _, seen) = judged(DemandedEnd::Streams, false, &some, &some, (FAILED, KILLED));
    assert_eq!(
        seen,
        "the responder was ended by a signal after 9 of 100 frames"
    );
}

/// A client of streams and a server, both with options that they claim.
fn over_streams(role: &str, modes: &str, options: &str) -> Iut {
    let place = match role {
        "client" => "{peer}",
        _ => "{address}",
    };
    let reach = match role {
        "client" => "",
        _ => "[reach]\naddress = \"127.0.0.1:{port}\"\n",
    };
    let text = format!(
        "name = {role:?}\nprotocol = \"proton\"\nrole = {role:?}\nmodes = {modes}\n\
         [start]\ncommand = [\"x\", {place:?}, \"{{mode}}\"]\n[start.options]\n{options}\n{reach}"
    );
    Iut::parse("it.toml", &text).unwrap()
}

#[test]
fn a_side_is_told_what_to_do_by_the_options_that_it_claims_and_called_by_those_that_matter() {
    let server = over_streams(
        "server",
        r#"["push"]"#,
        "resets = []\ncommit_delay = [\"{number}\"]",
    );
    let client = over_streams(
        "client",
        r#"["pull"]"#,
        "events = [\"{number}\"]\nreset = []\nstay = []\nagain = []",
    );
    let (_, pairs) = pairs(&[server.clone(), client]).unwrap();
    let ids: Vec<_> = pairs.iter().map(|pair| pair.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "server/push/client/pull",
            "server/push/client/pull.reset",
            "server/push.resets/client/pull",
            "server/push.resets/client/pull.reset",
        ]
    );
    let [alone, second, ..] = &pairs[..] else {
        panic!("{ids:?}");
    };
    assert_eq!(alone.initiator.needs.options, ["events=2"]);
    assert_eq!(alone.initiator.earlier, None);
    assert_eq!(second.initiator.needs.options, ["reset", "events=2"]);
    let earlier = second.initiator.earlier.as_ref().unwrap();
    assert_eq!(earlier.options, ["stay"]);
    assert_eq!(second.initiator.event().setup(), "pull, reset");
    let restless = over_streams("client", r#"["pull"]"#, "reset = []");
    let (_, pairs) = super::pairs(&[server, restless]).unwrap();
    assert_eq!(pairs[1].initiator.earlier, None);
}

/// What is seen of a client of streams that came for 4 answers.
fn exchange(came: u64) -> EdgeTraffic {
    let mut seen = traffic(1, false, came);
    seen.wanted = Some(4);
    seen
}

#[rstest]
#[case::done(DemandedEnd::Streams, 4, OK, "streams", "as demanded")]
#[case::stays(DemandedEnd::Streams, 4, ProcessEnd::Ran, "streams", "as demanded")]
#[case::may_take_longer(DemandedEnd::Streams, 3, ProcessEnd::Ran, "waits", "inconclusive")]
#[case::gives_up(DemandedEnd::Streams, 3, FAILED, "breaks off", "not as demanded")]
#[case::nobody_answers(DemandedEnd::Streams, 0, FAILED, "times out", "not as demanded")]
#[case::waits(DemandedEnd::Waits, 3, ProcessEnd::Ran, "waits", "as demanded")]
#[case::waits_no_longer(DemandedEnd::Waits, 3, FAILED, "breaks off", "left open")]
#[case::is_served(DemandedEnd::Waits, 4, OK, "streams", "left open")]
#[case::is_let_in(DemandedEnd::Refuses, 4, OK, "streams", "left open")]
#[case::is_not_told(DemandedEnd::Refuses, 3, ProcessEnd::Ran, "waits", "inconclusive")]
#[case::open(DemandedEnd::NotSaid, 3, ProcessEnd::Ran, "waits", "left open")]
fn how_a_pair_over_streams_ended(
    #[case] end: DemandedEnd,
    #[case] came: u64,
    #[case] initiator: ProcessEnd,
    #[case] outcome: &str,
    #[case] standing: &str,
) {
    let seen = exchange(came);
    let (got, how, _) = judged(end, false, &seen, &seen, (initiator, ProcessEnd::Ran));
    assert_eq!((got.name(), how.name()), (outcome, standing));
}

#[rstest]
#[case(DemandedEnd::Refuses, FAILED, "as demanded")]
#[case(DemandedEnd::Refuses, OK, "not as demanded")]
#[case(DemandedEnd::Streams, FAILED, "not as demanded")]
#[case(DemandedEnd::Waits, FAILED, "not as demanded")]
#[case(DemandedEnd::NotSaid, FAILED, "left open")]
fn a_server_that_breaks_it_off_refuses_whatever_came_before(
    #[case] end: DemandedEnd,
    #[case] initiator: ProcessEnd,
    #[case] standing: &str,
) {
    let mut seen = exchange(4);
    seen.broken = Some("the server closed with code 5".to_owned());
    let (got, how, words) = judged(end, false, &seen, &seen, (initiator, ProcessEnd::Ran));
    assert_eq!((got.name(), how.name()), ("refuses", standing));
    assert!(
        words.starts_with("the server closed with code 5 after 4 of 4 frames; the initiator ended"),
        "{words}"
    );
}

#[rstest]
#[case::success(OK, ProcessEnd::Ran, "not observed", "inconclusive")]
#[case::failure(FAILED, ProcessEnd::Ran, "not observed", "inconclusive")]
#[case::server_ends(OK, FAILED, "not observed", "inconclusive")]
#[case::crash(KILLED, ProcessEnd::Ran, "dies", "not as demanded")]
#[case::server_crashes(OK, KILLED, "dies", "not as demanded")]
fn what_cannot_be_read_is_no_verdict_but_a_crash_is(
    #[case] initiator: ProcessEnd,
    #[case] responder: ProcessEnd,
    #[case] outcome: &str,
    #[case] standing: &str,
) {
    let mut seen = exchange(0);
    seen.is_hidden = true;
    for end in [
        DemandedEnd::Streams,
        DemandedEnd::Refuses,
        DemandedEnd::NotSaid,
    ] {
        let (got, how, _) = judged(end, false, &seen, &seen, (initiator, responder));
        assert_eq!((got.name(), how.name()), (outcome, standing));
    }
}
