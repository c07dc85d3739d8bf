#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_protocol::proton::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::server(bytes));
