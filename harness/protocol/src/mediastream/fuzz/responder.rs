mod start3;

use std::net::SocketAddr;

use super::plan::{Event, Plan};
use super::rig::{Rig, address};
use crate::StreamParameters;
use crate::machine::Output;
use crate::mediastream::frame::{ConnectionId, Control, Frame, START_TOKEN, flag};
use crate::mediastream::{Grammar, Mode, Modes};
use crate::requirement::Role;
use start3::Granted;

/// Peers that a plan can tell apart.
const PEERS: u8 = 4;

/// What may go to a tuple before a matching ACK, in bytes (MS-H-22).
const UNCONFIRMED: usize = 64 * 1024;

/// Plays a plan; the bits of its options are 3way, AllowLegacyStart, optimistic start, large frames,
/// start3 and begin immediately.
pub(super) fn run(bytes: &[u8]) {
    let plan = Plan::read(bytes);
    let options = Options::new(plan.options);
    let mut rig = options.rig();
    let mut peers: [Peer; PEERS as usize] = Default::default();
    let mut was_stopped = false;

    for event in plan.events {
        let (outputs, granted) = match event {
            Event::Datagram { peer, payload } => {
                let index = peer % PEERS;
                let granted = peers[usize::from(index)].hears(&options, payload);
                (rig.datagram(address(index), payload), granted)
            }
            Event::Answer { peer, choice } => {
                let index = peer % PEERS;
                let known = &mut peers[usize::from(index)];
                let payload = known.answer(&options, choice);
                let granted = known.hears(&options, &payload);
                (rig.datagram(address(index), &payload), granted)
            }
            Event::Wait(time) => {
                peers.iter_mut().for_each(|peer| peer.start3.waits());
                (rig.wait(time), false)
            }
            Event::Deadline => {
                peers.iter_mut().for_each(|peer| peer.start3.waits());
                (rig.wait_for_deadline(), false)
            }
            Event::Stop => {
                was_stopped = true;
                (rig.stop(), false)
            }
        };
        for output in &outputs {
            check(&mut peers, &options, output, granted);
        }
    }
    rig.check_counters(was_stopped);
    rig.stop();
}

fn check(peers: &mut [Peer], options: &Options, output: &Output, granted: bool) {
    match output {
        Output::Send { to, payload } => known(peers, *to).receives(options, payload),
        Output::Ended { peer, .. } => {
            let peer = known(peers, *peer);
            peer.may_get_media = granted;
            peer.start3.ends();
        }
        Output::Transition { .. } => {}
    }
}

fn known(peers: &mut [Peer], at: SocketAddr) -> &mut Peer {
    let index = (0..PEERS).find(|index| address(*index) == at);
    let index = index.unwrap_or_else(|| unreachable!("nobody is at {at}"));
    &mut peers[usize::from(index)]
}

struct Options {
    modes: Modes,
    allow_legacy_start: bool,
    optimistic: bool,
    begins: bool,
    stream: StreamParameters,
}

impl Options {
    fn new(bits: u8) -> Self {
        let (is_3way, is_start3) = (bits & 1 != 0, bits & 16 != 0);
        let modes = match (is_3way, is_start3) {
            (false, false) => "legacy",
            (true, false) => "3way",
            (false, true) => "start3",
            (true, true) => "3way,start3",
        };
        Self {
            modes: modes
                .parse()
                .unwrap_or_else(|problem| unreachable!("{problem}")),
            allow_legacy_start: (is_3way || is_start3) && bits & 2 != 0,
            optimistic: is_3way && bits & 4 != 0,
            begins: is_start3 && bits & 32 != 0,
            stream: StreamParameters {
                bits_per_second: if bits & 8 != 0 { 1_600_000 } else { 160_000 },
                frames_per_second: 20,
                seconds: 1,
            },
        }
    }

    fn grammar(&self) -> Grammar {
        Grammar::new(self.modes, self.allow_legacy_start)
    }

    fn rig(&self) -> Rig {
        let mut on = Vec::new();
        if self.allow_legacy_start {
            on.push("allow_legacy_start");
        }
        if self.optimistic {
            on.push("optimistic_start");
        }
        if self.begins {
            on.push("begin_immediately");
        }
        Rig::new(Role::Responder, &self.modes.to_string(), &on, self.stream)
    }
}

/// What one peer knows of its session.
#[derive(Default)]
struct Peer {
    /// A SYN of any version went out.
    asked: bool,
    /// The id that the last SYN-ACK assigned.
    assigned: Option<ConnectionId>,
    /// A connection-id datagram named it.
    named: bool,
    /// A START or a matching ACK went out, and the session lives.
    may_get_media: bool,
    /// Media that came without.
    unconfirmed: usize,
    /// Its session of start3.
    start3: Granted,
}

impl Peer {
    /// What the peer sends; whether it entitles it to media.
    fn hears(&mut self, options: &Options, payload: &[u8]) -> bool {
        let starts = payload.starts_with(&flag::START.to_le_bytes());
        self.start3.hears_another(starts);
        let granted = match options.grammar().classify(payload) {
            Ok(Frame::StartToken) => true,
            Ok(Frame::Ack(ack)) => {
                ack.version == Control::VERSION && self.assigned == Some(ack.connection_id())
            }
            Ok(Frame::Syn(_)) => {
                self.asked = true;
                false
            }
            Ok(Frame::Start(start)) => {
                self.start3.hears_start(&start);
                false
            }
            Ok(Frame::StartConfirm(confirm)) => self.start3.hears_confirm(&confirm),
            Ok(Frame::Error(_)) => {
                self.start3.hears_error();
                false
            }
            Ok(
                Frame::Data(_)
                | Frame::Fragment(_)
                | Frame::SynAck(_)
                | Frame::ConnectionId(_)
                | Frame::JoinToken
                | Frame::StartAck(_),
            )
            | Err(_) => false,
        };
        self.may_get_media |= granted;
        granted
    }

    /// What the responder sends to the peer.
    fn receives(&mut self, options: &Options, payload: &[u8]) {
        assert!(payload.len() <= 1400, "MS-W-18: {} bytes", payload.len());
        match Grammar::new(options.modes, true).classify(payload) {
            Ok(Frame::SynAck(syn_ack)) => self.receives_syn_ack(&syn_ack),
            Ok(Frame::StartAck(ack)) => {
                if self.start3.receives_start_ack(&ack, options.begins) {
                    self.assigned = None;
                    self.named = false;
                    self.may_get_media = false;
                    self.unconfirmed = 0;
                }
            }
            Ok(Frame::Error(error)) => self.start3.receives_error(&error),
            Ok(Frame::ConnectionId(frame)) => {
                assert!(!self.start3.is_live(), "no id in a session of start3");
                let id = frame.connection_id();
                assert!(
                    self.assigned
                        .is_none_or(|assigned| { self.may_get_media || assigned == id })
                );
                self.named = true;
            }
            Ok(Frame::Data(_) | Frame::Fragment(_)) if self.may_get_media => {}
            Ok(Frame::Data(_) | Frame::Fragment(_)) => {
                if self.start3.is_live() {
                    assert!(options.begins, "MS-S-04: media before START_CONFIRM");
                } else {
                    assert!(options.optimistic, "MS-H-15: media before an ACK");
                    assert!(self.named, "MS-H-16: media before the id is named");
                }
                self.unconfirmed += payload.len();
                assert!(
                    self.unconfirmed <= UNCONFIRMED,
                    "MS-H-22: {}",
                    self.unconfirmed
                );
            }
            other @ (Ok(
                Frame::StartToken
                | Frame::Syn(_)
                | Frame::Ack(_)
                | Frame::JoinToken
                | Frame::Start(_)
                | Frame::StartConfirm(_),
            )
            | Err(_)) => {
                unreachable!("a responder sends {other:?}")
            }
        }
    }

    fn receives_syn_ack(&mut self, syn_ack: &Control<'_>) {
        assert!(self.asked, "MS-H-13: a SYN-ACK without a SYN");
        assert_eq!(syn_ack.version, Control::VERSION);
        if !syn_ack.accepts() {
            return;
        }
        let id = syn_ack.connection_id();
        assert!(!id.is_empty() && id.is_terminated(), "MS-H-06: {id}");
        if self.assigned != Some(id) {
            self.assigned = Some(id);
            self.named = false;
            self.may_get_media = false;
            self.unconfirmed = 0;
        }
    }

    /// One of the datagrams that make sense now.
    fn answer(&self, options: &Options, choice: u8) -> Vec<u8> {
        if options.modes.contains(Mode::Start3) && choice & 32 != 0 {
            return self.start3.answer(choice);
        }
        let assigned = self.assigned.unwrap_or(ConnectionId::EMPTY);
        let wish = ConnectionId::from_text(&[b'a' + choice / 64]);
        let wish = wish.unwrap_or(ConnectionId::EMPTY);
        match choice % 5 {
            0 => Frame::Ack(Control::new(assigned.as_bytes())).to_vec(),
            1 => Frame::Syn(Control::new(assigned.as_bytes())).to_vec(),
            2 => Frame::Syn(Control::new(wish.as_bytes())).to_vec(),
            3 => START_TOKEN.to_vec(),
            _ => Frame::Ack(Control::new(&[0; ConnectionId::LENGTH])).to_vec(),
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
            options in (0_u8..64).prop_map(|bits| bits | 16),
            events in prop::collection::vec((0_u8..5, any::<u8>(), any::<u8>()), 0..30),
        ) {
            let mut plan = vec![options];
            for (event, peer, choice) in events {
                match event {
                    0 => plan.extend([1, choice, peer & 3]),
                    1 => plan.push(2),
                    _ => plan.extend([3, peer & 1, choice]),
                }
            }
            run(&plan);
        }
    }
}
