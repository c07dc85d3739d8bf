//! Streams of events for the tests of every sink.

use indexmap::IndexMap;
use shakedown_engine::event::{
    CheckSummary, Event, FieldEvent, FindingEvent, ProcessEvent, SessionEvent, Summary, VERSION,
    VerdictEvent,
};
use shakedown_engine::interop::{
    InteropStarted, InteropSummary, PairEvent, PairOutcome, SideEvent, Sides, Standing,
};
use shakedown_engine::verdict::Verdict;

use crate::Record;

/// What the events tell.
pub(crate) fn record(events: Vec<Event>) -> Record {
    let mut record = Record::default();
    for event in &events {
        record.add(event);
    }
    record
}

/// A run with passes, failures, a waived and an advisory finding, a process that died, and each of
/// the other verdicts.
pub(crate) fn run() -> Vec<Event> {
    let mut lost_ack = verdict(
        "3way/responder/lost-ack",
        Verdict::Fail,
        &[
            ("MS-H-18", Verdict::Fail),
            ("MS-H-25", Verdict::Inconclusive),
        ],
    );
    lost_ack.title = "A lost ACK makes the responder send its SYN-ACK again".to_owned();
    lost_ack.seconds = 1.523;
    let mut died = verdict(
        "3way/responder/empty-datagram",
        Verdict::Fail,
        &[("MS-W-17", Verdict::Fail)],
    );
    died.reason = Some("the implementation died while the scenario ran".to_owned());
    died.process = Some(ProcessEvent {
        status: "killed by signal 6 (SIGABRT)".to_owned(),
        output: (1..=14)
            .map(|n| format!("line {n}\n"))
            .chain(["assertion failed: length > 0 at server.c:212".to_owned()])
            .collect(),
        last_packet: Some(7),
    });
    let mut error = verdict(
        "3way/responder/another-address",
        Verdict::Error,
        &[("MS-H-13", Verdict::Error)],
    );
    error.reason = Some("cannot open a socket at 127.0.0.2: permission denied".to_owned());
    let mut inconclusive = verdict(
        "legacy/responder/pace",
        Verdict::Inconclusive,
        &[("MS-D-06", Verdict::Inconclusive)],
    );
    inconclusive.reason =
        Some("this machine was 180 ms late while a window of 100 ms was open".to_owned());
    let mut absent = verdict(
        "3way/responder/optimistic-start",
        Verdict::NotApplicable,
        &[("MS-H-16", Verdict::NotApplicable)],
    );
    absent.reason = Some("the description names no option optimistic_start".to_owned());
    let mut other_absent = verdict(
        "3way/responder/legacy-start",
        Verdict::NotApplicable,
        &[("MS-H-21", Verdict::NotApplicable)],
    );
    other_absent.reason = Some("the description names no option allow_legacy_start".to_owned());
    let waived = verdict(
        "legacy/responder/first-datagram",
        Verdict::Pass,
        &[("MS-L-03", Verdict::Pass)],
    );
    let start = "legacy/responder/start-is-answered";

    vec![
        started(9),
        begun("3way/responder/lost-ack"),
        begun(start),
        Event::Step {
            scenario: id("3way/responder/lost-ack"),
            step: "1".to_owned(),
            time: 0.000_412,
            text: "SYN-ACK came as packet 2".to_owned(),
        },
        Event::Verdict(verdict(
            start,
            Verdict::Pass,
            &[("MS-L-01", Verdict::Pass), ("MS-D-01", Verdict::Pass)],
        )),
        Event::Finding(lost_ack_finding()),
        Event::Verdict(lost_ack),
        Event::Verdict(died),
        Event::Verdict(error),
        Event::Verdict(inconclusive),
        Event::Verdict(absent),
        Event::Verdict(other_absent),
        Event::Finding(FindingEvent {
            waived: Some("known, ticket 417, until 2027-03-01".to_owned()),
            ..reserved_flag_finding()
        }),
        Event::Finding(FindingEvent {
            requirement: "MS-W-10".to_owned(),
            level: "SHOULD".to_owned(),
            message: "sequence_number is 7 in a control frame".to_owned(),
            expected: "sequence_number 0".to_owned(),
            got: "sequence_number 7".to_owned(),
            bytes: None,
            field: None,
            advisory: true,
            ..reserved_flag_finding()
        }),
        Event::Verdict(waived),
        Event::Verdict(VerdictEvent {
            reason: Some("only a counter shows it".to_owned()),
            ..verdict(
                "legacy/responder/duplicates",
                Verdict::NotObserved,
                &[("MS-D-08", Verdict::NotObserved)],
            )
        }),
        finished(
            "2 of 9 scenarios failed.",
            1,
            false,
            &[
                ("MS-L-01", Verdict::Pass),
                ("MS-L-03", Verdict::Pass),
                ("MS-D-01", Verdict::Pass),
                ("MS-D-06", Verdict::Inconclusive),
                ("MS-D-08", Verdict::NotObserved),
                ("MS-H-13", Verdict::Error),
                ("MS-H-16", Verdict::NotApplicable),
                ("MS-H-18", Verdict::Fail),
                ("MS-H-21", Verdict::NotApplicable),
                ("MS-H-25", Verdict::Inconclusive),
                ("MS-W-17", Verdict::Fail),
            ],
        ),
    ]
}

/// A run that was interrupted while a scenario ran.
pub(crate) fn interrupted() -> Vec<Event> {
    let start = "legacy/responder/start-is-answered";
    vec![
        started(3),
        begun(start),
        begun("legacy/responder/pace"),
        Event::Verdict(verdict(start, Verdict::Pass, &[("MS-L-01", Verdict::Pass)])),
        finished(
            "Interrupted after 1 of 3 scenarios.",
            130,
            true,
            &[("MS-L-01", Verdict::Pass)],
        ),
    ]
}

/// Three captures: without a finding, with one, and one that is damaged.
pub(crate) fn check() -> Vec<Event> {
    let clean = "pcaps/field/legacy-single.pcap";
    let bad = "pcaps/bad.pcapng";
    let damaged = "pcaps/damaged.pcap";
    let session = |capture: &str| SessionEvent {
        capture: capture.to_owned(),
        protocol: "mediastream".to_owned(),
        mode: "legacy".to_owned(),
        initiator: "127.0.0.1:40000".to_owned(),
        responder: "127.0.0.1:4444".to_owned(),
        connection_id: Some("9f2b8d2e-6f0c-4b6e-9d5e-0a4f6f4f3a11".to_owned()),
        frames: 100,
        datagrams: 102,
        missing: 0,
        reordered: 0,
        repeated: 0,
    };
    let summary = |capture: &str, findings: usize, exit: u8| CheckSummary {
        version: VERSION,
        capture: capture.to_owned(),
        packets: 102,
        datagrams: 102,
        sessions: 1,
        findings,
        requirements: IndexMap::from([
            ("MS-L-01".to_owned(), Verdict::Pass),
            ("MS-D-06".to_owned(), Verdict::Inconclusive),
        ]),
        notes: vec!["MS-D-06 cannot be judged on the path: take --vantage sender".to_owned()],
        exit,
    };
    let mut with_finding = summary(bad, 1, 1);
    let ids = &mut with_finding.requirements;
    ids.insert("MS-D-04".to_owned(), Verdict::Fail);
    let mut broken = summary(damaged, 0, 2);
    broken.sessions = 0;
    broken.requirements = IndexMap::new();
    broken.notes = vec!["the file ends in packet 3, at byte 271".to_owned()];
    vec![
        Event::Session(session(clean)),
        Event::CheckFinished(summary(clean, 0, 0)),
        Event::Session(SessionEvent {
            missing: 2,
            repeated: 1,
            ..session(bad)
        }),
        Event::Finding(FindingEvent {
            requirement: "MS-D-04".to_owned(),
            level: "MUST".to_owned(),
            scenario: None,
            capture: Some(bad.to_owned()),
            packet: Some(17),
            time: 0.320_118,
            message: "QPF is 0".to_owned(),
            expected: "QPF 10000000, as in packet 3".to_owned(),
            got: "QPF 0".to_owned(),
            step: None,
            bytes: Some(format!(
                "00000f00000000000000{}0000000000000000{}",
                "a0860100000000000000".get(..16).unwrap_or_default(),
                "00000100020003000400"
            )),
            field: Some(FieldEvent {
                name: "qpf".to_owned(),
                offset: 18,
                length: 8,
            }),
            waived: None,
            advisory: false,
        }),
        Event::CheckFinished(with_finding),
        Event::CheckFinished(broken),
    ]
}

/// A run whose every text tries to be more than text.
pub(crate) fn hostile() -> Vec<Event> {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}</failure><script>alert(1)</script> ]]> \
                | `x` [a](http://b) **c** \r\u{202e}\0&amp;\u{9b}31m\nsecond line";
    let name = "3way/responder/\u{1b}[31m<b>|x";
    let mut judged = verdict(name, Verdict::Fail, &[("MS-\u{1b}[31m<X>", Verdict::Fail)]);
    judged.title = evil.to_owned();
    judged.reason = Some(evil.to_owned());
    judged.capture = Some("captures/a b](x)|<c>\u{1b}.pcapng".to_owned());
    judged.process = Some(ProcessEvent {
        status: evil.to_owned(),
        output: evil.to_owned(),
        last_packet: None,
    });
    let finding = FindingEvent {
        requirement: "MS-\u{1b}[31m<X>".to_owned(),
        level: "MUST".to_owned(),
        scenario: Some(id(name)),
        capture: judged.capture.clone(),
        message: evil.to_owned(),
        expected: evil.to_owned(),
        got: evil.to_owned(),
        bytes: Some("1b5b326a".to_owned()),
        field: Some(FieldEvent {
            name: evil.to_owned(),
            offset: usize::MAX,
            length: usize::MAX,
        }),
        ..lost_ack_finding()
    };
    vec![
        Event::RunStarted {
            version: VERSION,
            iut: evil.to_owned(),
            seed: 1,
            capture: evil.to_owned(),
            scenarios: 1,
        },
        Event::Finding(finding),
        Event::Verdict(judged),
        finished(evil, 1, false, &[]),
    ]
}

fn lost_ack_finding() -> FindingEvent {
    FindingEvent {
        requirement: "MS-H-18".to_owned(),
        level: "MUST".to_owned(),
        scenario: Some(id("3way/responder/lost-ack")),
        capture: Some(capture("3way/responder/lost-ack")),
        packet: None,
        time: 1.175_204,
        message: "expected the same SYN-ACK between 325 ms and 675 ms after packet 2, got nothing"
            .to_owned(),
        expected: "the same SYN-ACK between 325 ms and 675 ms after packet 2".to_owned(),
        got: "nothing".to_owned(),
        step: Some("2".to_owned()),
        bytes: None,
        field: None,
        waived: None,
        advisory: false,
    }
}

fn reserved_flag_finding() -> FindingEvent {
    let header = "0101".to_owned() + &"00".repeat(24);
    let body = "0103000061626364".to_owned() + &"00".repeat(33);
    FindingEvent {
        requirement: "MS-W-12".to_owned(),
        level: "MUST".to_owned(),
        scenario: Some(id("legacy/responder/first-datagram")),
        capture: Some(capture("legacy/responder/first-datagram")),
        packet: Some(2),
        time: 0.000_312,
        message: "flags is 0x03, and bit 1 is reserved".to_owned(),
        expected: "reserved flag bits 0".to_owned(),
        got: "flags 0x03".to_owned(),
        step: None,
        bytes: Some(header + &body),
        field: Some(FieldEvent {
            name: "flags".to_owned(),
            offset: 27,
            length: 1,
        }),
        waived: None,
        advisory: false,
    }
}

/// A table with a pair of every standing, findings, a process that died, and hostile names.
pub(crate) fn interop() -> Vec<Event> {
    let side = |name: &str, mode: &str, options: &[&str]| SideEvent {
        name: name.to_owned(),
        mode: mode.to_owned(),
        options: options.iter().map(ToString::to_string).collect(),
    };
    let server = |mode, options| side("acme server <2.1>", mode, options);
    let responders = vec![
        server("legacy", &[][..]),
        server("3way", &[]),
        server("3way,start3", &["allow_legacy_start"]),
    ];
    let initiators = vec![
        side("player \u{1b}[31m7", "legacy", &[]),
        side("player \u{1b}[31m7", "3way", &[]),
        side("player \u{1b}[31m7", "3way", &["fallback"]),
        side("other | player", "start3", &["fallback"]),
    ];
    let mut events = vec![Event::InteropStarted(InteropStarted {
        version: VERSION,
        protocol: "mediastream".to_owned(),
        seed: 7,
        impair: Some("loss=0.1,seed=7".to_owned()),
        responders: responders.clone(),
        initiators: initiators.clone(),
        pairs: 12,
    })];
    let ends = [
        (
            PairOutcome::Streams,
            Standing::AsDemanded,
            Some(PairOutcome::Streams),
        ),
        (
            PairOutcome::TimesOut,
            Standing::AsDemanded,
            Some(PairOutcome::TimesOut),
        ),
        (
            PairOutcome::TimesOut,
            Standing::Excused,
            Some(PairOutcome::FallsBack),
        ),
        (
            PairOutcome::Streams,
            Standing::NotAsDemanded,
            Some(PairOutcome::TimesOut),
        ),
        (
            PairOutcome::Dies,
            Standing::NotAsDemanded,
            Some(PairOutcome::TimesOut),
        ),
        (
            PairOutcome::Streams,
            Standing::NotAsDemanded,
            Some(PairOutcome::Streams),
        ),
        (
            PairOutcome::Refuses,
            Standing::LeftOpen,
            Some(PairOutcome::Streams),
        ),
        (
            PairOutcome::CutOff,
            Standing::Inconclusive,
            Some(PairOutcome::FallsBack),
        ),
        (
            PairOutcome::NotStarted,
            Standing::Error,
            Some(PairOutcome::Streams),
        ),
        (PairOutcome::Streams, Standing::LeftOpen, None),
    ];
    let cells = responders.iter().flat_map(|responder| {
        initiators
            .iter()
            .map(move |initiator| (responder, initiator))
    });
    for ((responder, initiator), (outcome, standing, demanded)) in cells.zip(ends) {
        let setup = |side: &SideEvent| side.setup().replace(", ", ".");
        let pair = format!(
            "acme-server-2-1/{}/player/{}",
            setup(responder),
            setup(initiator)
        );
        let capture = |edge: &str| Some(format!("reports/interop/captures/{pair}/{edge}.pcapng"));
        events.push(Event::PairStarted { pair: pair.clone() });
        let mut told = PairEvent {
            responder: responder.clone(),
            initiator: initiator.clone(),
            outcome,
            standing,
            demanded,
            because: vec!["MS-H-05".to_owned(), "MS-H-09".to_owned()],
            seen: "100 of 100 frames came".to_owned(),
            findings: Vec::new(),
            notes: Vec::new(),
            captures: Sides {
                initiator: capture("initiator"),
                responder: capture("responder"),
            },
            processes: Sides::default(),
            seconds: 2.25,
            pair,
        };
        if outcome == PairOutcome::Dies {
            told.seen = "the responder was ended by a signal after 9 of 100 frames".to_owned();
            told.processes.responder = Some(ProcessEvent {
                status: "killed by signal 6 (SIGABRT)".to_owned(),
                output: "assertion <failed>: \u{1b}[2Jlength > 0\n".to_owned(),
                last_packet: None,
            });
        }
        if standing == Standing::NotAsDemanded && told.demanded == Some(outcome) {
            told.findings = vec!["MS-H-15".to_owned(), "MS-D-01".to_owned()];
            for id in &told.findings {
                let mut finding = FindingEvent {
                    requirement: id.clone(),
                    scenario: Some(told.pair.clone()),
                    capture: told.captures.responder.clone(),
                    ..reserved_flag_finding()
                };
                finding.step = None;
                events.push(Event::Finding(finding));
            }
        }
        events.push(Event::Pair(told));
    }
    events.push(Event::InteropFinished(InteropSummary {
        counts: IndexMap::new(),
        exit: 130,
        message: "interrupted; 2 pairs were not judged".to_owned(),
        notes: Vec::new(),
        interrupted: true,
        seconds: 9.5,
    }));
    events
}

fn started(scenarios: usize) -> Event {
    Event::RunStarted {
        version: VERSION,
        iut: "acme media server 2.1".to_owned(),
        seed: 1_122_334_455_667_788,
        capture: "the tap (no permission for live capture)".to_owned(),
        scenarios,
    }
}

fn begun(name: &str) -> Event {
    Event::ScenarioStarted { scenario: id(name) }
}

fn verdict(name: &str, verdict: Verdict, requirements: &[(&str, Verdict)]) -> VerdictEvent {
    VerdictEvent {
        scenario: id(name),
        title: format!(
            "The behaviour of {}",
            name.rsplit('/').next().unwrap_or(name)
        ),
        verdict,
        reason: None,
        requirements: owned(requirements),
        capture: Some(capture(name)),
        seconds: 0.25,
        process: None,
    }
}

fn finished(message: &str, exit: u8, interrupted: bool, requirements: &[(&str, Verdict)]) -> Event {
    Event::RunFinished(Summary {
        counts: IndexMap::new(),
        requirements: owned(requirements),
        exit,
        message: message.to_owned(),
        notes: vec!["the waiver of MS-H-22 matched nothing: remove it".to_owned()],
        interrupted,
        seconds: 12.34,
    })
}

fn owned(requirements: &[(&str, Verdict)]) -> IndexMap<String, Verdict> {
    let owned = |(id, verdict): &(&str, Verdict)| ((*id).to_owned(), *verdict);
    requirements.iter().map(owned).collect()
}

fn id(name: &str) -> String {
    format!("mediastream/{name}")
}

fn capture(name: &str) -> String {
    format!("reports/latest/captures/mediastream/{name}.pcapng")
}
