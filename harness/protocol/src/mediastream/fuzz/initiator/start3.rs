//! What an initiator of `start3` may send, and what its peer may answer.

use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{ErrorCode, Frame, Start3};

/// Sends of one START (MS-S-08).
const SENDS: u32 = 3;

/// StreamId, Nonce and SenderNonce.
type Numbers = (u64, u64, u64);

/// The handshake as it went to and fro.
#[derive(Default)]
pub(super) struct Handshake {
    start: Option<Vec<u8>>,
    starts: u32,
    /// StreamId and Nonce of the START.
    asked: (u64, u64),
    /// The numbers of all START_ACKs to it that arrived.
    offered: Vec<Numbers>,
    confirmed: Option<Numbers>,
    objections: u32,
    /// An ERROR that ends the session went out.
    is_refused: bool,
}

impl Handshake {
    /// A START_ACK arrives from the one who was asked.
    pub(super) fn start_ack_arrives(&mut self, ack: &Start3<'_>) {
        let numbers = (ack.stream_id, ack.nonce, ack.sender_nonce);
        if ack.version == Start3::VERSION {
            self.offered.push(numbers);
        }
    }

    /// The START token leaves.
    pub(super) fn sends_token(&self) {
        assert_eq!(self.starts, SENDS, "MS-S-09");
        assert_eq!(self.confirmed, None);
        assert!(!self.is_refused, "MS-S-09: it was answered");
    }

    pub(super) fn sends_start(&mut self, start: &Start3<'_>, payload: &[u8], falls_back: bool) {
        self.starts += 1;
        assert!(self.starts <= SENDS, "MS-S-08: {} STARTs", self.starts);
        let first = self.start.get_or_insert_with(|| payload.to_vec());
        assert_eq!(first, payload, "MS-S-08: the same START");
        assert_ne!(start.stream_id, 0, "MS-S-01");
        assert_eq!((start.version, start.sender_nonce), (1, 0), "MS-S-01");
        assert_eq!(start.has(Start3::COMPAT_MODE), falls_back, "MS-S-10");
        assert!(!self.is_refused);
        self.asked = (start.stream_id, start.nonce);
    }

    pub(super) fn sends_confirm(&mut self, confirm: &Start3<'_>) {
        let numbers = (confirm.stream_id, confirm.nonce, confirm.sender_nonce);
        assert!(self.offered.contains(&numbers), "MS-S-03: {numbers:?}");
        assert_eq!((numbers.0, numbers.1), self.asked, "MS-S-05, MS-S-06");
        assert_ne!(numbers.2, 0, "MS-S-02");
        let first = *self.confirmed.get_or_insert(numbers);
        assert_eq!(first, numbers, "MS-S-12: the same START_CONFIRM");
        assert!(!self.is_refused);
    }

    pub(super) fn sends_error(&mut self, error: &Start3<'_>) {
        assert!(!self.is_refused, "it is over");
        let number = error.error_code().unwrap_or_default();
        match ErrorCode::from_number(number) {
            Some(ErrorCode::UnexpectedFrame) => {
                self.objections += 1;
                assert_eq!(self.objections, 1, "MS-S-17");
                assert_ne!(
                    error.stream_id, self.asked.0,
                    "MS-S-17: it ends the session"
                );
            }
            Some(
                ErrorCode::InvalidParameters
                | ErrorCode::StreamIdMismatch
                | ErrorCode::NonceMismatch,
            ) => {
                assert_eq!((error.stream_id, error.nonce), self.asked);
                self.is_refused = true;
            }
            other => unreachable!("a Receiver sends ERROR {other:?}"),
        }
    }

    /// One of the frames of a Sender that make sense now.
    pub(super) fn answer(&self, choice: u8) -> Vec<u8> {
        let which = choice / 8;
        let (stream_id, nonce) = self.asked;
        let granted = u32::from(which).to_le_bytes();
        let mut tlvs = Vec::new();
        let mut body = Start3::new(stream_id, nonce, 7);
        match choice % 8 {
            0 => Frame::StartAck(body).to_vec(),
            1 => {
                body.sender_nonce = u64::from(which);
                Frame::StartAck(body).to_vec()
            }
            2 => {
                let (kind, value) = (kind::ERROR_CODE, &granted[..2]);
                Tlv { kind, value }.encode(&mut tlvs);
                body.tlvs = Tlvs::from_bytes(&tlvs);
                body.nonce ^= u64::from(which & 1);
                Frame::Error(body).to_vec()
            }
            3 => {
                body.stream_id ^= u64::from(which & 1);
                body.nonce ^= u64::from(which & 2);
                Frame::StartAck(body).to_vec()
            }
            4 => {
                body.stream_id ^= u64::from(which & 1);
                Frame::Start(body).to_vec()
            }
            _ => {
                let (kind, value) = (kind::FRAME_RATE, &granted[..]);
                Tlv { kind, value }.encode(&mut tlvs);
                body.tlvs = Tlvs::from_bytes(&tlvs);
                body.flags = Start3::BEGIN_IMMEDIATELY;
                Frame::StartAck(body).to_vec()
            }
        }
    }
}
