//! Datagrams by a number, for plans.

use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{
    ConnectionId, ConnectionIdFrame, Control, Data, Fragment, Frame, Header, START_TOKEN, Start3,
};
use crate::mediastream::pattern;

/// A datagram of a stream of frames of 1,000 bytes, 20 ms apart. The lowest three bits of `choice`
/// name the form, the others an id or a frame.
pub(super) fn datagram(choice: u8) -> Vec<u8> {
    let which = choice >> 3;
    let id = ConnectionId::from_text(&[b'a' + which]).unwrap_or(ConnectionId::EMPTY);
    let mut control = Control::new(id.as_bytes());
    match choice & 7 {
        0 => START_TOKEN.to_vec(),
        1 => Frame::Syn(control).to_vec(),
        2 => {
            control.flags = Control::ACCEPT;
            Frame::SynAck(control).to_vec()
        }
        3 => Frame::SynAck(Control::new(ConnectionId::EMPTY.as_bytes())).to_vec(),
        4 => Frame::Ack(control).to_vec(),
        5 => Frame::ConnectionId(ConnectionIdFrame::new(id.as_bytes(), &[])).to_vec(),
        6 => data(u64::from(which) + 1, 1_000),
        _ => fragment(u64::from(which >> 2) + 1, u64::from(which & 3), 1_000),
    }
}

/// The same where start3 is spoken: its frames stand in the place of SYN-ACK, ACK and fragments.
pub(super) fn start3_datagram(choice: u8) -> Vec<u8> {
    let which = choice >> 3;
    let numbers = [which & 3, which >> 2 & 3, which >> 4].map(u64::from);
    let [stream_id, nonce, sender_nonce] = numbers;
    let asked = parameters();
    let mut body = Start3::new(stream_id, nonce + 1, sender_nonce);
    match choice & 7 {
        2 => {
            body.sender_nonce = 0;
            body.tlvs = Tlvs::from_bytes(&asked);
            Frame::Start(body).to_vec()
        }
        3 => {
            body.tlvs = Tlvs::from_bytes(&asked);
            Frame::StartAck(body).to_vec()
        }
        4 => Frame::StartConfirm(body).to_vec(),
        7 => error(body, 9),
        _ => datagram(choice),
    }
}

/// An ERROR with this code and nothing else.
pub(super) fn error(body: Start3<'_>, code: u16) -> Vec<u8> {
    let mut tlvs = Vec::new();
    let (kind, value) = (kind::ERROR_CODE, &code.to_le_bytes());
    Tlv { kind, value }.encode(&mut tlvs);
    let tlvs = Tlvs::from_bytes(&tlvs);
    Frame::Error(Start3 { tlvs, ..body }).to_vec()
}

/// What a START asks for: a second of frames of 400 bytes.
pub(super) fn parameters() -> Vec<u8> {
    let mut block = Vec::new();
    for (kind, value) in [
        (kind::FRAME_RATE, &50_u32.to_le_bytes()[..]),
        (kind::BIT_RATE, &160_000_u64.to_le_bytes()),
        (kind::STREAM_LENGTH, &1_u32.to_le_bytes()),
    ] {
        Tlv { kind, value }.encode(&mut block);
    }
    block
}

/// A whole frame of `length` bytes, its header included.
pub(super) fn data(number: u64, length: usize) -> Vec<u8> {
    Frame::Data(Data {
        header: header(number),
        payload: pattern::prefix(length.saturating_sub(Header::LENGTH)),
    })
    .to_vec()
}

/// The hundred bytes of this index of a frame of `length` bytes, the header of data included.
pub(super) fn fragment(number: u64, index: u64, length: u64) -> Vec<u8> {
    Frame::Fragment(Fragment {
        header: header(number),
        fragment_offset: index * 100,
        total_length: length - Header::LENGTH as u64,
        payload: pattern::prefix(100),
    })
    .to_vec()
}

fn header(number: u64) -> Header {
    Header {
        sequence_number: number,
        qpc: number.wrapping_mul(200_000),
        qpf: 10_000_000,
    }
}
