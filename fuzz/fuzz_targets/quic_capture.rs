#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_capture::quic::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::quic_capture(bytes));
