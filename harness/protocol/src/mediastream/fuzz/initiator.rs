mod start3;

use super::plan::{Event, Plan};
use super::rig::{Rig, address};
use super::talk::{data, fragment};
use crate::StreamParameters;
use crate::machine::Output;
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame, Control, Frame};
use crate::mediastream::{Grammar, Mode};
use crate::requirement::Role;

/// Peers that a plan can tell apart; the first is the one that is asked.
const PEERS: u8 = 3;

/// Sends of one SYN (MS-H-03).
const SYN_SENDS: u32 = 3;

/// Deadlines that a session without a word from outside may have until it is given up.
const MOST_DEADLINES: usize = 1_000;

/// Length of a frame of the stream, in bytes.
const FRAME: usize = 1_000;

const STREAM: StreamParameters = StreamParameters {
    bits_per_second: 160_000,
    frames_per_second: 20,
    seconds: 1,
};

/// Plays a plan; the bits of its options are 3way, fallback and start3, which counts before 3way.
pub(super) fn run(bytes: &[u8]) {
    let plan = Plan::read(bytes);
    let mode = match plan.options & 0b101 {
        0 => Mode::Legacy,
        1 => Mode::ThreeWay,
        _ => Mode::Start3,
    };
    let falls_back = mode != Mode::Legacy && plan.options & 2 != 0;
    let options: &[&str] = if falls_back { &["fallback"] } else { &[] };
    let mut rig = Rig::new(Role::Initiator, mode.name(), options, STREAM);
    let mut talk = Exchange::new(mode, falls_back);
    let mut was_stopped = false;

    talk.check(&rig.wait_for_deadline());
    for event in plan.events {
        let outputs = match event {
            Event::Datagram { peer, payload } => {
                talk.arrives(peer % PEERS, payload);
                rig.datagram(address(peer % PEERS), payload)
            }
            Event::Answer { peer, choice } => {
                let payload = talk.answer(choice);
                talk.arrives(peer % PEERS, &payload);
                rig.datagram(address(peer % PEERS), &payload)
            }
            Event::Wait(time) => rig.wait(time),
            Event::Deadline => rig.wait_for_deadline(),
            Event::Stop => {
                was_stopped = true;
                rig.stop()
            }
        };
        talk.check(&outputs);
    }
    for _ in 0..MOST_DEADLINES {
        if !rig.has_deadline() {
            break;
        }
        talk.check(&rig.wait_for_deadline());
    }
    assert!(rig.is_finished(), "MS-L-05: it waits for ever");
    assert_eq!(talk.ends, 1, "it ends once");
    rig.check_counters(was_stopped);
}

/// What went to and fro.
struct Exchange {
    mode: Mode,
    falls_back: bool,
    /// Datagrams of the one who was asked were taken: START must not be sent again.
    answered: bool,
    syn: Option<Vec<u8>>,
    syns: u32,
    /// Ids of all SYN-ACKs with Accept=1 that arrived from the one who was asked.
    offered: Vec<ConnectionId>,
    /// The id that was confirmed.
    confirmed: Option<ConnectionId>,
    start3: start3::Handshake,
    /// Number of the frame that an answer carries next.
    next_frame: u64,
    ends: usize,
}

impl Exchange {
    fn new(mode: Mode, falls_back: bool) -> Self {
        Self {
            mode,
            falls_back,
            answered: false,
            syn: None,
            syns: 0,
            offered: Vec::new(),
            confirmed: None,
            start3: start3::Handshake::default(),
            next_frame: 1,
            ends: 0,
        }
    }

    /// A datagram arrives at the initiator.
    fn arrives(&mut self, peer: u8, payload: &[u8]) {
        if peer != 0 {
            return;
        }
        match Grammar::new(self.mode, false).classify(payload) {
            Ok(Frame::SynAck(syn_ack)) => {
                if syn_ack.version == Control::VERSION && syn_ack.accepts() {
                    self.offered.push(syn_ack.connection_id());
                }
            }
            Ok(Frame::Data(_) | Frame::Fragment(_) | Frame::ConnectionId(_)) => {
                self.answered = true;
            }
            Ok(Frame::StartAck(ack)) => self.start3.start_ack_arrives(&ack),
            Ok(
                Frame::StartToken
                | Frame::Syn(_)
                | Frame::Ack(_)
                | Frame::JoinToken
                | Frame::Start(_)
                | Frame::StartConfirm(_)
                | Frame::Error(_),
            )
            | Err(_) => {}
        }
    }

    fn check(&mut self, outputs: &[Output]) {
        let mut sends = 0;
        for output in outputs {
            match output {
                Output::Send { to, payload } => {
                    sends += 1;
                    assert_eq!(*to, address(0), "MS-H-14: only the one who was asked");
                    self.sends(payload);
                }
                Output::Ended { .. } => self.ends += 1,
                Output::Transition { .. } => {}
            }
        }
        assert!(sends <= 2, "{sends} datagrams at once");
    }

    /// A datagram leaves the initiator.
    fn sends(&mut self, payload: &[u8]) {
        match Grammar::new(self.mode, true).classify(payload) {
            Ok(Frame::StartToken) if self.mode == Mode::Legacy => {
                assert!(!self.answered, "MS-L-02: START after an answer");
            }
            Ok(Frame::StartToken) => {
                assert!(self.falls_back, "MS-H-04: START without fallback");
                if self.mode == Mode::Start3 {
                    self.start3.sends_token();
                } else {
                    assert_eq!(self.syns, SYN_SENDS);
                }
                assert_eq!(self.confirmed, None);
            }
            Ok(Frame::Start(start)) => self.start3.sends_start(&start, payload, self.falls_back),
            Ok(Frame::StartConfirm(confirm)) => self.start3.sends_confirm(&confirm),
            Ok(Frame::Error(error)) => self.start3.sends_error(&error),
            Ok(Frame::Syn(syn)) => {
                self.syns += 1;
                assert!(self.syns <= SYN_SENDS, "MS-H-03: {} SYNs", self.syns);
                assert!(syn.connection_id().is_terminated(), "MS-H-02");
                let first = self.syn.get_or_insert_with(|| payload.to_vec());
                assert_eq!(first, payload, "MS-H-03: the same SYN");
            }
            Ok(Frame::Ack(ack)) => {
                assert!(self.syns > 0, "MS-H-14: an ACK without a SYN");
                let id = ack.connection_id();
                assert!(self.offered.contains(&id), "MS-H-09: {id} was not assigned");
                assert_eq!(*self.confirmed.get_or_insert(id), id, "MS-H-11: another id");
            }
            other @ (Ok(
                Frame::Data(_)
                | Frame::Fragment(_)
                | Frame::SynAck(_)
                | Frame::ConnectionId(_)
                | Frame::JoinToken
                | Frame::StartAck(_),
            )
            | Err(_)) => unreachable!("an initiator sends {other:?}"),
        }
    }

    /// One of the datagrams that make sense now.
    fn answer(&mut self, choice: u8) -> Vec<u8> {
        if self.mode == Mode::Start3 && ![5, 6].contains(&(choice % 8)) {
            return self.start3.answer(choice);
        }
        let ids = [b"first", b"other"].map(|text| ConnectionId::from_text(text));
        let [first, other] = ids.map(|id| id.unwrap_or(ConnectionId::EMPTY));
        let accept = |id: &ConnectionId| {
            let mut control = Control::new(id.as_bytes());
            control.flags = Control::ACCEPT;
            Frame::SynAck(control).to_vec()
        };
        let name = |id: &ConnectionId| {
            Frame::ConnectionId(ConnectionIdFrame::new(id.as_bytes(), &[])).to_vec()
        };
        match choice % 8 {
            0 => accept(&first),
            1 => accept(&other),
            2 => Frame::SynAck(Control::new(first.as_bytes())).to_vec(),
            3 => name(&first),
            4 => name(&other),
            5 => {
                self.next_frame += 1;
                data(self.next_frame - 1, FRAME)
            }
            6 => data(u64::from(choice / 8), FRAME),
            _ => fragment(self.next_frame, u64::from(choice / 8), FRAME as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_plan_of_start3_keeps_what_must_hold(
            options in prop_oneof![Just(4_u8), Just(6)],
            events in prop::collection::vec((0_u8..4, any::<u8>(), any::<u8>()), 0..30),
        ) {
            let mut plan = vec![options];
            for (event, peer, choice) in events {
                match event {
                    0 | 3 => plan.extend([3, peer & 1, choice]),
                    1 => plan.extend([1, choice, peer & 3]),
                    _ => plan.push(2),
                }
            }
            run(&plan);
        }
    }
}
