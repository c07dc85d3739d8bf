use std::time::Duration;

use rstest::rstest;

use super::super::{Profile, Server, ServerSettings};
use super::{FIRST, Rig, SECOND, seconds, stream};
use crate::proton::RESET;
use crate::streams::{
    Closing, ConnectionNumber, Input, Output, StreamId, StreamMachine, StreamUpdate,
};

fn from() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 50_000).into()
}

impl Rig<Server> {
    fn with(settings: ServerSettings) -> Self {
        Self::new(Server::new(settings))
    }

    fn arrive(&mut self, connection: ConnectionNumber) -> Output {
        let from = from();
        self.give(Input::Incoming { connection, from });
        let answer = self.put_out.last().cloned().unwrap();
        self.give(Input::Connected { connection });
        answer
    }

    /// A client with its three streams, in this order.
    fn served(settings: ServerSettings, discriminators: [u8; 3]) -> Self {
        let mut rig = Self::with(settings);
        rig.arrive(FIRST);
        for (n, byte) in (0..).zip(discriminators) {
            rig.bytes(n, &[byte]);
        }
        rig
    }
}

fn usual() -> Rig<Server> {
    Rig::served(ServerSettings::default(), [1, 2, 3])
}

#[test]
fn events_are_acked_by_their_ids_in_order() {
    let mut rig = usual();
    rig.bytes(0, &[1, 0, 0, 0, 5, 0]);
    rig.bytes(0, &[0, 0]);
    rig.on(FIRST, 0, StreamUpdate::Written);
    assert_eq!(rig.words(FIRST, 0), [1, 5]);
    assert!(rig.closed(FIRST).is_empty());
}

#[rstest]
#[case(&[0])]
#[case(&[1, 1])]
#[case(&[7, 3])]
#[case(&[u32::MAX, 0])]
fn an_id_not_above_the_last_one_closes_with_5_and_is_not_acked(#[case] ids: &[u32]) {
    let mut rig = usual();
    for id in ids {
        rig.bytes(0, &id.to_le_bytes());
        rig.on(FIRST, 0, StreamUpdate::Written);
    }
    assert_eq!(rig.words(FIRST, 0), ids[..ids.len() - 1]);
    assert_eq!(rig.closed(FIRST), [5]);
}

#[rstest]
#[case([1, 2, 3])]
#[case([1, 3, 2])]
#[case([2, 1, 3])]
#[case([2, 3, 1])]
#[case([3, 1, 2])]
#[case([3, 2, 1])]
fn the_three_streams_come_in_any_order(#[case] order: [u8; 3]) {
    let mut rig = Rig::served(ServerSettings::default(), order);
    let place = |byte| order.iter().position(|of| *of == byte).unwrap() as u64;
    rig.bytes(place(1), &9_u32.to_le_bytes());
    rig.bytes(place(2), &42_u32.to_le_bytes());
    assert_eq!(rig.words(FIRST, place(1)), [9]);
    assert_eq!(rig.words(FIRST, place(2)), [84]);
    rig.wait(seconds(6.0));
    assert!(rig.closed(FIRST).is_empty());
    assert_eq!(rig.words(FIRST, place(3)), [123, 124, 125, 126, 127, 128]);
}

#[rstest]
#[case(0)]
#[case(4)]
#[case(0xFE)]
fn an_unknown_discriminator_closes_with_1(#[case] byte: u8) {
    let mut rig = Rig::with(ServerSettings::default());
    rig.arrive(FIRST);
    rig.bytes(0, &[byte]);
    assert_eq!(rig.closed(FIRST), [1]);
}

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
fn a_second_stream_of_a_kind_closes_with_1(#[case] byte: u8) {
    let mut rig = Rig::with(ServerSettings::default());
    rig.arrive(FIRST);
    rig.bytes(0, &[byte]);
    rig.bytes(1, &[byte]);
    assert_eq!(rig.closed(FIRST), [1]);
}

#[test]
fn a_fourth_stream_closes_with_1() {
    let mut rig = usual();
    rig.on(FIRST, 3, StreamUpdate::Opened);
    assert_eq!(rig.closed(FIRST), [1]);
}

#[test]
fn a_stream_that_says_nothing_for_a_second_closes_with_3() {
    let mut rig = Rig::with(ServerSettings::default());
    rig.arrive(FIRST);
    rig.bytes(0, &[1]);
    rig.wait(seconds(0.5));
    rig.on(FIRST, 1, StreamUpdate::Opened);
    rig.wait(seconds(0.999));
    assert!(rig.closed(FIRST).is_empty());
    rig.wait(seconds(0.001));
    assert_eq!(rig.closed(FIRST), [3]);
}

#[test]
fn fewer_than_three_streams_within_five_seconds_close_with_3() {
    let mut rig = Rig::with(ServerSettings::default());
    rig.arrive(FIRST);
    rig.bytes(0, &[1]);
    rig.bytes(1, &[2]);
    rig.wait(seconds(4.999));
    assert!(rig.closed(FIRST).is_empty());
    rig.wait(seconds(0.001));
    assert_eq!(rig.closed(FIRST), [3]);
}

#[test]
fn unidirectional_streams_and_datagrams_close_with_5() {
    let mut rig = usual();
    rig.give(Input::Stream {
        connection: FIRST,
        stream: StreamId(2),
        what: StreamUpdate::Opened,
    });
    assert_eq!(rig.closed(FIRST), [5]);
    let mut rig = usual();
    rig.give(Input::Datagram {
        connection: FIRST,
        bytes: &[1],
    });
    assert_eq!(rig.closed(FIRST), [5]);
}

#[rstest]
#[case(StreamUpdate::Reset(0), 5)]
#[case(StreamUpdate::Stopped(9), 5)]
#[case(StreamUpdate::Fin, 0)]
fn what_ends_a_stream_ends_the_connection(
    #[values(0, 1, 2)] n: u64,
    #[case] what: StreamUpdate<'static>,
    #[case] code: u64,
) {
    let mut rig = usual();
    rig.on(FIRST, n, what);
    assert_eq!(rig.closed(FIRST), [code]);
}

#[test]
fn a_fin_in_the_middle_of_a_number_is_a_violation() {
    let mut rig = usual();
    rig.bytes(1, &[1, 2, 3]);
    rig.on(FIRST, 1, StreamUpdate::Fin);
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn commits_are_answered_in_order_after_their_delay_and_events_go_on() {
    let settings = ServerSettings {
        commit_delay: seconds(240.0),
        ..ServerSettings::default()
    };
    let mut rig = Rig::served(settings, [1, 2, 3]);
    rig.bytes(1, &0_u32.to_le_bytes());
    rig.wait(seconds(100.0));
    rig.bytes(1, &u32::MAX.to_le_bytes());
    rig.bytes(0, &1_u32.to_le_bytes());
    assert_eq!(rig.words(FIRST, 0), [1]);
    rig.wait(seconds(139.999));
    assert!(rig.words(FIRST, 1).is_empty());
    rig.wait(seconds(0.001));
    assert_eq!(rig.words(FIRST, 1), [0]);
    rig.wait(seconds(100.0));
    assert_eq!(rig.words(FIRST, 1), [0, u32::MAX - 1]);
}

#[test]
fn a_late_answer_to_a_client_that_is_gone_harms_nothing() {
    let settings = ServerSettings {
        commit_delay: seconds(240.0),
        ..ServerSettings::default()
    };
    let mut rig = Rig::served(settings, [1, 2, 3]);
    rig.bytes(1, &7_u32.to_le_bytes());
    rig.give(Input::Closed {
        connection: FIRST,
        why: Closing::TimedOut,
    });
    assert_eq!(rig.arrive(SECOND), Output::Admit(SECOND));
    let before = rig.put_out.len();
    rig.on(FIRST, 1, StreamUpdate::Written);
    assert_eq!(rig.put_out.len(), before);
    for n in 0..3 {
        rig.on(
            SECOND,
            n,
            StreamUpdate::Bytes(&[u8::try_from(n).unwrap() + 1]),
        );
    }
    rig.wait(seconds(250.0));
    assert!(rig.words(FIRST, 1).is_empty());
    assert!(rig.closed(SECOND).is_empty());
}

#[test]
fn a_client_that_does_not_read_is_closed_with_4_after_five_minutes() {
    let mut rig = usual();
    rig.bytes(0, &1_u32.to_le_bytes());
    rig.now += seconds(299.999);
    rig.give(Input::Tick);
    assert!(rig.closed(FIRST).is_empty());
    rig.now += seconds(0.001);
    rig.give(Input::Tick);
    assert_eq!(rig.closed(FIRST), [4]);
}

#[test]
fn what_waits_for_a_client_that_does_not_read_is_bounded() {
    let mut rig = usual();
    let mut sent = 0_u32;
    while rig.machine.reads(FIRST, stream(0)) {
        sent += 1;
        rig.bytes(0, &sent.to_le_bytes());
        assert!(sent <= 20_000, "it never stops reading");
    }
    assert!(rig.closed(FIRST).is_empty());
    rig.on(FIRST, 0, StreamUpdate::Written);
    assert!(rig.machine.reads(FIRST, stream(0)));
    let ids: Vec<u32> = (1..=sent).collect();
    assert_eq!(rig.words(FIRST, 0), ids);
}

#[test]
fn commits_that_wait_are_bounded() {
    let settings = ServerSettings {
        commit_delay: seconds(240.0),
        ..ServerSettings::default()
    };
    let mut rig = Rig::served(settings, [1, 2, 3]);
    let mut sent = 0_u32;
    while rig.machine.reads(FIRST, stream(1)) {
        rig.bytes(1, &sent.to_le_bytes());
        sent += 1;
        assert!(sent <= 20_000, "it never stops reading");
    }
    assert!(rig.machine.reads(FIRST, stream(0)));
}

#[test]
fn bytes_on_a_pushed_action_stream_are_a_violation() {
    let mut rig = usual();
    rig.bytes(2, &[1]);
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn in_pull_each_request_gets_one_item() {
    let settings = ServerSettings {
        profile: Profile::Pull,
        ..ServerSettings::default()
    };
    let mut rig = Rig::served(settings, [1, 2, 3]);
    rig.wait(seconds(3.0));
    assert!(rig.words(FIRST, 2).is_empty());
    rig.bytes(2, &[0; 8]);
    rig.on(FIRST, 2, StreamUpdate::Written);
    assert_eq!(rig.words(FIRST, 2), [123, 124]);
}

#[test]
fn without_reset_a_second_connection_is_refused_and_the_first_goes_on() {
    let settings = ServerSettings {
        resets: false,
        ..ServerSettings::default()
    };
    let mut rig = Rig::served(settings, [1, 2, 3]);
    assert_eq!(rig.arrive(SECOND), Output::Refuse(SECOND));
    rig.bytes(0, &1_u32.to_le_bytes());
    assert_eq!(rig.words(FIRST, 0), [1]);
    rig.give(Input::Closed {
        connection: FIRST,
        why: Closing::Application {
            code: 0,
            reason: b"",
        },
    });
    let third = ConnectionNumber(2);
    assert_eq!(rig.arrive(third), Output::Admit(third));
}

#[test]
fn without_reset_0xff_is_an_unknown_discriminator() {
    let settings = ServerSettings {
        resets: false,
        ..ServerSettings::default()
    };
    let mut rig = Rig::with(settings);
    rig.arrive(FIRST);
    rig.bytes(0, &[RESET]);
    assert_eq!(rig.closed(FIRST), [1]);
}

#[test]
fn a_second_connection_that_resets_takes_the_place_of_the_first_at_once() {
    let mut rig = usual();
    assert_eq!(rig.arrive(SECOND), Output::Admit(SECOND));
    assert!(!rig.machine.reads(SECOND, stream(1)));
    rig.on(SECOND, 0, StreamUpdate::Opened);
    rig.on(SECOND, 0, StreamUpdate::Bytes(&[RESET]));
    assert_eq!(rig.closed(FIRST), [7]);
    rig.on(SECOND, 0, StreamUpdate::Fin);
    assert!(rig.put_out.contains(&Output::Fin(SECOND, stream(0))));
    for n in 1..=3 {
        rig.on(SECOND, n, StreamUpdate::Bytes(&[u8::try_from(n).unwrap()]));
    }
    rig.on(SECOND, 1, StreamUpdate::Bytes(&1_u32.to_le_bytes()));
    assert_eq!(rig.words(SECOND, 1), [1]);
    rig.wait(seconds(6.0));
    assert!(rig.closed(SECOND).is_empty());
}

#[rstest]
#[case(StreamUpdate::Bytes(&[1]))]
#[case(StreamUpdate::Fin)]
#[case(StreamUpdate::Reset(0))]
fn a_second_connection_that_does_not_reset_is_closed_with_6(#[case] what: StreamUpdate<'static>) {
    let mut rig = usual();
    rig.arrive(SECOND);
    rig.on(SECOND, 0, what);
    assert_eq!(rig.closed(SECOND), [6]);
    rig.bytes(0, &1_u32.to_le_bytes());
    assert_eq!(rig.words(FIRST, 0), [1]);
}

#[test]
fn a_second_connection_that_says_nothing_is_closed_with_6_after_a_second() {
    let mut rig = usual();
    rig.arrive(SECOND);
    rig.wait(seconds(0.999));
    assert!(rig.closed(SECOND).is_empty());
    rig.wait(seconds(0.001));
    assert_eq!(rig.closed(SECOND), [6]);
    assert!(rig.closed(FIRST).is_empty());
}

#[test]
fn a_third_connection_is_refused_while_a_second_one_is_looked_at() {
    let mut rig = usual();
    rig.arrive(SECOND);
    let third = ConnectionNumber(2);
    assert_eq!(rig.arrive(third), Output::Refuse(third));
}

#[test]
fn failures_on_several_streams_close_once() {
    let mut rig = usual();
    rig.bytes(0, &[0; 4]);
    rig.on(FIRST, 1, StreamUpdate::Reset(3));
    rig.on(FIRST, 2, StreamUpdate::Fin);
    rig.wait(Duration::from_secs(400));
    assert_eq!(rig.closed(FIRST), [5]);
    let ended = |output: &&Output| matches!(output, Output::Ended { .. });
    assert_eq!(rig.put_out.iter().filter(ended).count(), 1);
}

#[test]
fn after_a_restart_it_refuses_for_the_startup_delay() {
    let settings = ServerSettings {
        startup_delay: seconds(10.0),
        resets: false,
        ..ServerSettings::default()
    };
    let mut rig = Rig::with(settings);
    assert_eq!(rig.arrive(FIRST), Output::Refuse(FIRST));
    rig.now = seconds(10.0);
    assert_eq!(rig.arrive(SECOND), Output::Admit(SECOND));
}

#[test]
fn who_resets_need_not_wait_for_the_startup_delay() {
    let settings = ServerSettings {
        startup_delay: seconds(10.0),
        ..ServerSettings::default()
    };
    let mut rig = Rig::with(settings);
    assert_eq!(rig.arrive(FIRST), Output::Admit(FIRST));
    rig.wait(seconds(1.0));
    assert_eq!(rig.closed(FIRST), [6]);
    assert_eq!(rig.arrive(SECOND), Output::Admit(SECOND));
    rig.on(SECOND, 0, StreamUpdate::Bytes(&[RESET]));
    rig.wait(seconds(2.0));
    assert!(rig.closed(SECOND).is_empty());
}

#[test]
fn a_server_that_is_stopped_closes_in_peace() {
    let mut rig = usual();
    rig.give(Input::Stop);
    assert_eq!(rig.closed(FIRST), [0]);
    assert!(rig.machine.is_finished());
    assert_eq!(rig.arrive(SECOND), Output::Refuse(SECOND));
}

#[test]
fn a_second_connection_that_is_closed_ends_too() {
    let mut rig = usual();
    rig.arrive(SECOND);
    rig.wait(seconds(1.5));
    let is_its_end = |output: &&Output| {
        matches!(
            output,
            Output::Ended {
                connection: SECOND,
                ..
            }
        )
    };
    assert_eq!(rig.put_out.iter().filter(is_its_end).count(), 1);
}
