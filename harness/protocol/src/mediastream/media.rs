use serde_json::{Map, Value, json};

use super::frame::{Data, MAX_DATAGRAM, VOCABULARY};
use crate::media::{Carry, Media, MediaFrame, Piece};
use crate::vocabulary::{Vocabulary as _, WordError};

/// Largest datagram of a frame that is carried in parts, in bytes.
const MAX_PART: u64 = 1_400;
/// Ticks per second of the QPC that is sent.
const QPF: u64 = 10_000_000;

/// Media of `mediastream`.
pub(super) const MEDIA: Media = Media {
    smallest: Data::MIN_LENGTH,
    largest: MAX_DATAGRAM,
    number: "sequence_number",
    datagrams,
    piece,
};

fn datagrams(frame: &MediaFrame) -> Result<Vec<Vec<u8>>, WordError> {
    let ticks = frame.time.as_nanos() * u128::from(QPF) / 1_000_000_000;
    let qpc = u64::try_from(ticks).unwrap_or(u64::MAX);
    let build = |name: &str, length: u64, places: Value| {
        let mut fields = Map::new();
        fields.insert("sequence_number".to_owned(), frame.number.into());
        fields.insert("qpc".to_owned(), qpc.into());
        fields.insert("qpf".to_owned(), QPF.into());
        fields.insert("payload".to_owned(), json!({"pattern": length}));
        fields.extend(places.as_object().cloned().unwrap_or_default());
        VOCABULARY.encode(name, &fields)
    };
    let header = header_length("data")?;
    let payload = frame.bytes.saturating_sub(header).max(1);
    match frame.carry {
        Carry::Whole if frame.bytes <= MAX_DATAGRAM as u64 => {
            Ok(vec![build("data", payload, Value::Null)?])
        }
        Carry::Whole | Carry::Split => {
            let most = match frame.carry {
                Carry::Split => MAX_PART,
                // It does not fit into one.
                Carry::Whole | Carry::Fragments => MAX_DATAGRAM as u64,
            };
            split(frame.bytes.max(header + 1), most, header + 1)
                .into_iter()
                .map(|size| build("data", size - header, Value::Null))
                .collect()
        }
        Carry::Fragments => {
            let header = header_length("fragment")?;
            let mut offset = 0;
            split(payload, MAX_PART - header, 1)
                .into_iter()
                .map(|length| {
                    let places = json!({"fragment_offset": offset, "total_length": payload});
                    offset += length;
                    build("fragment", length, places)
                })
                .collect()
        }
    }
}

fn piece(
    frame: &str,
    fields: &Map<String, Value>,
    datagram: &[u8],
    frame_bytes: u64,
) -> Option<Piece> {
    let field = |name: &str| fields.get(name).and_then(Value::as_u64);
    let number = field("sequence_number")?;
    match frame {
        "data" => Some(Piece {
            number,
            bytes: datagram.len() as u64,
            need: frame_bytes,
        }),
        "fragment" => {
            let place = VOCABULARY.locate(frame, "payload", datagram);
            Some(Piece {
                number,
                bytes: place.map_or(0, |(_, length)| length as u64),
                need: field("total_length")?,
            })
        }
        _ => None,
    }
}

/// Bytes before the payload of a frame.
fn header_length(frame: &str) -> Result<u64, WordError> {
    let datagram = VOCABULARY.encode(frame, &Map::new())?;
    let place = VOCABULARY.locate(frame, "payload", &datagram);
    Ok(place.map_or(0, |(offset, _)| offset as u64))
}

/// Cuts `total` into at least two pieces, none above `max` and, where that can be, none below
/// `min`: a rest too small for a header and a byte is never left (MS-D-03).
fn split(total: u64, max: u64, min: u64) -> Vec<u64> {
    if total < 2 * min {
        return vec![total];
    }
    if total <= max {
        return vec![total - total / 2, total / 2];
    }
    let mut rest = total;
    let mut pieces = Vec::new();
    while rest > 0 {
        let left = rest.saturating_sub(max);
        let piece = match left {
            1.. if left < min => rest - min,
            _ => rest - left,
        };
        pieces.push(piece);
        rest -= piece;
    }
    pieces
}
