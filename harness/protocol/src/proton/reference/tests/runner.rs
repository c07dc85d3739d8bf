use rstest::rstest;

use super::super::{ClientSettings, Profile, Workload, WorkloadClient};
use super::{FIRST, Rig, SECOND, seconds};
use crate::requirement::Role;
use crate::streams::{Closing, ConnectionNumber, Input, Output, StreamMachine};
use crate::{Reference, ReferenceSettings};
use crate::{StreamParameters, proton};

impl Rig<WorkloadClient> {
    fn sent_out(workload: Workload) -> Self {
        let mut rig = Self::new(WorkloadClient::new(workload));
        rig.give(Input::Tick);
        assert_eq!(rig.connects(), [FIRST]);
        rig.connect(FIRST);
        rig
    }

    fn connect(&mut self, connection: ConnectionNumber) {
        let before = self.put_out.len();
        self.give(Input::Connected { connection });
        self.take_writes(before);
    }

    fn connects(&self) -> Vec<ConnectionNumber> {
        let connects = self.put_out.iter().filter_map(|output| match output {
            Output::Connect(connection) => Some(*connection),
            _ => None,
        });
        connects.collect()
    }

    fn lose(&mut self, connection: ConnectionNumber, why: Closing<'_>) {
        self.give(Input::Closed { connection, why });
    }

    /// The u32 after the discriminator.
    fn asked(&self, connection: ConnectionNumber, n: u64) -> Vec<u32> {
        let bytes = self.written(connection, n);
        let words = bytes.get(1..).unwrap_or_default().chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    fn answer(&mut self, n: u64, word: u32) {
        let before = self.put_out.len();
        self.bytes(n, &word.to_le_bytes());
        self.take_writes(before);
    }

    fn outcome(&self) -> Option<Result<(), &str>> {
        let outcome = self.machine.outcome()?;
        Some(outcome.as_ref().copied().map_err(String::as_str))
    }
}

fn some() -> Workload {
    Workload {
        events: 2,
        commits: 1,
        actions: 1,
        ..Workload::default()
    }
}

fn normal(code: u64) -> Closing<'static> {
    Closing::Application { code, reason: b"" }
}

#[test]
fn everything_is_asked_for_at_once_and_the_last_answer_ends_it() {
    let mut rig = Rig::sent_out(some());
    assert_eq!(rig.asked(FIRST, 0), [1, 2]);
    assert_eq!(rig.asked(FIRST, 1), [1]);
    assert_eq!(rig.written(FIRST, 2), [3]);
    rig.answer(0, 1);
    rig.answer(2, 123);
    rig.answer(1, 2);
    assert!(rig.closed(FIRST).is_empty());
    assert_eq!(rig.outcome(), None);
    rig.answer(0, 2);
    assert_eq!(rig.closed(FIRST), [0]);
    assert_eq!(rig.outcome(), Some(Ok(())));
    assert!(rig.machine.is_finished());
}

#[test]
fn in_pull_each_item_is_asked_for() {
    let rig = Rig::sent_out(Workload {
        client: ClientSettings {
            profile: Profile::Pull,
            ..ClientSettings::default()
        },
        actions: 2,
        ..Workload::default()
    });
    assert_eq!(rig.asked(FIRST, 2).len(), 2);
}

#[test]
fn with_nothing_to_do_it_stays_until_the_streams_can_have_said_which_they_are() {
    let mut rig = Rig::sent_out(Workload::default());
    for (n, byte) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(rig.written(FIRST, n), [byte]);
    }
    rig.wait(seconds(0.9));
    assert!(rig.closed(FIRST).is_empty());
    rig.wait(seconds(0.1));
    assert_eq!(rig.closed(FIRST), [0]);
    assert_eq!(rig.outcome(), Some(Ok(())));
}

#[test]
fn one_that_stays_does_so_when_all_is_done_until_the_server_ends_it() {
    let stays = Workload {
        stays: true,
        ..some()
    };
    let mut rig = Rig::sent_out(stays);
    for (n, word) in [(0, 1), (0, 2), (1, 2), (2, 123)] {
        rig.answer(n, word);
    }
    rig.wait(seconds(3_600.0));
    assert!(rig.closed(FIRST).is_empty());
    rig.lose(FIRST, normal(0));
    assert_eq!(rig.outcome(), Some(Ok(())));
}

#[rstest]
#[case::in_peace(normal(0), "the server closed it: normal")]
#[case::not_in_peace(normal(5), "the server closed it: protocol violation")]
#[case::silent(Closing::TimedOut, "Connection timed out")]
fn an_end_before_all_is_done_is_a_failure(#[case] why: Closing<'_>, #[case] says: &str) {
    let mut rig = Rig::sent_out(some());
    rig.answer(0, 1);
    rig.lose(FIRST, why);
    assert_eq!(rig.outcome(), Some(Err(says)));
    rig.wait(seconds(60.0));
    assert_eq!(rig.connects(), [FIRST]);
}

#[test]
fn after_a_lost_connection_it_waits_ten_seconds_and_does_all_of_it_again_with_new_ids() {
    let again = Workload {
        again: true,
        ..some()
    };
    let mut rig = Rig::sent_out(again);
    rig.answer(0, 1);
    rig.lose(FIRST, Closing::TimedOut);
    rig.wait(seconds(9.9));
    assert_eq!(rig.connects(), [FIRST]);
    rig.wait(seconds(0.1));
    assert_eq!(rig.connects(), [FIRST, SECOND]);
    rig.connect(SECOND);
    assert_eq!(rig.asked(SECOND, 0), [3, 4]);
    assert_eq!(rig.asked(SECOND, 1), [1]);
    assert_eq!(rig.outcome(), None);
}

#[test]
fn a_server_that_is_not_there_is_asked_again_after_ten_seconds() {
    let again = Workload {
        again: true,
        resets: true,
        ..some()
    };
    let mut rig = Rig::new(WorkloadClient::new(again));
    rig.give(Input::Tick);
    rig.lose(FIRST, Closing::Refused);
    rig.wait(seconds(9.9));
    assert_eq!(rig.connects(), [FIRST]);
    rig.wait(seconds(0.1));
    assert_eq!(rig.connects(), [FIRST, SECOND]);
}

#[test]
fn one_that_resets_is_there_again_at_once() {
    let again = Workload {
        again: true,
        resets: true,
        ..some()
    };
    let mut rig = Rig::sent_out(again);
    assert_eq!(rig.written(FIRST, 0), [0xFF]);
    rig.lose(FIRST, Closing::TimedOut);
    assert_eq!(rig.connects(), [FIRST, SECOND]);
    rig.connect(SECOND);
    assert_eq!(rig.written(SECOND, 0), [0xFF]);
}

#[test]
fn a_connection_that_the_server_ended_in_peace_is_not_made_again() {
    let again = Workload {
        again: true,
        stays: true,
        ..Workload::default()
    };
    let mut rig = Rig::sent_out(again);
    rig.lose(FIRST, normal(0));
    rig.wait(seconds(60.0));
    assert_eq!(rig.connects(), [FIRST]);
    assert_eq!(rig.outcome(), Some(Ok(())));
}

#[test]
fn a_breach_of_the_server_s_ends_it_and_is_told() {
    let mut rig = Rig::sent_out(some());
    rig.answer(0, 2);
    assert_eq!(rig.closed(FIRST), [5]);
    assert_eq!(rig.outcome(), Some(Err("an ack of 2 where 1 is due")));
}

#[test]
fn events_for_which_no_id_is_left_are_told_after_the_others_are_done() {
    let mut rig = Rig::sent_out(Workload {
        client: ClientSettings {
            first_event: u32::MAX,
            ..ClientSettings::default()
        },
        events: 3,
        ..Workload::default()
    });
    assert_eq!(rig.asked(FIRST, 0), [u32::MAX]);
    rig.answer(0, u32::MAX);
    assert_eq!(rig.closed(FIRST), [0]);
    let says = "No event id is left: the last one was 4294967295";
    assert_eq!(rig.outcome(), Some(Err(says)));
}

#[test]
fn of_very_many_questions_only_some_are_open_at_a_time() {
    let mut rig = Rig::sent_out(Workload {
        commits: 3_000,
        ..Workload::default()
    });
    for request in 1..=3_000_u32 {
        let open = rig.asked(FIRST, 1).len() as u32 - (request - 1);
        assert!((1..=1_024).contains(&open), "{open}");
        rig.answer(1, request * 2);
    }
    let asked: Vec<u32> = (1..=3_000).collect();
    assert_eq!(rig.asked(FIRST, 1), asked);
    assert_eq!(rig.closed(FIRST), [0]);
}

#[test]
fn a_stop_ends_it_in_peace() {
    let mut rig = Rig::sent_out(some());
    rig.give(Input::Stop);
    assert_eq!(rig.closed(FIRST), [0]);
    assert!(rig.machine.is_finished());
}

#[test]
fn the_options_of_the_protocol_are_its_workload() {
    let options = [
        "events=2",
        "commits=1",
        "actions=1",
        "first_event=9",
        "reset",
    ];
    let settings = ReferenceSettings {
        role: Role::Initiator,
        mode: "pull".to_owned(),
        options: options.map(str::to_owned).into(),
        stream: StreamParameters {
            bits_per_second: 0,
            frames_per_second: 0,
            seconds: 0,
        },
        peer: None,
        seed: 1,
        epoch: seconds(0.0),
        extra: Vec::new(),
    };
    let Ok(Reference::Streams(mut machine, _)) = (proton::PROTOCOL.reference)(&settings) else {
        panic!("streams carry it");
    };
    machine.handle(seconds(0.0), Input::Tick);
    assert_eq!(machine.poll(), Some(Output::Connect(FIRST)));
    machine.handle(seconds(0.0), Input::Connected { connection: FIRST });
    let outputs: Vec<_> = std::iter::from_fn(|| machine.poll()).collect();
    let reset = |output: &Output| matches!(output, Output::Write(.., bytes) if *bytes == [0xFF]);
    assert!(outputs.iter().any(reset), "{outputs:?}");
}
