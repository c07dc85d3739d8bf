#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_engine::fuzz;
use shakedown_protocol::mediastream::PROTOCOL;

fuzz_target!(|bytes: &[u8]| fuzz::capture(&PROTOCOL, bytes));
