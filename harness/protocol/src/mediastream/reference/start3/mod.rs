//! What the two sides of a start3 session have in common: its frames and its parameters.

mod parameters;

use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{ErrorCode, Frame, Start3};

pub(super) use parameters::{Grant, Parameters};

/// Longest Diagnostic, in bytes (specification, section 1).
const LONGEST_DIAGNOSTIC: usize = 255;

/// The numbers by which the frames of a session are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) stream_id: u64,
    pub(super) nonce: u64,
    /// The Sender's; 0 until it has chosen one.
    pub(super) sender_nonce: u64,
}

impl Identity {
    /// What a frame says.
    pub(super) const fn of(body: &Start3<'_>) -> Self {
        Self {
            stream_id: body.stream_id,
            nonce: body.nonce,
            sender_nonce: body.sender_nonce,
        }
    }

    pub(super) const fn with_nonce(self, nonce: u64) -> Self {
        Self { nonce, ..self }
    }

    pub(super) const fn with_sender(self, sender_nonce: u64) -> Self {
        Self {
            sender_nonce,
            ..self
        }
    }

    /// With each nonce in the place of the other.
    pub(super) const fn swapped(self) -> Self {
        let (nonce, sender_nonce) = (self.nonce, self.sender_nonce);
        self.with_nonce(sender_nonce).with_sender(nonce)
    }

    /// START (MS-S-01); `compatible` if the one-way behaviour is taken too (MS-S-10).
    pub(super) fn start(self, asked: &Parameters, compatible: bool) -> Vec<u8> {
        let tlvs = asked.encode();
        let flags = if compatible { Start3::COMPAT_MODE } else { 0 };
        Frame::Start(self.body(flags, &tlvs)).to_vec()
    }

    /// START_ACK (MS-S-02); `begins` if media does not wait for START_CONFIRM (MS-S-04).
    pub(super) fn start_ack(self, granted: &Parameters, begins: bool) -> Vec<u8> {
        let tlvs = granted.encode();
        let begin = if begins { Start3::BEGIN_IMMEDIATELY } else { 0 };
        Frame::StartAck(self.body(Start3::ACK_REQUIRED | begin, &tlvs)).to_vec()
    }

    /// START_CONFIRM (MS-S-03).
    pub(super) fn start_confirm(self) -> Vec<u8> {
        Frame::StartConfirm(self.body(0, &[])).to_vec()
    }

    /// ERROR with a Diagnostic for people, which is cut where it is too long and left out where it
    /// is empty.
    pub(super) fn error(self, code: ErrorCode, diagnostic: &str) -> Vec<u8> {
        let mut tlvs = Vec::new();
        let value = &code.number().to_le_bytes();
        let kind = kind::ERROR_CODE;
        Tlv { kind, value }.encode(&mut tlvs);
        if !diagnostic.is_empty() {
            let end = diagnostic.floor_char_boundary(LONGEST_DIAGNOSTIC);
            let value = &diagnostic.as_bytes()[..end];
            let kind = kind::DIAGNOSTIC;
            Tlv { kind, value }.encode(&mut tlvs);
        }
        Frame::Error(self.body(0, &tlvs)).to_vec()
    }

    const fn body(self, flags: u16, tlvs: &[u8]) -> Start3<'_> {
        let mut body = Start3::new(self.stream_id, self.nonce, self.sender_nonce);
        body.flags = flags;
        body.tlvs = Tlvs::from_bytes(tlvs);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        stream_id: 1,
        nonce: 2,
        sender_nonce: 3,
    };

    #[test]
    fn every_frame_bears_the_session_and_its_own_flags() {
        let asked = Parameters::default();
        for (datagram, name, flags) in [
            (IDENTITY.start(&asked, false), "START", 0),
            (IDENTITY.start(&asked, true), "START", 2),
            (IDENTITY.start_ack(&asked, false), "START_ACK", 1),
            (IDENTITY.start_ack(&asked, true), "START_ACK", 5),
            (IDENTITY.start_confirm(), "START_CONFIRM", 0),
            (IDENTITY.error(ErrorCode::Timeout, ""), "ERROR", 0),
        ] {
            let frame = Frame::decode(&datagram).unwrap().unwrap();
            assert_eq!(frame.name(), name);
            let (Frame::Start(body)
            | Frame::StartAck(body)
            | Frame::StartConfirm(body)
            | Frame::Error(body)) = frame
            else {
                panic!("{frame:?}");
            };
            assert_eq!((body.flags, Identity::of(&body)), (flags, IDENTITY));
        }
    }

    #[test]
    fn a_diagnostic_is_cut_between_two_characters_and_an_empty_one_left_out() {
        for (said, length) in [("ü".repeat(200), Some(254)), (String::new(), None)] {
            let datagram = IDENTITY.error(ErrorCode::Malformed, &said);
            let Ok(Some(Frame::Error(body))) = Frame::decode(&datagram) else {
                panic!();
            };
            assert_eq!(body.error_code(), Some(1));
            let told = body.tlvs.get(kind::DIAGNOSTIC).map(<[u8]>::len);
            assert_eq!(told, length);
        }
    }
}
