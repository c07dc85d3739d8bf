use rstest::rstest;

use super::super::{Client, ClientEvent, ClientSettings, NotReady, Profile};
use super::{FIRST, Rig, SECOND, seconds, stream};
use crate::streams::{Closing, Input, Output, StreamMachine, StreamUpdate};

impl Rig<Client> {
    fn connected(settings: ClientSettings) -> Self {
        let mut rig = Self::new(Client::new(settings));
        rig.machine.connect(false).unwrap();
        rig.give(Input::Connected { connection: FIRST });
        rig.take_writes(0);
        assert_eq!(rig.machine.poll_event(), Some(ClientEvent::Connected));
        rig
    }

    fn event(&mut self) -> Result<u32, NotReady> {
        let sent = self.machine.send_event(self.now);
        let before = self.put_out.len();
        self.collect();
        self.take_writes(before);
        sent
    }
}

fn usual() -> Rig<Client> {
    Rig::connected(ClientSettings::default())
}

#[test]
fn three_streams_are_opened_one_of_each_kind() {
    let rig = usual();
    let opened = rig
        .put_out
        .iter()
        .filter(|output| matches!(output, Output::Open(..)));
    assert_eq!(opened.count(), 3);
    for (n, byte) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(rig.written(FIRST, n), [byte]);
    }
}

#[test]
fn a_reset_is_the_first_byte_of_the_first_stream() {
    let mut rig = Rig::new(Client::new(ClientSettings::default()));
    rig.machine.connect(true).unwrap();
    rig.give(Input::Connected { connection: FIRST });
    assert_eq!(rig.written(FIRST, 0), [0xFF]);
    assert!(rig.put_out.contains(&Output::Fin(FIRST, stream(0))));
    assert_eq!(rig.written(FIRST, 1), [1]);
    rig.on(FIRST, 0, StreamUpdate::Fin);
    assert!(rig.closed(FIRST).is_empty());
}

#[test]
fn event_ids_rise_and_go_on_across_connections() {
    let mut rig = usual();
    assert_eq!(rig.event(), Ok(1));
    assert_eq!(rig.event(), Ok(2));
    let why = Closing::TimedOut;
    rig.give(Input::Closed {
        connection: FIRST,
        why,
    });
    assert_eq!(rig.event(), Err(NotReady::NotConnected));
    rig.machine.connect(false).unwrap();
    rig.give(Input::Connected { connection: SECOND });
    assert_eq!(rig.event(), Ok(3));
}

#[test]
fn after_the_last_id_no_event_can_be_sent() {
    let mut rig = Rig::connected(ClientSettings {
        first_event: u32::MAX,
        ..ClientSettings::default()
    });
    assert_eq!(rig.event(), Ok(u32::MAX));
    assert_eq!(rig.event(), Err(NotReady::NoIdLeft));
    assert!(rig.closed(FIRST).is_empty());
}

#[test]
fn an_ack_that_is_not_the_next_one_closes_with_5() {
    let mut rig = usual();
    rig.event().unwrap();
    rig.event().unwrap();
    rig.bytes(0, &2_u32.to_le_bytes());
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn an_ack_of_nothing_closes_with_5() {
    let mut rig = usual();
    rig.bytes(0, &1_u32.to_le_bytes());
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn acks_answers_and_items_are_told() {
    let mut rig = usual();
    rig.event().unwrap();
    rig.machine.commit(rig.now, 42).unwrap();
    rig.machine.read_action(rig.now).unwrap();
    rig.bytes(0, &[1, 0]);
    rig.bytes(0, &[0, 0]);
    rig.bytes(1, &84_u32.to_le_bytes());
    rig.bytes(2, &123_u32.to_le_bytes());
    rig.bytes(2, &124_u32.to_le_bytes());
    rig.machine.read_action(rig.now).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| rig.machine.poll_event()).collect();
    let committed = ClientEvent::Committed {
        request: 42,
        answer: 84,
    };
    let items = [ClientEvent::Item(123), ClientEvent::Item(124)];
    assert_eq!(told[..2], [ClientEvent::Acked(1), committed]);
    assert_eq!(told[2..], items);
}

#[rstest]
#[case("event")]
#[case("commit")]
#[case("action")]
fn no_answer_within_five_minutes_closes_with_4(#[case] what: &str) {
    let mut rig = usual();
    match what {
        "event" => drop(rig.event()),
        "commit" => rig.machine.commit(rig.now, 1).unwrap(),
        _ => rig.machine.read_action(rig.now).unwrap(),
    }
    let before = rig.put_out.len();
    rig.collect();
    rig.take_writes(before);
    rig.wait(seconds(299.999));
    assert!(rig.closed(FIRST).is_empty());
    rig.wait(seconds(0.001));
    assert_eq!(rig.closed(FIRST), [4]);
}

#[rstest]
fn what_the_server_ends_is_a_violation(
    #[values(0, 1, 2)] n: u64,
    #[values(StreamUpdate::Fin, StreamUpdate::Reset(0), StreamUpdate::Stopped(0))]
    what: StreamUpdate<'static>,
) {
    let mut rig = usual();
    rig.bytes(n, &[1, 2]);
    rig.on(FIRST, n, what);
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn a_stream_that_the_server_opens_is_a_violation() {
    let mut rig = usual();
    rig.on(FIRST, 3, StreamUpdate::Opened);
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn in_pull_an_item_is_asked_for() {
    let mut rig = Rig::connected(ClientSettings {
        profile: Profile::Pull,
        ..ClientSettings::default()
    });
    rig.machine.read_action(rig.now).unwrap();
    rig.collect();
    assert_eq!(rig.written(FIRST, 2).len(), 1 + 4);
    rig.bytes(2, &5_u32.to_le_bytes());
    assert_eq!(rig.machine.poll_event(), Some(ClientEvent::Item(5)));
    rig.bytes(2, &6_u32.to_le_bytes());
    assert_eq!(rig.closed(FIRST), [5]);
}

#[test]
fn items_that_nobody_reads_are_bounded() {
    let mut rig = usual();
    let mut items = 0_u32;
    while rig.machine.reads(FIRST, stream(2)) {
        rig.bytes(2, &items.to_le_bytes());
        items += 1;
        assert!(items <= 20_000, "it never stops reading");
    }
    rig.machine.read_action(rig.now).unwrap();
    assert!(rig.machine.reads(FIRST, stream(2)));
}

#[rstest]
#[case(Closing::TimedOut, true)]
#[case(Closing::Application { code: 5, reason: b"" }, true)]
#[case(Closing::Application { code: 0, reason: b"" }, false)]
fn a_client_knows_when_its_connection_was_lost(
    #[case] why: Closing<'static>,
    #[case] was_lost: bool,
) {
    let mut rig = usual();
    rig.now = seconds(3.0);
    rig.give(Input::Closed {
        connection: FIRST,
        why,
    });
    assert_eq!(rig.machine.lost_at(), was_lost.then_some(seconds(3.0)));
}

#[test]
fn what_is_asked_of_a_connected_client_twice_is_refused() {
    let mut rig = usual();
    assert_eq!(rig.machine.connect(false), Err(NotReady::AlreadyConnected));
    rig.machine.close(rig.now).unwrap();
    rig.collect();
    assert_eq!(rig.closed(FIRST), [0]);
    assert_eq!(rig.machine.close(rig.now), Err(NotReady::NotConnected));
    assert_eq!(rig.machine.commit(rig.now, 1), Err(NotReady::NotConnected));
}
