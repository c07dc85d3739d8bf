//! The datagrams that a responder sends, media apart.

use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame, Control, Frame};

/// Accept=1 with the assigned id: byte for byte the same each time (MS-H-06, MS-H-08).
pub(super) fn accept(id: &ConnectionId) -> Vec<u8> {
    let mut control = Control::new(id.as_bytes());
    control.flags = Control::ACCEPT;
    Frame::SynAck(control).to_vec()
}

/// Accept=0 with a human-readable sentence. It ends the matter: nothing is kept (MS-H-07).
pub(super) fn reject(why: &str) -> Vec<u8> {
    let mut tlvs = Vec::new();
    Tlv {
        kind: kind::DIAGNOSTIC,
        value: why.as_bytes(),
    }
    .encode(&mut tlvs);
    let mut control = Control::new(ConnectionId::EMPTY.as_bytes());
    control.tlvs = Tlvs::from_bytes(&tlvs);
    Frame::SynAck(control).to_vec()
}

/// Accept=0 without extensions: a peer of another version may not know them (MS-W-15).
pub(super) fn reject_version() -> Vec<u8> {
    Frame::SynAck(Control::new(ConnectionId::EMPTY.as_bytes())).to_vec()
}

/// The name of the session, before its media (MS-L-03, MS-H-16).
pub(in super::super) fn connection_id(id: &ConnectionId) -> Vec<u8> {
    Frame::ConnectionId(ConnectionIdFrame::new(id.as_bytes(), &[])).to_vec()
}
