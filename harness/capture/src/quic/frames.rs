//! Frames: RFC 9000, section 19, and RFC 9221.

use shakedown_wire::quic::{CloseCode, Flow, Level};
use shakedown_wire::{DecodeError, Reader, Rule, planted};

use super::header::{Id, length};

/// A frame, as far as anyone here wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Of a type that says nothing which anyone here wants to know, such as PING.
    Skipped,
    Ack {
        largest: u64,
        /// Which of the newest 64 are acknowledged: bit n stands for the one n below the largest.
        newest: u64,
    },
    Crypto {
        offset: u64,
        data: &'a [u8],
    },
    ResetStream {
        stream: u64,
        code: u64,
        final_size: u64,
    },
    StopSending {
        stream: u64,
        code: u64,
    },
    Stream {
        stream: u64,
        offset: u64,
        fin: bool,
        data: &'a [u8],
    },
    Flow(Flow),
    NewConnectionId {
        id: Id,
        token: [u8; 16],
    },
    Close {
        code: CloseCode,
        reason: &'a [u8],
    },
    HandshakeDone,
    Datagram(&'a [u8]),
    /// Of an extension that is not known here, or of none. Where it ends is not known.
    Unknown(u64),
}

/// Whether a packet with a frame of this type has to be acknowledged: all but PADDING, ACK and
/// CONNECTION_CLOSE (RFC 9000, section 13.2).
pub(super) const fn is_ack_eliciting(kind: u64) -> bool {
    !matches!(kind, 0x00 | 0x02 | 0x03 | 0x1c | 0x1d)
}

/// Whether a frame of this type may be sent to try a path, without moving there: PADDING,
/// NEW_CONNECTION_ID, PATH_CHALLENGE and PATH_RESPONSE (RFC 9000, section 9.1).
pub(super) const fn is_probing(kind: u64) -> bool {
    matches!(kind, 0x00 | 0x18 | 0x1a | 0x1b)
}

/// RFC 9000, sections 12.4 and 12.5. What is not known is no frame of a handshake.
const fn is_allowed(kind: u64, level: Level) -> bool {
    match level {
        Level::OneRtt => true,
        // PADDING, PING, ACK, CRYPTO and the CONNECTION_CLOSE of QUIC.
        Level::Initial | Level::Handshake => matches!(kind, 0x00..=0x03 | 0x06 | 0x1c),
        // All but ACK, CRYPTO, NEW_TOKEN, RETIRE_CONNECTION_ID, PATH_RESPONSE, HANDSHAKE_DONE,
        // IMMEDIATE_ACK and ACK_FREQUENCY.
        Level::ZeroRtt => !matches!(
            kind,
            0x02 | 0x03 | 0x06 | 0x07 | 0x19 | 0x1b | 0x1e | 0x1f | 0xaf
        ),
    }
}

/// The next frame of a packet at this level, with its type; `None` at its end.
pub(super) fn next<'a>(
    reader: &mut Reader<'a>,
    level: Level,
) -> Result<Option<(u64, Frame<'a>)>, DecodeError> {
    if reader.remaining() == 0 {
        return Ok(None);
    }
    let offset = reader.offset();
    let kind = reader.quic_varint("frame type")?;
    let frame = frame(reader, kind)?;
    if !is_allowed(kind, level) {
        let why = "is not allowed in a packet of this type";
        return Err(DecodeError::invalid(
            "frame type",
            offset,
            Rule::Unexpected,
            why,
        ));
    }
    Ok(Some((kind, frame)))
}

fn frame<'a>(reader: &mut Reader<'a>, kind: u64) -> Result<Frame<'a>, DecodeError> {
    Ok(match kind {
        0x00 => {
            // Of PADDING there is seldom one frame alone.
            let rest = reader.clone().rest();
            let more = rest.iter().take_while(|byte| **byte == 0).count();
            reader.bytes("padding", more)?;
            Frame::Skipped
        }
        0x01 | 0x1f => Frame::Skipped, // PING, IMMEDIATE_ACK
        0x02 | 0x03 => acknowledgement(reader, kind == 0x03)?,
        0x04 => Frame::ResetStream {
            stream: reader.quic_varint("stream id")?,
            code: reader.quic_varint("application error code")?,
            final_size: reader.quic_varint("final size")?,
        },
        0x05 => Frame::StopSending {
            stream: reader.quic_varint("stream id")?,
            code: reader.quic_varint("application error code")?,
        },
        0x06 => {
            let offset = reader.quic_varint("crypto offset")?;
            let length = length(reader, "crypto length")?;
            let data = reader.bytes("crypto data", length)?;
            Frame::Crypto { offset, data }
        }
        0x07 => {
            let length = length(reader, "token length")?;
            reader.bytes("token", length)?;
            Frame::Skipped // NEW_TOKEN
        }
        0x08..=0x0f => stream(reader, kind)?,
        0x10..=0x17 => flow(reader, kind)?,
        0x18 => new_connection_id(reader)?,
        0x19 => {
            reader.quic_varint("sequence number")?;
            Frame::Skipped // RETIRE_CONNECTION_ID
        }
        0x1a => {
            reader.array::<8>("path challenge data")?;
            Frame::Skipped
        }
        0x1b => {
            reader.array::<8>("path response data")?;
            Frame::Skipped
        }
        0x1c | 0x1d => close(reader, kind == 0x1c)?,
        0x1e => Frame::HandshakeDone,
        0x30 => Frame::Datagram(reader.rest()),
        0x31 => {
            let length = length(reader, "datagram length")?;
            Frame::Datagram(reader.bytes("datagram data", length)?)
        }
        0xaf => {
            for field in [
                "sequence number",
                "ack-eliciting threshold",
                "requested max ack delay",
                "reordering threshold",
            ] {
                reader.quic_varint(field)?;
            }
            Frame::Skipped // ACK_FREQUENCY
        }
        unknown => {
            reader.rest();
            Frame::Unknown(unknown)
        }
    })
}

fn acknowledgement<'a>(reader: &mut Reader<'a>, counts: bool) -> Result<Frame<'a>, DecodeError> {
    let largest = reader.quic_varint("largest acknowledged")?;
    reader.quic_varint("ack delay")?;
    let ranges = reader.quic_varint("ack range count")?;
    let first = reader.quic_varint("first ack range")?;
    let mut newest = run(0, first);
    let mut end = first;
    // Each range takes at least two bytes, so that the packet's end bounds this.
    for _ in 0..ranges {
        let start = end
            .saturating_add(reader.quic_varint("gap")?)
            .saturating_add(2);
        let length = reader.quic_varint("ack range length")?;
        newest |= run(start, length);
        end = start.saturating_add(length);
    }
    if counts {
        for field in ["ECT0 count", "ECT1 count", "ECN-CE count"] {
            reader.quic_varint(field)?;
        }
    }
    Ok(Frame::Ack { largest, newest })
}

/// The bits from `start` on and `length` after it, as far as there are any.
fn run(start: u64, length: u64) -> u64 {
    let bits = |end: u64| {
        1_u64
            .checked_shl(u32::try_from(end).unwrap_or(u32::MAX))
            .map_or(u64::MAX, |bit| bit - 1)
    };
    bits(start.saturating_add(length).saturating_add(1)) & !bits(start)
}

fn stream<'a>(reader: &mut Reader<'a>, kind: u64) -> Result<Frame<'a>, DecodeError> {
    let stream = reader.quic_varint("stream id")?;
    let offset = if kind & 4 != 0 {
        reader.quic_varint("stream offset")?
    } else {
        0
    };
    planted::panics("stream-offset", || offset > 1 << 61);
    let data = if kind & 2 != 0 {
        let length = length(reader, "stream length")?;
        reader.bytes("stream data", length)?
    } else {
        reader.rest()
    };
    Ok(Frame::Stream {
        stream,
        offset,
        fin: kind & 1 != 0,
        data,
    })
}

fn flow<'a>(reader: &mut Reader<'a>, kind: u64) -> Result<Frame<'a>, DecodeError> {
    Ok(Frame::Flow(match kind {
        0x10 => Flow::MaxData(reader.quic_varint("maximum data")?),
        0x11 => Flow::MaxStreamData {
            stream: reader.quic_varint("stream id")?,
            maximum: reader.quic_varint("maximum stream data")?,
        },
        0x12 | 0x13 => Flow::MaxStreams {
            unidirectional: kind == 0x13,
            maximum: reader.quic_varint("maximum streams")?,
        },
        0x14 => Flow::DataBlocked(reader.quic_varint("maximum data")?),
        0x15 => Flow::StreamDataBlocked {
            stream: reader.quic_varint("stream id")?,
            limit: reader.quic_varint("maximum stream data")?,
        },
        _ => Flow::StreamsBlocked {
            unidirectional: kind == 0x17,
            limit: reader.quic_varint("maximum streams")?,
        },
    }))
}

fn new_connection_id<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, DecodeError> {
    reader.quic_varint("sequence number")?;
    reader.quic_varint("retire prior to")?;
    let offset = reader.offset();
    let length = reader.u8("connection id length")?;
    let id = reader.bytes("connection id", length.into())?;
    let id = Id::new(id).filter(|id| !id.is_empty()).ok_or_else(|| {
        DecodeError::invalid(
            "connection id length",
            offset,
            Rule::Length,
            "is not 1 to 20",
        )
    })?;
    let token = *reader.array("stateless reset token")?;
    Ok(Frame::NewConnectionId { id, token })
}

fn close<'a>(reader: &mut Reader<'a>, transport: bool) -> Result<Frame<'a>, DecodeError> {
    let code = reader.quic_varint("error code")?;
    let code = if transport {
        let frame_type = reader.quic_varint("frame type of the error")?;
        CloseCode::Transport { code, frame_type }
    } else {
        CloseCode::Application { code }
    };
    let length = length(reader, "reason phrase length")?;
    let reason = reader.bytes("reason phrase", length)?;
    Ok(Frame::Close { code, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], level: Level) -> Result<Vec<Frame<'_>>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let frames = std::iter::from_fn(|| next(&mut reader, level).transpose());
        frames.map(|frame| frame.map(|(_, frame)| frame)).collect()
    }

    #[test]
    fn ranges_of_an_ack_beyond_64_packets_are_cut() {
        assert_eq!(run(0, 63), u64::MAX);
        assert_eq!(run(0, u64::MAX), u64::MAX);
        assert_eq!(run(63, 1), 1 << 63);
        assert_eq!(run(64, 0), 0);
    }

    #[test]
    fn each_frame_is_read_to_its_end() {
        let cases: [(&[u8], Frame<'_>); 29] = [
            (&[0], Frame::Skipped),
            (&[1], Frame::Skipped),
            (
                &[2, 9, 0, 1, 0, 2, 3],
                Frame::Ack {
                    largest: 9,
                    newest: 0b1111_0001,
                },
            ),
            (
                &[3, 9, 0, 0, 0, 1, 2, 3],
                Frame::Ack {
                    largest: 9,
                    newest: 1,
                },
            ),
            (
                &[4, 1, 2, 3],
                Frame::ResetStream {
                    stream: 1,
                    code: 2,
                    final_size: 3,
                },
            ),
            (&[5, 1, 2], Frame::StopSending { stream: 1, code: 2 }),
            (
                &[6, 1, 2, 8, 9],
                Frame::Crypto {
                    offset: 1,
                    data: &[8, 9],
                },
            ),
            (&[7, 2, 8, 9], Frame::Skipped),
            (
                &[0x0e, 4, 5, 1, 9],
                Frame::Stream {
                    stream: 4,
                    offset: 5,
                    fin: false,
                    data: &[9],
                },
            ),
            (
                &[0x0b, 4, 0],
                Frame::Stream {
                    stream: 4,
                    offset: 0,
                    fin: true,
                    data: &[],
                },
            ),
            (&[0x10, 7], Frame::Flow(Flow::MaxData(7))),
            (
                &[0x11, 7, 8],
                Frame::Flow(Flow::MaxStreamData {
                    stream: 7,
                    maximum: 8,
                }),
            ),
            (&[0x12, 7], max_streams(false)),
            (&[0x13, 7], max_streams(true)),
            (&[0x14, 7], Frame::Flow(Flow::DataBlocked(7))),
            (
                &[0x15, 7, 8],
                Frame::Flow(Flow::StreamDataBlocked {
                    stream: 7,
                    limit: 8,
                }),
            ),
            (&[0x16, 7], streams_blocked(false)),
            (&[0x17, 7], streams_blocked(true)),
            (
                &[
                    0x18, 1, 0, 2, 8, 9, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
                ],
                Frame::NewConnectionId {
                    id: Id::new(&[8, 9]).unwrap(),
                    token: [5; 16],
                },
            ),
            (&[0x19, 1], Frame::Skipped),
            (&[0x1a, 1, 2, 3, 4, 5, 6, 7, 8], Frame::Skipped),
            (&[0x1b, 1, 2, 3, 4, 5, 6, 7, 8], Frame::Skipped),
            (
                &[0x1c, 0x41, 0x78, 6, 2, b'n', b'o'],
                Frame::Close {
                    code: CloseCode::Transport {
                        code: 0x178,
                        frame_type: 6,
                    },
                    reason: b"no",
                },
            ),
            (
                &[0x1d, 5, 0],
                Frame::Close {
                    code: CloseCode::Application { code: 5 },
                    reason: b"",
                },
            ),
            (&[0x1e], Frame::HandshakeDone),
            (&[0x1f], Frame::Skipped),
            (&[0x40, 0xaf, 1, 2, 3, 4], Frame::Skipped),
            (&[0x31, 1, 9], Frame::Datagram(&[9])),
            (&[0x31, 0], Frame::Datagram(&[])),
        ];
        for (bytes, frame) in cases {
            let with_more = [bytes, &[1]].concat();
            assert_eq!(
                all(&with_more, Level::OneRtt).unwrap(),
                [frame, Frame::Skipped],
                "{bytes:02x?}"
            );
            for end in 1..bytes.len() {
                assert!(all(&bytes[..end], Level::OneRtt).is_err(), "{bytes:02x?}");
            }
        }
    }

    #[test]
    fn a_packet_of_acknowledgements_padding_and_a_close_elicits_none() {
        let rules = |bytes: &[u8]| {
            let (kind, _) = next(&mut Reader::new(bytes), Level::OneRtt)
                .unwrap()
                .unwrap();
            (is_ack_eliciting(kind), is_probing(kind))
        };
        assert_eq!(rules(&[0]), (false, true));
        assert_eq!(rules(&[1]), (true, false));
        assert_eq!(rules(&[2, 9, 0, 0, 0]), (false, false));
        assert_eq!(rules(&[0x1a, 1, 2, 3, 4, 5, 6, 7, 8]), (true, true));
        assert_eq!(rules(&[0x1d, 5, 0]), (false, false));
        assert_eq!(rules(&[0x40, 0x42]), (true, false));
    }

    fn max_streams(unidirectional: bool) -> Frame<'static> {
        Frame::Flow(Flow::MaxStreams {
            unidirectional,
            maximum: 7,
        })
    }

    fn streams_blocked(unidirectional: bool) -> Frame<'static> {
        Frame::Flow(Flow::StreamsBlocked {
            unidirectional,
            limit: 7,
        })
    }

    #[test]
    fn frames_without_a_length_reach_to_the_end_of_the_packet() {
        let frames = all(&[0x08, 4, 1, 2], Level::OneRtt).unwrap();
        let data = &[1, 2][..];
        let expected = Frame::Stream {
            stream: 4,
            offset: 0,
            fin: false,
            data,
        };
        assert_eq!(frames, [expected]);
        assert_eq!(
            all(&[0x30, 1, 2], Level::OneRtt).unwrap(),
            [Frame::Datagram(data)]
        );
    }

    #[test]
    fn a_frame_at_the_wrong_level_or_of_no_type_is_told() {
        let error = all(&[1, 0x08, 4, 1], Level::Handshake).unwrap_err();
        assert_eq!(
            error.to_string(),
            "frame type at offset 1: is not allowed in a packet of this type"
        );
        assert!(all(&[0x1d, 5, 0], Level::Initial).is_err());
        assert!(all(&[0x08, 4, 1], Level::ZeroRtt).is_ok());
        assert!(all(&[0x1e], Level::ZeroRtt).is_err());
    }

    #[test]
    fn a_frame_of_unknown_type_ends_what_is_read_of_a_packet() {
        let frames = all(&[1, 0x40, 0x42, 1, 1], Level::OneRtt).unwrap();
        assert_eq!(frames, [Frame::Skipped, Frame::Unknown(0x42)]);
        assert!(all(&[0x40, 0x42], Level::Initial).is_err());
    }
}
