#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown_carrier::fuzz;
use shakedown_protocol::Transport;
use shakedown_protocol::proton::{Server, ServerSettings, TRANSPORT, Workload, WorkloadClient};

fuzz_target!(|bytes: &[u8]| {
    let server = Server::new(ServerSettings::default());
    let client = WorkloadClient::new(Workload::default());
    let transport = Transport {
        datagrams: true,
        ..TRANSPORT
    };
    fuzz::carrier(transport, server, client, bytes);
});
