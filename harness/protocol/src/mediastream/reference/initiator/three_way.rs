use std::time::Duration;

use super::super::deviation::{Deviation, Repeated};
use super::early::Early;
use super::state::{Agreed, End, PendingRequest, State};
use super::{Initiator, failure};
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{ConnectionId, Control, Frame};

/// The handshake of `3way` (specification, 3.2).
impl Initiator {
    /// Sends the first SYN (MS-H-01).
    pub(super) fn begin_three_way(&mut self, now: Duration) {
        self.counters.handshakes.attempted += 1;
        let syn = self.new_syn();
        self.send(syn.clone());
        let asked = PendingRequest::new(now, syn, self.settings.without.waits(Repeated::Syn));
        self.enter(State::SynSent(asked), "it begins");
    }

    /// A SYN with a fresh wished id (MS-H-02).
    fn new_syn(&mut self) -> Vec<u8> {
        let wish = self.random.connection_id();
        let mut tlvs = Vec::new();
        if self.settings.tells_max_datagram {
            let bytes = u32::try_from(self.settings.max_datagram).unwrap_or(u32::MAX);
            let value = &bytes.to_le_bytes();
            let kind = kind::MAX_DATAGRAM;
            Tlv { kind, value }.encode(&mut tlvs);
        }
        let mut control = Control::new(wish.as_bytes());
        control.tlvs = Tlvs::from_bytes(&tlvs);
        Frame::Syn(control).to_vec()
    }

    pub(super) fn on_syn_ack(&mut self, now: Duration, syn_ack: &Control<'_>) {
        if syn_ack.version != Control::VERSION {
            self.counters.invalid("foreign_version"); // MS-W-16
            return;
        }
        match &mut self.state {
            State::SynSent(sent) if syn_ack.accepts() => {
                if syn_ack.connection_id().is_empty() {
                    self.counters.invalid("empty_connection_id"); // MS-H-06
                    return;
                }
                let asked = sent.asked;
                let early = std::mem::take(&mut sent.early);
                self.establish(now, asked, syn_ack.connection_id(), early);
            }
            State::SynSent(_)
                if self.settings.fallback && self.settings.lacks(Deviation::RejectionFallsBack) =>
            {
                self.send_first_start(now, "a rejection");
            }
            State::SynSent(_) => {
                let failure = failure::rejected(self.peer, syn_ack.tlvs.get(kind::DIAGNOSTIC));
                self.fail(End::Rejected, failure); // MS-H-10
            }
            State::Session(session) => match &session.agreed {
                Agreed::Id(id, ack) if syn_ack.accepts() && *id == syn_ack.connection_id() => {
                    session.contact = now;
                    let ack = ack.clone();
                    self.send(ack); // MS-H-11
                    self.forget(Deviation::RepeatedSynAckForgets);
                }
                Agreed::Id(..) | Agreed::Nothing | Agreed::Stream(_) => {
                    self.counters.unexpected("SYN-ACK"); // MS-H-14
                }
            },
            State::Closed
            | State::ReadyToStart
            | State::StartSent(_)
            | State::AwaitingStartAck(..)
            | State::Over(_) => {
                self.counters.unexpected("SYN-ACK"); // MS-H-14
            }
        }
    }

    /// The handshake is complete: ACK, then datagrams that came too early (MS-H-09, MS-H-17).
    fn establish(&mut self, now: Duration, asked: Duration, id: ConnectionId, early: Early) {
        let ack = Frame::Ack(Control::new(id.as_bytes())).to_vec(); // MS-H-09
        self.send(ack.clone());
        self.named = Some(id);
        self.receiver.flush(); // MS-D-09
        self.begin_session(now, asked, Agreed::Id(id, ack), "SYN-ACK");
        self.take_early(now, early, Some(id));
    }
}
