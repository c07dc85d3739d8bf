#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_protocol::darktower::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::protobuf(bytes));
