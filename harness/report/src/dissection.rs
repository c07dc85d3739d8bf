//! Decoding of captures for output: datagrams and QUIC events.

use std::io::Read;

use serde_json::{Map, Value};
use shakedown_capture::quic::{Decoder, Event, EventKind, Limits, UnreadableReason};
use shakedown_capture::{Capture, CaptureError, Datagram, Item, Statistics};
use shakedown_engine::quic::Filter;
use shakedown_protocol::vocabulary::Described;
use shakedown_protocol::{PROTOCOLS, Protocol};

use crate::stream_frames::{DecodedFrame, StreamFrames};

/// An item of a capture. QUIC events come before the datagram that completes them.
#[derive(Debug)]
pub enum DissectedItem<'a> {
    /// A QUIC event, the meaning of its close code, and the frames on streams that it completes.
    Quic(&'a Event<'a>, Option<&'static str>, Vec<DecodedFrame>),
    Datagram(&'a Datagram<'a>, Decoded),
    /// A comment on the datagram that came last.
    Comment(&'a str),
    /// Secrets were read; the earlier packets that they decrypt precede this.
    Secrets,
}

/// What a datagram is.
#[derive(Debug, Clone)]
pub enum Decoded {
    Frame(&'static Protocol, Described),
    Quic,
    /// It has the form of a frame and breaks its rules.
    Malformed(String),
    Unknown,
}

/// How a capture was read.
#[derive(Debug, Clone)]
pub struct Dissected {
    pub statistics: Statistics,
    /// Connections of QUIC with packets for which there were no secrets.
    pub unread: usize,
}

/// Reads a capture, with the secrets in it and those of a key log, which may be empty, until
/// `emit` returns `false`.
///
/// # Errors
/// [`CaptureError`] where it cannot be read; earlier items were passed on.
pub fn dissect<R: Read>(
    source: R,
    key_log: &[u8],
    emit: &mut dyn FnMut(DissectedItem<'_>) -> bool,
) -> Result<Dissected, CaptureError> {
    let mut capture = Capture::open(source)?;
    let mut decoder = Decoder::new(Limits::default());
    let mut frames = StreamFrames::default();
    let mut filter = Filter::default();
    let mut goes_on = true;
    decoder.add_secrets(key_log, &mut |_| {});
    while goes_on {
        let mut quic = |event: &Event<'_>| {
            let completed = frames.event(event);
            let meaning = frames.code(event);
            emit(DissectedItem::Quic(event, meaning, completed));
        };
        match capture.next_item()? {
            Some(Item::Datagram(datagram)) => {
                let mut newest = Quic::No;
                if filter.passes(&datagram) {
                    newest = Quic::Yes;
                    decoder.datagram(&datagram, &mut |event| {
                        if event.at.number == datagram.number {
                            newest = newest.and(event);
                        }
                        quic(event);
                    });
                }
                let decoded = decode(datagram.payload, newest);
                goes_on = emit(DissectedItem::Datagram(&datagram, decoded));
                for comment in capture.comments() {
                    goes_on &= emit(DissectedItem::Comment(&comment));
                }
            }
            Some(Item::KeyLog(key_log)) => {
                decoder.add_secrets(key_log, &mut quic);
                goes_on = emit(DissectedItem::Secrets);
            }
            None => {
                decoder.finish(&mut quic);
                break;
            }
        }
    }
    Ok(Dissected {
        statistics: *capture.statistics(),
        unread: frames.unread(),
    })
}

/// Whether a datagram is QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quic {
    No,
    /// It is between addresses that speak QUIC, but of no connection that is known.
    Maybe,
    Yes,
}

impl Quic {
    const fn and(self, event: &Event<'_>) -> Self {
        let EventKind::Unreadable(unreadable) = event.kind else {
            return self;
        };
        match unreadable.why {
            UnreadableReason::NotQuic => Self::No,
            UnreadableReason::UnknownConnection => Self::Maybe,
            UnreadableReason::NoSecrets
            | UnreadableReason::NoHandshake
            | UnreadableReason::UnsupportedSuite(_)
            | UnreadableReason::CannotDecrypt
            | UnreadableReason::Cut
            | UnreadableReason::OtherVersion(_)
            | UnreadableReason::EarlyDataRejected => self,
        }
    }
}

/// The first protocol over datagrams that knows the form decides.
fn decode(payload: &[u8], quic: Quic) -> Decoded {
    if quic == Quic::Yes {
        return Decoded::Quic;
    }
    let mut malformed = None;
    for protocol in PROTOCOLS {
        if protocol.transport.is_some() {
            continue;
        }
        match protocol.vocabulary.decode(payload) {
            Ok(Some(described)) => return Decoded::Frame(protocol, described),
            Ok(None) => {}
            Err(error) => malformed = malformed.or(Some(error.to_string())),
        }
    }
    match (malformed, quic) {
        (Some(error), _) => Decoded::Malformed(error),
        (None, Quic::Maybe | Quic::Yes) => Decoded::Quic,
        (None, Quic::No) => Decoded::Unknown,
    }
}

/// The fields of a frame in a line: `accept=true reserved=0`.
#[must_use]
pub fn fields_in_words(fields: &Map<String, Value>) -> String {
    let fields = fields.iter();
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{name}={}", value_in_words(value)))
        .collect();
    fields.join(" ")
}

/// A value in a few characters; text without quotes where it needs none.
#[must_use]
pub(crate) fn value_in_words(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"']) => text.clone(),
        Value::Object(object) => match object.iter().next() {
            Some((key, Value::Number(number))) if object.len() == 1 => format!("{key}({number})"),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}
