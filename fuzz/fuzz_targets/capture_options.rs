#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_capture::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::options(bytes));
