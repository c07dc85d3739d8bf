use crate::exploration::digest;
use crate::mediastream::frame::{ConnectionId, Frame, Start3};

/// What a datagram says. Ids and numbers of sessions stand as their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DigestedFrame {
    Token,
    /// A SYN with this wished id.
    Syn(u64),
    /// A SYN-ACK with Accept=1 and this id.
    SynAck(u64),
    /// An ACK with this id.
    Ack(u64),
    /// A START (`0x0200`) of this stream and Nonce.
    Start(u64),
    /// What a START_ACK answers, what it names, and whether media begins at once.
    StartAck {
        asked: u64,
        named: u64,
        begins: bool,
    },
    /// A START_CONFIRM of what was named.
    StartConfirm(u64),
    Name(u64),
    /// A datagram of the media frame with this number.
    Media(u64),
    Other,
}

impl DigestedFrame {
    pub(super) fn of(payload: &[u8]) -> Self {
        let asked = |body: &Start3<'_>| digest(&(body.stream_id, body.nonce));
        let named = |body: &Start3<'_>| digest(&(body.stream_id, body.nonce, body.sender_nonce));
        let id = |id: ConnectionId| digest(id.text());
        match Frame::decode(payload) {
            Ok(Some(Frame::StartToken)) => Self::Token,
            Ok(Some(Frame::Syn(syn))) => Self::Syn(id(syn.connection_id())),
            Ok(Some(Frame::SynAck(answer))) if answer.accepts() => {
                Self::SynAck(id(answer.connection_id()))
            }
            Ok(Some(Frame::Ack(ack))) => Self::Ack(id(ack.connection_id())),
            Ok(Some(Frame::Start(body))) => Self::Start(asked(&body)),
            Ok(Some(Frame::StartAck(body))) => Self::StartAck {
                asked: asked(&body),
                named: named(&body),
                begins: body.has(Start3::BEGIN_IMMEDIATELY),
            },
            Ok(Some(Frame::StartConfirm(body))) => Self::StartConfirm(named(&body)),
            Ok(Some(Frame::ConnectionId(frame))) => Self::Name(id(frame.connection_id())),
            Ok(Some(Frame::Data(data))) => Self::Media(data.header.sequence_number),
            Ok(Some(Frame::Fragment(part))) => Self::Media(part.header.sequence_number),
            Ok(Some(Frame::SynAck(_) | Frame::Error(_) | Frame::JoinToken) | None) | Err(_) => {
                Self::Other
            }
        }
    }
}
