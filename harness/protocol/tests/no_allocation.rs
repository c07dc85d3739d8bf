//! Decoding and classification allocate nothing, whatever the datagram.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/vector.rs"]
#[expect(dead_code, reason = "what a datagram says is another test's matter")]
mod vector;

use std::hint::black_box;
use std::path::PathBuf;

use allocation_counter::measure;
use rstest::rstest;
use shakedown_protocol::mediastream::frame::tlv::kind;
use shakedown_protocol::mediastream::frame::{Frame, Start3};
use vector::{Dialect, Vector};

#[rstest]
fn decoding_allocates_nothing(
    #[files("*/*.json")]
    #[base_dir = "../../vectors/mediastream/frames"]
    path: PathBuf,
) {
    let datagram = Vector::read(&path).datagram();

    let decoding = measure(|| {
        let _ = black_box(Frame::decode(black_box(&datagram)));
    });
    assert_eq!(decoding.count_total, 0);

    for dialect in Dialect::ALL {
        let grammar = dialect.grammar();
        let classifying = measure(|| {
            let _ = black_box(grammar.classify(black_box(&datagram)));
        });
        assert_eq!(classifying.count_total, 0, "{dialect:?}");
    }
}

#[test]
fn what_is_in_a_frame_is_read_without_allocation() {
    let syn_ack = Vector::read(
        "../../vectors/mediastream/frames/syn-ack/accepts-with-both-limits.json".as_ref(),
    );
    let datagram = syn_ack.datagram();
    let reading = measure(|| {
        let Ok(Some(Frame::SynAck(control))) = Frame::decode(&datagram) else {
            panic!("it is a SYN-ACK");
        };
        assert!(control.accepts());
        assert!(!control.connection_id().is_empty());
        assert_eq!(control.max_datagram(), Some(1400));
    });
    assert_eq!(reading.count_total, 0);
}

#[test]
fn what_is_in_a_start_ack_is_read_without_allocation() {
    let start_ack =
        Vector::read("../../vectors/mediastream/frames/start-ack/all-parameters.json".as_ref());
    let datagram = start_ack.datagram();
    let reading = measure(|| {
        let Ok(Some(Frame::StartAck(body))) = Frame::decode(&datagram) else {
            panic!("it is a START_ACK");
        };
        assert!(body.has(Start3::ACK_REQUIRED));
        assert_eq!(body.tlvs.u32(kind::FRAME_RATE), Some(50));
        assert_eq!(body.tlvs.u64(kind::BIT_RATE), Some(400_000));
        assert_eq!(body.tlvs.u32(kind::MAX_DATAGRAM), Some(1400));
    });
    assert_eq!(reading.count_total, 0);
}

#[test]
fn the_counter_sees_an_allocation() {
    let allocating = measure(|| {
        black_box(Frame::StartToken.to_vec());
    });
    assert!(allocating.count_total > 0);
}
