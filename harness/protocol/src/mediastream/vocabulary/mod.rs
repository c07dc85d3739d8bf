//! The names of frames and fields in scenarios, vectors and reports.
//!
//! [`form`] lists them and says where each field stands, [`given`] reads what somebody wrote,
//! [`describe`] writes what was decoded. Writing and reading again gives the same bytes.

mod bytes;
mod describe;
mod form;
mod given;
mod tlv;

use serde_json::{Map, Value};
use shakedown_wire::DecodeError;

use super::frame::{ConnectionIdFrame, Control, Data, Fragment, Frame, Start3, tlv::Tlvs};
use crate::vocabulary::{Described, Vocabulary, WordError};
use form::Form;
use given::Given;

/// Longest payload, trailing part or block of TLVs that may be written, in bytes: more than any
/// datagram holds, so that datagrams that are too long can be written too.
const MAX_BYTES: usize = 131_072;

pub(super) struct Words;

impl Vocabulary for Words {
    fn frames(&self) -> &'static [&'static str] {
        &Form::NAMES
    }

    fn fields(&self, frame: &str) -> Result<&'static [&'static str], WordError> {
        Form::named(frame).map(Form::fields)
    }

    fn encode(&self, frame: &str, fields: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
        let form = Form::named(frame)?;
        let given = Given::new(form, fields)?;
        match form {
            Form::StartToken => Ok(Frame::StartToken.to_vec()),
            Form::JoinToken => Ok(Frame::JoinToken.to_vec()),
            Form::Data => {
                let payload = given.payload()?;
                let data = Data {
                    header: given.media_header()?,
                    payload: &payload,
                };
                Ok(Frame::Data(data).to_vec())
            }
            Form::Fragment => {
                let payload = given.payload()?;
                let fragment = Fragment {
                    header: given.media_header()?,
                    fragment_offset: given.number("fragment_offset", 0)?,
                    total_length: given.number("total_length", payload.len() as u64)?,
                    payload: &payload,
                };
                Ok(Frame::Fragment(fragment).to_vec())
            }
            Form::Syn => encode_control(&given, |control| Frame::Syn(control).to_vec()),
            Form::SynAck => encode_control(&given, |control| Frame::SynAck(control).to_vec()),
            Form::Ack => encode_control(&given, |control| Frame::Ack(control).to_vec()),
            Form::Start => encode_start3(&given, 0, |body| Frame::Start(body).to_vec()),
            Form::StartAck => encode_start3(&given, 1, |body| Frame::StartAck(body).to_vec()),
            Form::StartConfirm => {
                encode_start3(&given, 1, |body| Frame::StartConfirm(body).to_vec())
            }
            Form::Error => {
                given.error_code()?;
                encode_start3(&given, 0, |body| Frame::Error(body).to_vec())
            }
            Form::ConnectionId => {
                let field = given.connection_id()?;
                let trailing = given.trailing()?;
                let frame = ConnectionIdFrame::new(&field, &trailing);
                Ok(Frame::ConnectionId(frame).to_vec())
            }
        }
    }

    fn decode(&self, datagram: &[u8]) -> Result<Option<Described>, DecodeError> {
        Ok(Frame::decode(datagram)?.map(|frame| describe::describe(&frame)))
    }

    fn locate(&self, frame: &str, field: &str, datagram: &[u8]) -> Option<(usize, usize)> {
        Form::named(frame).ok()?.place(field, datagram)
    }
}

fn encode_control(
    given: &Given<'_>,
    encode: impl FnOnce(Control<'_>) -> Vec<u8>,
) -> Result<Vec<u8>, WordError> {
    let field = given.connection_id()?;
    let tlvs = given.tlvs()?;
    let mut control = Control::new(&field);
    control.header = given.control_header()?;
    control.version = given.number("version", control.version)?;
    control.flags = given.flags()?;
    control.reserved = given.number("reserved", control.reserved)?;
    control.tlvs = Tlvs::from_bytes(&tlvs);
    Ok(encode(control))
}

/// Where nothing else is given the stream and the nonces are 1, or not there yet.
fn encode_start3(
    given: &Given<'_>,
    sender_nonce: u64,
    encode: impl FnOnce(Start3<'_>) -> Vec<u8>,
) -> Result<Vec<u8>, WordError> {
    let tlvs = given.tlvs()?;
    let mut body = Start3::new(
        given.number("stream_id", 1)?,
        given.number("nonce", 1)?,
        given.number("sender_nonce", sender_nonce)?,
    );
    body.header = given.control_header()?;
    body.version = given.number("version", body.version)?;
    body.reserved = given.number("reserved", body.reserved)?;
    body.flags = given.flags()?;
    body.tlvs = Tlvs::from_bytes(&tlvs);
    Ok(encode(body))
}

#[cfg(test)]
mod tests;
