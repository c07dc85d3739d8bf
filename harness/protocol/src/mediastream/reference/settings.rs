use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::mediastream::Modes;
use crate::mediastream::frame::Data;
use crate::{ReferenceSettings, StreamParameters};

use super::carry::Carry;
use super::deviation::{Deviation, Deviations};
use super::receive::LARGEST_FRAME;
use super::timing;

/// Largest datagram that is sent by default, in bytes (specification, section 6).
const DEFAULT_MAX_DATAGRAM: usize = 1_400;
/// Half-open and established sessions at a time, by default: all ports of one host.
pub(super) const DEFAULT_MAX_SESSIONS: usize = 65_536;
/// Requests that wait for a slot, at most, by default (MS-X-06).
const DEFAULT_MAX_AWAITING: usize = 1_024;
/// Longest CodecHint, in bytes (specification, section 1).
pub(super) const LONGEST_HINT: usize = 64;
/// How long an initiator waits for something to come, by default.
const DEFAULT_BUFFER_PERIOD: Duration = Duration::from_secs(3);

/// A machine's settings, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// What a responder offers at once; an initiator has one.
    pub(super) modes: Modes,
    pub(super) allow_legacy_start: bool,
    pub(super) optimistic_start: bool,
    /// Whether a `start3` responder streams before START_CONFIRM (MS-S-04).
    pub(super) begin_immediately: bool,
    /// Whether an initiator takes the one-way behaviour too (MS-H-04, MS-S-09, MS-S-10).
    pub(super) fallback: bool,
    /// Streams to peers at a time, if they are counted (MS-X-02).
    pub(super) slots: Option<usize>,
    /// Uploads at a time; 0 if none are taken (MS-X-01).
    pub(super) upload_slots: usize,
    /// Requests that wait for a slot, at most (MS-X-06).
    pub(super) max_awaiting: usize,
    /// Whether an initiator sends the stream instead of taking it.
    pub(super) upload: bool,
    pub(super) stream: StreamParameters,
    /// Largest datagram that is sent, in bytes (MS-W-18).
    pub(super) max_datagram: usize,
    /// Whether `max_datagram` was given: an initiator then announces it in its SYN.
    pub(super) tells_max_datagram: bool,
    pub(super) carry: Carry,
    pub(super) max_half_open: usize,
    pub(super) max_sessions: usize,
    pub(super) half_open_age: Duration,
    pub(super) buffer_period: Duration,
    /// BufferDepth that a `start3` initiator asks for, in milliseconds.
    pub(super) buffer_depth: Option<u32>,
    /// CodecHint that a `start3` initiator asks for.
    pub(super) codec_hint: Option<String>,
    /// Whether payloads are compared with the pattern (MS-D-11).
    pub(super) verify: bool,
    pub(super) seed: u64,
    /// What a faulty twin leaves out: nothing, in the reference.
    pub(super) without: Deviations,
}

/// Of settings, only the stream changes: to what the two sides agree on (MS-S-14).
impl Hash for Settings {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.stream.hash(hasher);
    }
}

impl Settings {
    /// Default settings for a mode, a stream and a seed.
    ///
    /// # Errors
    /// There is no such mode.
    pub(super) fn usual(given: &ReferenceSettings) -> Result<Self, String> {
        Ok(Self {
            modes: given.mode.parse()?,
            allow_legacy_start: false,
            optimistic_start: false,
            begin_immediately: false,
            fallback: false,
            slots: None,
            upload_slots: 0,
            max_awaiting: DEFAULT_MAX_AWAITING,
            upload: false,
            stream: given.stream,
            max_datagram: DEFAULT_MAX_DATAGRAM,
            tells_max_datagram: false,
            carry: Carry::default(),
            max_half_open: timing::HALF_OPEN_LIMIT,
            max_sessions: DEFAULT_MAX_SESSIONS,
            half_open_age: timing::HALF_OPEN_AGE,
            buffer_period: DEFAULT_BUFFER_PERIOD,
            buffer_depth: None,
            codec_hint: None,
            verify: true,
            seed: given.seed,
            without: Deviations::default(),
        })
    }

    /// Whether this twin leaves a behaviour out.
    pub(super) const fn lacks(&self, deviation: Deviation) -> bool {
        self.without.has(deviation)
    }

    /// Bytes of a frame, headers of its datagrams included.
    pub(super) fn frame_bytes(&self) -> usize {
        usize::try_from(self.stream.frame_bytes()).unwrap_or(usize::MAX)
    }
}

pub(super) fn checked_stream(stream: StreamParameters) -> Result<StreamParameters, String> {
    if stream.frames() == 0 {
        return Err("a stream needs at least 1 frame per second and 1 second".into());
    }
    let bytes = stream.frame_bytes();
    if bytes < Data::MIN_LENGTH as u64 || bytes > LARGEST_FRAME {
        return Err(format!(
            "{} bits per second at {} frames per second make frames of {bytes} bytes; a frame has \
             {} (its header and one byte) to {LARGEST_FRAME}",
            stream.bits_per_second,
            stream.frames_per_second,
            Data::MIN_LENGTH,
        ));
    }
    Ok(stream)
}

#[cfg(test)]
pub(super) mod tests {
    use rstest::rstest;

    use super::*;
    use crate::requirement::Role;

    /// The stream of the reference: frames of 1,000 bytes, 20 ms apart, 100 of them.
    pub(in super::super) const STREAM: StreamParameters = StreamParameters {
        bits_per_second: 400_000,
        frames_per_second: 50,
        seconds: 2,
    };

    /// Settings of a machine in `mode`, with options by name.
    pub(in super::super) fn given(mode: &str, options: &[&str]) -> ReferenceSettings {
        ReferenceSettings {
            role: Role::Responder,
            mode: mode.into(),
            options: options.iter().map(ToString::to_string).collect(),
            stream: STREAM,
            peer: None,
            seed: 1,
            epoch: Duration::ZERO,
            extra: Vec::new(),
        }
    }

    /// Settings with extra ones by name.
    pub(in super::super) fn settings(
        mode: &str,
        options: &[&str],
        extra: &[(&str, &str)],
    ) -> Settings {
        let mut given = given(mode, options);
        given.extra = extra
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        Settings::new(&given).unwrap()
    }

    #[test]
    fn everything_has_the_default_of_the_specification() {
        let settings = Settings::new(&given("legacy", &[])).unwrap();
        assert_eq!(settings.max_datagram, 1_400);
        assert_eq!(settings.max_half_open, 1_024);
        assert_eq!(settings.half_open_age, Duration::from_secs(10));
        assert_eq!(settings.buffer_period, Duration::from_secs(3));
        assert_eq!(settings.frame_bytes(), 1_000);
    }

    #[rstest]
    #[case(
        "max_datagram",
        "85",
        "max_datagram \"85\": is no number from 86 to 65507"
    )]
    #[case(
        "max_datagram",
        "65508",
        "max_datagram \"65508\": is no number from 86 to 65507"
    )]
    #[case("buffer_depth", "9", "buffer_depth \"9\": applies to mode start3 only")]
    #[case(
        "codec_hint",
        "opus",
        "codec_hint \"opus\": applies to mode start3 only"
    )]
    #[case(
        "max_half_open",
        "0",
        "max_half_open \"0\": is no number from 1 to 65536"
    )]
    #[case("carry", "boat", "carry \"boat\": is neither split nor fragments")]
    #[case(
        "buffer_period",
        "NaNs",
        "buffer_period \"NaNs\": is no time such as 3s, 1.5s or 500ms, above 0 and up to a day"
    )]
    #[case(
        "buffer_period",
        "3",
        "buffer_period \"3\": is no time such as 3s, 1.5s or 500ms, above 0 and up to a day"
    )]
    #[case(
        "buffer_period",
        "-1s",
        "buffer_period \"-1s\": is no time such as 3s, 1.5s or 500ms, above 0 and up to a day"
    )]
    fn a_wrong_value_is_refused_with_what_would_be_right(
        #[case] name: &str,
        #[case] value: &str,
        #[case] expected: &str,
    ) {
        let mut given = given("3way", &[]);
        given.extra = vec![(name.into(), value.into())];
        assert_eq!(Settings::new(&given), Err(expected.into()));
    }

    #[rstest]
    #[case("buffer_depth", "0", "is no number of milliseconds above 0")]
    #[case("codec_hint", "", "is not 1 to 64 bytes long")]
    fn a_wish_that_no_start_can_say_is_refused(
        #[case] name: &str,
        #[case] value: &str,
        #[case] expected: &str,
    ) {
        let mut given = given("start3", &[]);
        given.extra = vec![(name.into(), value.into())];
        let error = format!("{name} {value:?}: {expected}");
        assert_eq!(Settings::new(&given), Err(error));
    }

    #[rstest]
    #[case("3s", 3_000)]
    #[case("1.5s", 1_500)]
    #[case("250ms", 250)]
    #[case("4m", 240_000)]
    fn spans_are_read_with_their_unit(#[case] text: &str, #[case] millis: u64) {
        let settings = settings("legacy", &[], &[("buffer_period", text)]);
        assert_eq!(settings.buffer_period, Duration::from_millis(millis));
    }

    #[test]
    fn an_option_of_the_3way_handshake_is_refused_in_legacy() {
        let error = Settings::new(&given("legacy", &["fallback"])).unwrap_err();
        assert_eq!(error, "fallback applies to mode 3way and start3 only");
    }

    #[rstest]
    #[case(400_000, 0, 2)]
    #[case(400_000, 50, 0)]
    #[case(10_000, 50, 2)]
    #[case(u64::MAX, 1, 2)]
    fn a_stream_that_cannot_be_is_refused(
        #[case] bits_per_second: u64,
        #[case] frames_per_second: u32,
        #[case] seconds: u32,
    ) {
        let mut given = given("legacy", &[]);
        given.stream = StreamParameters {
            bits_per_second,
            frames_per_second,
            seconds,
        };
        Settings::new(&given).unwrap_err();
    }
}
