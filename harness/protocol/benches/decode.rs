//! Time to decode and to classify one datagram; the target is under 15 ns each on one core.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown_protocol::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use shakedown_protocol::mediastream::frame::{
    ConnectionId, ConnectionIdFrame, Control, Data, Frame, Header, Start3,
};
use shakedown_protocol::mediastream::{Grammar, Modes, pattern};

fn decode(criterion: &mut Criterion) {
    let id = ConnectionId::from_text(b"2c671347-5b88-41ad-802c-0c856ff8bb4b");
    let id = *id.unwrap_or(ConnectionId::EMPTY).as_bytes();
    let data = Frame::Data(Data {
        header: Header {
            sequence_number: 1,
            qpc: 8_276_534_557,
            qpf: 10_000_000,
        },
        payload: pattern::prefix(974),
    });
    let mut syn_ack = Control::new(&id);
    syn_ack.flags = Control::ACCEPT;
    let mut parameters = Vec::new();
    for (kind, value) in [
        (kind::FRAME_RATE, &50_u32.to_le_bytes()[..]),
        (kind::BIT_RATE, &400_000_u64.to_le_bytes()),
        (kind::STREAM_LENGTH, &10_u32.to_le_bytes()),
    ] {
        Tlv { kind, value }.encode(&mut parameters);
    }
    let mut start_ack = Start3::new(1, 2, 3);
    start_ack.flags = Start3::ACK_REQUIRED;
    start_ack.tlvs = Tlvs::from_bytes(&parameters);
    let frames = [
        ("data", data),
        ("SYN-ACK", Frame::SynAck(syn_ack)),
        ("START_ACK", Frame::StartAck(start_ack)),
        (
            "connection-id",
            Frame::ConnectionId(ConnectionIdFrame::new(&id, &[])),
        ),
    ];

    let mut group = criterion.benchmark_group("decode");
    for (name, frame) in frames {
        let datagram = frame.to_vec();
        group.bench_function(name, |bencher| {
            bencher.iter(|| Frame::decode(black_box(&datagram)));
        });
    }
    group.finish();

    let modes = "3way,start3"
        .parse::<Modes>()
        .unwrap_or_else(|problem| unreachable!("{problem}"));
    let grammar = Grammar::new(modes, true);
    let mut group = criterion.benchmark_group("classify");
    for (name, frame) in frames {
        let datagram = frame.to_vec();
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(grammar).classify(black_box(&datagram)));
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
