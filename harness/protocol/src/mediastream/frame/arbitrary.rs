//! Frames from a fuzzer's bytes: every frame that can be is one that the decoder takes, so that
//! encoding and decoding must give it back.

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use shakedown_wire::Reader;

use super::tlv::{Family, Tlvs};
use super::{ConnectionId, ConnectionIdFrame, Control, Data, Fragment, Frame, Start3};

impl<'a> Arbitrary<'a> for Frame<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=11)? {
            0 => Self::StartToken,
            1 => Self::Data(u.arbitrary()?),
            2 => Self::Fragment(u.arbitrary()?),
            3 => Self::Syn(u.arbitrary()?),
            4 => Self::SynAck(u.arbitrary()?),
            5 => Self::Ack(u.arbitrary()?),
            6 => Self::ConnectionId(u.arbitrary()?),
            7 => Self::JoinToken,
            8 => Self::Start(start3(u, Family::Start3)?),
            9 => Self::StartAck(start3(u, Family::Start3)?),
            10 => Self::StartConfirm(start3(u, Family::Start3)?),
            _ => Self::Error(start3(u, Family::Error)?),
        })
    }
}

impl<'a> Arbitrary<'a> for Data<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            header: u.arbitrary()?,
            payload: payload(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Fragment<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            header: u.arbitrary()?,
            fragment_offset: u.arbitrary()?,
            total_length: u.arbitrary()?,
            payload: payload(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for Control<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let header = u.arbitrary()?;
        let version = match u.ratio(7, 8)? {
            true => Self::VERSION,
            false => u.arbitrary()?,
        };
        let (flags, reserved) = u.arbitrary()?;
        let ours = version == Self::VERSION;
        let field = if ours { terminated(u)? } else { id_field(u)? };
        let rest: &[u8] = u.arbitrary()?;
        let mut control = Self::new(field);
        control.header = header;
        control.version = version;
        control.flags = flags;
        control.reserved = reserved;
        control.tlvs = if ours {
            whole(rest, Family::Handshake)
        } else {
            Tlvs::from_bytes(rest)
        };
        Ok(control)
    }
}

impl<'a> Arbitrary<'a> for ConnectionIdFrame<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let field = terminated(u)?;
        Ok(Self::new(field, u.arbitrary()?))
    }
}

/// At least one byte (MS-W-09).
fn payload<'a>(u: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    match u.arbitrary::<&[u8]>()? {
        [] => Err(Error::NotEnoughData),
        payload => Ok(payload),
    }
}

fn id_field<'a>(u: &mut Unstructured<'a>) -> Result<&'a [u8; ConnectionId::LENGTH]> {
    let bytes = u.bytes(ConnectionId::LENGTH)?;
    bytes.try_into().map_err(|_| Error::NotEnoughData)
}

/// A field with its NUL (MS-W-05).
fn terminated<'a>(u: &mut Unstructured<'a>) -> Result<&'a [u8; ConnectionId::LENGTH]> {
    let field = id_field(u)?;
    if field.contains(&0) {
        Ok(field)
    } else {
        Err(Error::IncorrectFormat)
    }
}

/// The body of a frame of the handshake of 3.3.
fn start3<'a>(u: &mut Unstructured<'a>, family: Family) -> Result<Start3<'a>> {
    let header = u.arbitrary()?;
    let version = match u.ratio(7, 8)? {
        true => Start3::VERSION,
        false => u.arbitrary()?,
    };
    let (reserved, flags) = u.arbitrary()?;
    let (stream_id, nonce, sender_nonce) = u.arbitrary()?;
    let rest: &[u8] = u.arbitrary()?;
    let ours = version == Start3::VERSION;
    let tlvs = match ours {
        true => whole(rest, family),
        false => Tlvs::from_bytes(rest),
    };
    let least = Start3::MIN_ERROR_LENGTH - Start3::TLV_OFFSET;
    let is_short = tlvs.as_bytes().len() < least;
    if family == Family::Error && (is_short || ours && tlvs.error_code().is_none()) {
        return Err(Error::IncorrectFormat);
    }
    let mut body = Start3::new(stream_id, nonce, sender_nonce);
    body.header = header;
    body.version = version;
    body.reserved = reserved;
    body.flags = flags;
    body.tlvs = tlvs;
    Ok(body)
}

/// The extensions of `bytes` up to the first that the decoder refuses.
fn whole(bytes: &[u8], family: Family) -> Tlvs<'_> {
    let whole: usize = Tlvs::from_bytes(bytes)
        .iter()
        .map(|tlv| 4 + tlv.value.len())
        .sum();
    Tlvs::decode(&mut Reader::new(&bytes[..whole]), family).unwrap_or(Tlvs::EMPTY)
}
