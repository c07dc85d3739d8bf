#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_engine::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::description(bytes));
