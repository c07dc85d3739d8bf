use crate::StreamParameters;
use crate::mediastream::frame::Data;
use crate::mediastream::frame::tlv::{Tlv, Tlvs, kind};

use super::super::carry::SMALLEST_LIMIT;
use super::super::receive::LARGEST_FRAME;
use super::super::settings::Settings;

/// What the extensions of a START or a START_ACK say; `None` where one is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Parameters {
    /// Frames per second.
    pub(in super::super) frame_rate: Option<u32>,
    /// Bits per second.
    pub(in super::super) bit_rate: Option<u64>,
    /// Milliseconds.
    pub(in super::super) buffer_depth: Option<u32>,
    /// 1 to 64 bytes.
    pub(in super::super) codec_hint: Option<Vec<u8>>,
    pub(in super::super) stream_length: Option<u32>,
    /// Bytes of the largest datagram.
    pub(in super::super) max_datagram: Option<u32>,
}

/// What a Sender grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Grant {
    /// What its START_ACK says.
    pub(in super::super) parameters: Parameters,
    /// The stream that follows from it.
    pub(in super::super) stream: StreamParameters,
    /// Largest datagram that goes to the Receiver, in bytes.
    pub(in super::super) limit: usize,
}

impl Parameters {
    /// What a Receiver with these settings wants (MS-S-01).
    pub(in super::super) fn wanted(settings: &Settings) -> Self {
        let stream = &settings.stream;
        let limit = u32::try_from(settings.max_datagram).unwrap_or(u32::MAX);
        Self {
            frame_rate: Some(stream.frames_per_second),
            bit_rate: Some(stream.bits_per_second),
            stream_length: Some(stream.seconds),
            max_datagram: settings.tells_max_datagram.then_some(limit),
            buffer_depth: settings.buffer_depth,
            codec_hint: settings
                .codec_hint
                .as_ref()
                .map(|hint| hint.as_bytes().to_vec()),
        }
    }

    /// What a frame says.
    pub(in super::super) fn read(tlvs: &Tlvs<'_>) -> Self {
        Self {
            frame_rate: tlvs.u32(kind::FRAME_RATE),
            bit_rate: tlvs.u64(kind::BIT_RATE),
            buffer_depth: tlvs.u32(kind::BUFFER_DEPTH),
            codec_hint: tlvs.get(kind::CODEC_HINT).map(<[u8]>::to_vec),
            stream_length: tlvs.u32(kind::STREAM_LENGTH),
            max_datagram: tlvs.u32(kind::MAX_DATAGRAM),
        }
    }

    /// The extensions, in the order of their types.
    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let mut tlvs = Vec::new();
        let mut add = |kind, value: Option<&[u8]>| {
            if let Some(value) = value {
                Tlv { kind, value }.encode(&mut tlvs);
            }
        };
        let four = |value: Option<u32>| value.map(u32::to_le_bytes);
        add(
            kind::FRAME_RATE,
            four(self.frame_rate).as_ref().map(|v| &v[..]),
        );
        let bit_rate = self.bit_rate.map(u64::to_le_bytes);
        add(kind::BIT_RATE, bit_rate.as_ref().map(|v| &v[..]));
        add(
            kind::BUFFER_DEPTH,
            four(self.buffer_depth).as_ref().map(|v| &v[..]),
        );
        add(kind::CODEC_HINT, self.codec_hint.as_deref());
        add(
            kind::STREAM_LENGTH,
            four(self.stream_length).as_ref().map(|v| &v[..]),
        );
        add(
            kind::MAX_DATAGRAM,
            four(self.max_datagram).as_ref().map(|v| &v[..]),
        );
        tlvs
    }

    /// What a Sender with these settings grants of what was asked: never more than that, nor more
    /// than it has itself (MS-S-02). What was not asked is as the Sender likes.
    ///
    /// # Errors
    /// Why the parameters are invalid (MS-S-07), in words for a Diagnostic.
    pub(in super::super) fn grant(&self, settings: &Settings) -> Result<Grant, &'static str> {
        if self.buffer_depth == Some(0) {
            return Err("BufferDepth is 0");
        }
        let own = &settings.stream;
        let lower = |asked: Option<u32>, own: u32| asked.map_or(own, |asked| asked.min(own));
        let stream = StreamParameters {
            frames_per_second: lower(self.frame_rate, own.frames_per_second),
            bits_per_second: self
                .bit_rate
                .map_or(own.bits_per_second, |asked| asked.min(own.bits_per_second)),
            seconds: lower(self.stream_length, own.seconds),
        };
        check(&stream)?;
        let asked = self
            .max_datagram
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if asked.is_some_and(|bytes| bytes < SMALLEST_LIMIT) {
            return Err("MaxDatagram is too small");
        }
        let limit = settings.max_datagram.min(asked.unwrap_or(usize::MAX));
        let told = u32::try_from(limit).unwrap_or(u32::MAX);
        let parameters = Self {
            frame_rate: Some(stream.frames_per_second),
            bit_rate: Some(stream.bits_per_second),
            buffer_depth: self.buffer_depth,
            codec_hint: self.codec_hint.clone(),
            stream_length: Some(stream.seconds),
            max_datagram: asked.map(|_| told),
        };
        Ok(Grant {
            parameters,
            stream,
            limit,
        })
    }

    /// The stream that a Receiver, which asked for these parameters and for `stream`, takes over
    /// from what was granted: as asked, or less of it (MS-S-14).
    ///
    /// # Errors
    /// Why the grant is refused, for a Diagnostic and the log.
    pub(in super::super) fn take_over(
        &self,
        granted: &Self,
        stream: &StreamParameters,
    ) -> Result<StreamParameters, String> {
        let wide = |value: Option<u32>| value.map(u64::from);
        for (name, asked, granted) in [
            ("FrameRate", wide(self.frame_rate), wide(granted.frame_rate)),
            ("BitRate", self.bit_rate, granted.bit_rate),
            (
                "BufferDepth",
                wide(self.buffer_depth),
                wide(granted.buffer_depth),
            ),
            (
                "StreamLength",
                wide(self.stream_length),
                wide(granted.stream_length),
            ),
            (
                "MaxDatagram",
                wide(self.max_datagram),
                wide(granted.max_datagram),
            ),
        ] {
            match (asked, granted) {
                (_, Some(0)) => return Err(format!("{name} 0 was granted")),
                (Some(asked), Some(granted)) if granted > asked => {
                    return Err(format!(
                        "{name} {granted} was granted, {asked} was asked for"
                    ));
                }
                (_, Some(_) | None) => {}
            }
        }
        let taken = StreamParameters {
            frames_per_second: granted.frame_rate.unwrap_or(stream.frames_per_second),
            bits_per_second: granted.bit_rate.unwrap_or(stream.bits_per_second),
            seconds: granted.stream_length.unwrap_or(stream.seconds),
        };
        check(&taken)?;
        Ok(taken)
    }
}

/// Whether there can be such a stream.
fn check(stream: &StreamParameters) -> Result<(), &'static str> {
    let bytes = stream.frame_bytes();
    match stream {
        _ if stream.frames_per_second == 0 => Err("FrameRate is 0"),
        _ if stream.bits_per_second == 0 => Err("BitRate is 0"),
        _ if stream.seconds == 0 => Err("StreamLength is 0"),
        _ if bytes < Data::MIN_LENGTH as u64 => Err("BitRate is too low for FrameRate"),
        _ if bytes > LARGEST_FRAME => Err("BitRate is too high for FrameRate"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::super::settings::tests::settings;
    use super::*;

    /// Asked of a Sender of 400,000 bits and 50 frames per second for 2 seconds.
    fn asked(change: impl FnOnce(&mut Parameters)) -> Parameters {
        let mut asked = Parameters::default();
        change(&mut asked);
        asked
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        let all = Parameters {
            frame_rate: Some(25),
            bit_rate: Some(1 << 40),
            buffer_depth: Some(300),
            codec_hint: Some(b"opus".to_vec()),
            stream_length: Some(9),
            max_datagram: Some(900),
        };
        for parameters in [all, Parameters::default()] {
            let tlvs = parameters.encode();
            assert_eq!(Parameters::read(&Tlvs::from_bytes(&tlvs)), parameters);
        }
    }

    #[test]
    fn what_is_granted_is_the_lower_of_what_is_asked_and_what_there_is() {
        let settings = settings("start3", &[], &[("max_datagram", "1000")]);
        let grant = asked(|asked| {
            asked.frame_rate = Some(25);
            asked.bit_rate = Some(500_000);
            asked.buffer_depth = Some(7);
            asked.codec_hint = Some(b"x".to_vec());
            asked.max_datagram = Some(u32::MAX);
        })
        .grant(&settings)
        .unwrap();
        let expected = Parameters {
            frame_rate: Some(25),
            bit_rate: Some(400_000),
            buffer_depth: Some(7),
            codec_hint: Some(b"x".to_vec()),
            stream_length: Some(2),
            max_datagram: Some(1_000),
        };
        assert_eq!((grant.parameters, grant.limit), (expected, 1_000));
        assert_eq!(grant.stream.frame_bytes(), 2_000);
    }

    #[test]
    fn of_what_is_not_asked_the_stream_is_told_and_nothing_else() {
        let settings = settings("start3", &[], &[]);
        let grant = Parameters::default().grant(&settings).unwrap();
        assert_eq!(grant.stream, settings.stream);
        let expected = Parameters::wanted(&settings);
        assert_eq!((grant.parameters, grant.limit), (expected, 1_400));
    }

    #[rstest]
    #[case(asked(|p| p.frame_rate = Some(0)), "FrameRate is 0")]
    #[case(asked(|p| p.bit_rate = Some(0)), "BitRate is 0")]
    #[case(asked(|p| p.stream_length = Some(0)), "StreamLength is 0")]
    #[case(asked(|p| p.buffer_depth = Some(0)), "BufferDepth is 0")]
    #[case(asked(|p| p.max_datagram = Some(85)), "MaxDatagram is too small")]
    #[case(asked(|p| p.bit_rate = Some(10_799)), "BitRate is too low for FrameRate")]
    fn what_cannot_be_is_not_granted(#[case] asked: Parameters, #[case] why: &str) {
        let settings = settings("start3", &[], &[]);
        assert_eq!(asked.grant(&settings), Err(why));
    }

    #[rstest]
    #[case(asked(|p| p.frame_rate = Some(51)), "FrameRate 51 was granted, 50 was asked for")]
    #[case(asked(|p| p.bit_rate = Some(400_001)), "BitRate 400001 was granted, 400000 was asked for")]
    #[case(asked(|p| p.stream_length = Some(3)), "StreamLength 3 was granted, 2 was asked for")]
    #[case(asked(|p| p.max_datagram = Some(901)), "MaxDatagram 901 was granted, 900 was asked for")]
    #[case(asked(|p| p.frame_rate = Some(0)), "FrameRate 0 was granted")]
    #[case(asked(|p| p.buffer_depth = Some(0)), "BufferDepth 0 was granted")]
    #[case(asked(|p| p.bit_rate = Some(10_799)), "BitRate is too low for FrameRate")]
    fn a_grant_above_what_was_asked_is_refused(#[case] granted: Parameters, #[case] why: &str) {
        let settings = settings("start3", &[], &[("max_datagram", "900")]);
        let taken = Parameters::wanted(&settings).take_over(&granted, &settings.stream);
        assert_eq!(taken, Err(why.into()));
    }

    #[test]
    fn a_lower_grant_is_taken_over_and_one_that_says_nothing_is_as_asked() {
        let settings = settings("start3", &[], &[]);
        let wanted = Parameters::wanted(&settings);
        let granted = asked(|p| {
            p.frame_rate = Some(25);
            p.buffer_depth = Some(1_000);
            p.max_datagram = Some(1_000);
        });
        let taken = wanted.take_over(&granted, &settings.stream).unwrap();
        assert_eq!((taken.frames(), taken.frame_bytes()), (50, 2_000));
        let taken = wanted.take_over(&Parameters::default(), &settings.stream);
        assert_eq!(taken, Ok(settings.stream));
    }
}
