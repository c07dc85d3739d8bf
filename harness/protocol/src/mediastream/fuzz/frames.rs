use arbitrary::{Error, Result, Unstructured};
use shakedown_wire::{Form, Kind, Reader, Tlvs, Writer};

use crate::mediastream::frame::{FORMS, Frame, MAX_DATAGRAM};
use crate::mediastream::{Grammar, PROTOCOL, Rejection};

/// What is taken is encoded to the same bytes; what is refused is refused for a reason that the
/// datagram shows.
pub(super) fn decode(grammar: Grammar, datagram: &[u8]) {
    match grammar.classify(datagram) {
        Ok(frame) => {
            // That words for it give the same bytes is the round trip's to check: it takes ten times as long.
            assert_eq!(frame.to_vec(), datagram);
        }
        Err(Rejection::Empty) => assert!(datagram.is_empty()),
        Err(Rejection::Oversized { length }) => {
            assert_eq!(length, datagram.len());
            assert!(length > MAX_DATAGRAM);
        }
        Err(Rejection::UnknownFlag { flag }) => assert_eq!(datagram[..2], flag.to_le_bytes()),
        Err(Rejection::StartNotAllowed) => assert!(!grammar.start_token),
        Err(Rejection::Malformed(error)) => {
            assert!(error.offset <= datagram.len(), "{error}");
            assert_eq!(Frame::decode(datagram), Err(error));
        }
    }
}

/// A datagram that keeps the rules is decoded, and encoded to itself.
pub(super) fn round_trip(bytes: &[u8]) {
    let Some(datagram) = datagram(bytes) else {
        return;
    };
    let decoded = Frame::decode(&datagram);
    let Ok(Some(frame)) = decoded else {
        unreachable!("{datagram:02x?} keeps the rules: {decoded:?}");
    };
    assert_eq!(frame.to_vec(), datagram);
    assert_described(&frame, &datagram);
}

/// A datagram of any form that keeps the rules, if the bytes give one.
pub(super) fn datagram(bytes: &[u8]) -> Option<Vec<u8>> {
    fields(&mut Unstructured::new(bytes)).ok()
}

fn fields(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let form = u.choose(FORMS)?;
    let mut datagram = Vec::new();
    let mut writer = Writer::new(&mut datagram);
    form.start.write(&mut writer);
    let mut is_ours = true;
    for (field, _) in form.places() {
        match field.kind {
            // Most are of our version: of another nothing is interpreted.
            _ if field.key == "version" && u.ratio(7, 8)? => {
                writer.u8(form.version.unwrap_or_default());
            }
            Kind::U8 | Kind::Named(_) => {
                let value = u.arbitrary()?;
                is_ours &= field.key != "version" || form.version == Some(value);
                writer.u8(value);
            }
            Kind::U16Le => writer.u16_le(u.arbitrary()?),
            Kind::U32Le => writer.u32_le(u.arbitrary()?),
            Kind::U64Le => writer.u64_le(u.arbitrary()?),
            Kind::U16Be => writer.u16_be(u.arbitrary()?),
            Kind::U32Be => writer.u32_be(u.arbitrary()?),
            Kind::U64Be => writer.u64_be(u.arbitrary()?),
            Kind::Uuid => writer.bytes(u.bytes(16)?),
            Kind::Bytes(length) => writer.bytes(u.bytes(length)?),
            Kind::Text(length) => match u.bytes(length)? {
                text if text.contains(&0) || !is_ours => writer.bytes(text), // MS-W-05
                _ => return Err(Error::IncorrectFormat),
            },
            Kind::Payload => match u.arbitrary::<&[u8]>()? {
                [] => return Err(Error::NotEnoughData), // MS-W-09
                payload => writer.bytes(payload),
            },
            Kind::Trailing => writer.bytes(u.arbitrary()?),
            Kind::Tlvs => writer.bytes(tlvs(u.arbitrary()?, form, is_ours)?),
            Kind::Group(_) | Kind::Utf8(..) => {}
        }
    }
    Ok(datagram)
}

/// The extensions of `bytes` up to the first that the decoder refuses.
fn tlvs<'a>(bytes: &'a [u8], form: &Form, are_ours: bool) -> Result<&'a [u8]> {
    let mut whole = bytes;
    if are_ours {
        let ends = Tlvs::from_bytes(bytes).places();
        let end = ends
            .last()
            .map_or(0, |(offset, tlv)| offset + tlv.value.len());
        whole = &bytes[..end];
    }
    match Tlvs::decode(&mut Reader::new(whole), form, are_ours) {
        Ok(tlvs) => Ok(tlvs.as_bytes()),
        Err(_) if form.needed.is_none() => Ok(&[]),
        Err(_) => Err(Error::IncorrectFormat),
    }
}

/// The words for a frame give its bytes again, and each word is found in them.
fn assert_described(frame: &Frame<'_>, datagram: &[u8]) {
    let words = PROTOCOL.vocabulary;
    let described = words.decode(datagram);
    let Ok(Some(described)) = described else {
        unreachable!("a {} has no words: {described:?}", frame.name());
    };
    assert_eq!(described.frame, frame.name());
    let encoded = words.encode(described.frame, &described.fields);
    assert_eq!(encoded.as_deref(), Ok(datagram));
    for field in described.fields.keys() {
        let place = words.locate(described.frame, field, datagram);
        assert!(place.is_some_and(|(offset, length)| offset + length <= datagram.len()));
    }
}
