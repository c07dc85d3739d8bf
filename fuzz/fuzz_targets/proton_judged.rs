#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_engine::fuzz;
use shakedown_protocol::proton::{PROTOCOL, fuzz::participants};

fuzz_target!(|bytes: &[u8]| fuzz::planned(&PROTOCOL, &|| participants(bytes)));
