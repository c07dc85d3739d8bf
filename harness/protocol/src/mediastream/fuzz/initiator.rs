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

/// Plays a plan; the bits of its options are 3way and fallback.
pub(super) fn run(bytes: &[u8]) {
    let plan = Plan::read(bytes);
    let is_3way = plan.options & 1 != 0;
    let falls_back = is_3way && plan.options & 2 != 0;
    let mode = if is_3way {
        Mode::ThreeWay
    } else {
        Mode::Legacy
    };
    let options: &[&str] = if falls_back { &["fallback"] } else { &[] };
    let mut rig = Rig::new(Role::Initiator, mode.name(), options, STREAM);
    let mut talk = Talk::new(mode, falls_back);
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
struct Talk {
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
    /// Number of the frame that an answer carries next.
    next_frame: u64,
    ends: usize,
}

impl Talk {
    fn new(mode: Mode, falls_back: bool) -> Self {
        Self {
            mode,
            falls_back,
            answered: false,
            syn: None,
            syns: 0,
            offered: Vec::new(),
            confirmed: None,
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
            Ok(
                Frame::StartToken
                | Frame::Syn(_)
                | Frame::Ack(_)
                | Frame::JoinToken
                | Frame::Start(_)
                | Frame::StartAck(_)
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
                assert_eq!(self.syns, SYN_SENDS);
                assert_eq!(self.confirmed, None);
            }
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
                | Frame::Start(_)
                | Frame::StartAck(_)
                | Frame::StartConfirm(_)
                | Frame::Error(_),
            )
            | Err(_)) => unreachable!("an initiator sends {other:?}"),
        }
    }

    /// One of the datagrams that make sense now.
    fn answer(&mut self, choice: u8) -> Vec<u8> {
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
