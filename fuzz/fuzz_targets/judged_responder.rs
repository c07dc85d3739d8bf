#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_protocol::mediastream::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::judged_responder(bytes));
