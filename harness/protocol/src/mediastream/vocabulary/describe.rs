use serde_json::{Map, Value, json};

use super::form::Form;
use super::{bytes, tlv};
use crate::hex;
use crate::mediastream::frame::{ConnectionId, Control, Frame, Header, Start3};
use crate::vocabulary::Described;

/// Writes a frame so that reading it again gives the same bytes.
pub(super) fn describe(frame: &Frame<'_>) -> Described {
    let mut fields = Fields(Map::new());
    match frame {
        Frame::StartToken | Frame::JoinToken => {}
        Frame::Data(data) => {
            fields.header(&data.header);
            fields.set("payload", bytes::describe_media(data.payload));
        }
        Frame::Fragment(fragment) => {
            fields.header(&fragment.header);
            fields.set("fragment_offset", fragment.fragment_offset);
            fields.set("total_length", fragment.total_length);
            fields.set("payload", bytes::describe_media(fragment.payload));
        }
        Frame::Syn(control) => fields.control(control, Form::Syn),
        Frame::SynAck(control) => fields.control(control, Form::SynAck),
        Frame::Ack(control) => fields.control(control, Form::Ack),
        Frame::Start(body) => fields.start3(body, Form::Start),
        Frame::StartAck(body) => fields.start3(body, Form::StartAck),
        Frame::StartConfirm(body) => fields.start3(body, Form::StartConfirm),
        Frame::Error(body) => fields.start3(body, Form::Error),
        Frame::ConnectionId(frame) => {
            fields.connection_id(frame.connection_id());
            if !frame.trailing.is_empty() {
                fields.set("trailing", bytes::describe(frame.trailing));
            }
        }
    }
    Described {
        frame: frame.name(),
        fields: fields.0,
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn header(&mut self, header: &Header) {
        self.set("sequence_number", header.sequence_number);
        self.set("qpc", header.qpc);
        self.set("qpf", header.qpf);
    }

    fn control(&mut self, control: &Control<'_>, form: Form) {
        self.header(&control.header);
        self.set("version", control.version);
        self.flags(control.flags.into(), form);
        self.set("reserved", control.reserved);
        self.connection_id(control.connection_id());
        let tlvs = if control.version == Control::VERSION {
            tlv::describe(&control.tlvs)
        } else {
            tlv::describe_uninterpreted(&control.tlvs)
        };
        self.set("tlvs", tlvs);
    }

    fn start3(&mut self, body: &Start3<'_>, form: Form) {
        self.header(&body.header);
        self.set("version", body.version);
        self.set("reserved", body.reserved);
        self.flags(body.flags, form);
        self.set("stream_id", body.stream_id);
        self.set("nonce", body.nonce);
        self.set("sender_nonce", body.sender_nonce);
        if body.version == Start3::VERSION {
            self.set("tlvs", tlv::describe(&body.tlvs));
            for (field, value) in tlv::fields(&body.tlvs, form.fields()) {
                self.set(field, value);
            }
        } else {
            self.set("tlvs", tlv::describe_uninterpreted(&body.tlvs));
        }
    }

    fn flags(&mut self, flags: u16, form: Form) {
        self.set("flags", flags);
        for bit in form.bits() {
            self.set(bit.name, flags & bit.mask != 0);
        }
    }

    /// As a text where the text gives back all 37 bytes.
    fn connection_id(&mut self, id: ConnectionId) {
        let whole = ConnectionId::from_text(id.text())
            .is_some_and(|padded| padded.as_bytes() == id.as_bytes());
        let value = match str::from_utf8(id.text()) {
            Ok(text) if whole => Value::from(text),
            _ => json!({ "hex": hex::format(id.as_bytes()) }),
        };
        self.set("connection_id", value);
    }
}
