//! Every committed scenario against the reference in virtual time, for descriptions with other streams
//! than ours: the reference passes, or the scenario says what stream it needs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use rstest::rstest;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::simulation::Settings;
use shakedown_protocol::StreamParameters;
use support::failures;

#[rstest]
#[case::ten_frames(10, 1_000, 1)]
#[case::one_frame(1, 1_000, 1)]
#[case::one_frame_a_second(1, 1_000, 8)]
#[case::four_frames_a_second(4, 1_000, 5)]
#[case::four_frames(4, 1_000, 1)]
#[case::twenty_frames(20, 1_000, 1)]
#[case::thirty_frames(30, 1_000, 1)]
#[case::a_thousand_frames_a_second(1_000, 1_000, 1)]
#[case::frames_of_50_kb(20, 50_000, 2)]
#[case::frames_of_66_kb(10, 66_000, 2)]
#[case::frames_of_200_kb(5, 200_000, 2)]
#[case::frames_of_a_byte(50, 27, 2)]
#[case::a_long_stream(8, 500, 60)]
fn the_reference_passes_with(
    #[case] frames_per_second: u32,
    #[case] bytes: u64,
    #[case] seconds: u32,
) {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let settings = Settings {
        stream: StreamParameters {
            bits_per_second: bytes * 8 * u64::from(frames_per_second),
            frames_per_second,
            seconds,
        },
        ..Settings::default()
    };
    // What it streams for the others is no other stream.
    let is_played = |scenario: &Scenario| settings.stream_of(scenario) == settings.stream;
    let failed = failures(protocol, &settings, is_played);
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
}
