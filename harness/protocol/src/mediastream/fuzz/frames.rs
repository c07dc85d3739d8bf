use arbitrary::Unstructured;

use crate::mediastream::frame::{Frame, MAX_DATAGRAM};
use crate::mediastream::{Grammar, PROTOCOL, Rejection};

/// What is taken is encoded to the same bytes; what is refused is refused for a reason that the
/// datagram shows.
pub(super) fn decode(grammar: Grammar, datagram: &[u8]) {
    match grammar.classify(datagram) {
        Ok(frame) => {
            assert_eq!(frame.to_vec(), datagram);
            assert_described(&frame, datagram);
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

/// A frame that keeps the rules is encoded and decoded to itself.
pub(super) fn round_trip(bytes: &[u8]) {
    let Ok(frame) = Unstructured::new(bytes).arbitrary::<Frame<'_>>() else {
        return;
    };
    let datagram = frame.to_vec();
    assert_eq!(Frame::decode(&datagram), Ok(Some(frame)));
    assert_described(&frame, &datagram);
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
