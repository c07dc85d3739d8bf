#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_engine::fuzz;
use shakedown_protocol::mediastream::{PROTOCOL, fuzz::participants};
use shakedown_protocol::requirement::Role;

fuzz_target!(|bytes: &[u8]| fuzz::planned(&PROTOCOL, &|| participants(Role::Responder, bytes)));
