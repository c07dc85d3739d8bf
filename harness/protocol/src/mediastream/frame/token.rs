use shakedown_wire::{Form, Start};

/// The `START` token, a whole datagram of 5 bytes (MS-W-02).
pub const START_TOKEN: &[u8; 5] = b"START";

/// The `JOIN` token, a whole datagram of 4 bytes (MS-X-01).
pub const JOIN_TOKEN: &[u8; 4] = b"JOIN";

pub(super) const START: Form = Form::new("START token", Start::Bytes(START_TOKEN), &[]);

pub(super) const JOIN: Form = Form::new("JOIN token", Start::Bytes(JOIN_TOKEN), &[]);
