#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_protocol::mediastream::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::decode_start3(bytes));
