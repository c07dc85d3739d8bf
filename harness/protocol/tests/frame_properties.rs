//! What holds for every frame and for every datagram.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use shakedown_protocol::mediastream::frame::tlv::{Tlv, kind};
use shakedown_protocol::mediastream::frame::{ConnectionId, Control, FORMS, Frame};
use shakedown_protocol::mediastream::{Grammar, Mode, Modes, PROTOCOL};
use shakedown_wire::{Kind, Writer};

/// 37 bytes with a NUL somewhere.
fn id() -> impl Strategy<Value = [u8; ConnectionId::LENGTH]> {
    (
        vec(any::<u8>(), ConnectionId::LENGTH),
        0..ConnectionId::LENGTH,
    )
        .prop_map(|(bytes, nul)| {
            let mut id: [u8; ConnectionId::LENGTH] = bytes.try_into().unwrap();
            id[nul] = 0;
            id
        })
}

/// Extensions that keep the rules, known and unknown ones.
fn tlvs() -> impl Strategy<Value = Vec<u8>> {
    let number = |kind| any::<[u8; 4]>().prop_map(move |value| (kind, value.to_vec()));
    let one = prop_oneof![
        number(kind::MAX_DATAGRAM),
        number(kind::MAX_REASSEMBLY),
        "\\PC{0,60}".prop_map(|text| (kind::DIAGNOSTIC, text.into_bytes())),
        number(kind::FRAME_RATE),
        any::<[u8; 8]>().prop_map(|value| (kind::BIT_RATE, value.to_vec())),
        number(kind::BUFFER_DEPTH),
        "\\PC{1,16}".prop_map(|text| (kind::CODEC_HINT, text.into_bytes())),
        number(kind::STREAM_LENGTH),
        (0x0012_u16.., vec(any::<u8>(), 0..300)),
    ];
    vec(one, 0..4).prop_map(|tlvs| {
        let mut block = Vec::new();
        for (kind, value) in &tlvs {
            Tlv { kind: *kind, value }.encode(&mut block);
        }
        block
    })
}

/// A datagram of any form that keeps the rules.
fn whole() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![4 => Just(Control::VERSION), 1 => any::<u8>()];
    let rest = prop_oneof![
        vec(any::<u8>(), 1..64),
        (any::<u8>(), 1..2000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let fixed = any::<[u8; 67]>();
    (select(FORMS), fixed, version, id(), tlvs(), rest).prop_map(
        |(form, fixed, version, id, tlvs, rest)| {
            let mut datagram = Vec::new();
            form.start.write(&mut Writer::new(&mut datagram));
            for (field, offset) in form.places() {
                match (field.kind, field.kind.width()) {
                    (Kind::Text(_), _) => datagram.extend(id),
                    (Kind::Tlvs, _) => {
                        if form.needed == Some(kind::ERROR_CODE) {
                            datagram.extend([0x10, 0, 2, 0, fixed[0], 0]);
                        }
                        let is_ours = version == Control::VERSION;
                        datagram.extend(if is_ours { &tlvs } else { &rest });
                    }
                    (_, None) => datagram.extend(&rest),
                    (_, Some(_)) if field.key == "version" => datagram.push(version),
                    (_, Some(width)) => datagram.extend(&fixed[offset..offset + width]),
                }
            }
            datagram
        },
    )
}

/// Bytes of which many are nearly a frame: a known flag before them, a byte changed, an end cut.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let begun = (select(FORMS), vec(any::<u8>(), 0..120)).prop_map(|(form, rest)| {
        let mut datagram = Vec::new();
        form.start.write(&mut Writer::new(&mut datagram));
        datagram.extend(rest);
        datagram
    });
    prop_oneof![
        vec(any::<u8>(), 0..120),
        begun,
        (whole(), any::<Index>(), any::<u8>()).prop_map(|(mut datagram, at, byte)| {
            let at = at.index(datagram.len());
            datagram[at] = byte;
            datagram
        }),
        (whole(), any::<Index>()).prop_map(|(mut datagram, at)| {
            datagram.truncate(at.index(datagram.len()));
            datagram
        }),
    ]
}

/// Every mode, and several at once, with and without the START token, and uploads.
fn grammars() -> Vec<Grammar> {
    let modes = [
        "legacy",
        "3way",
        "start3",
        "3way,start3",
        "legacy,3way,start3",
    ];
    let both = modes.into_iter().flat_map(|modes| {
        let modes: Modes = modes.parse().unwrap();
        [false, true].map(|compatible| Grammar::new(modes, compatible))
    });
    let uploads = Grammar::new(Mode::Legacy, false).with_uploads();
    both.chain([uploads]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..Default::default() })]

    #[test]
    fn a_datagram_by_the_rules_is_decoded_and_encodes_to_the_same_bytes(datagram in whole()) {
        let frame = Frame::decode(&datagram).unwrap().unwrap();
        prop_assert_eq!(frame.to_vec(), datagram);
    }

    #[test]
    fn a_decoded_datagram_encodes_to_the_same_bytes(datagram in datagram()) {
        if let Ok(Some(frame)) = Frame::decode(&datagram) {
            prop_assert_eq!(frame.to_vec(), datagram);
        }
    }

    #[test]
    fn a_described_frame_is_written_with_the_same_bytes(datagram in whole()) {
        let words = PROTOCOL.vocabulary;
        let described = words.decode(&datagram).unwrap().unwrap();
        let encoded = words.encode(described.frame, &described.fields);
        prop_assert_eq!(encoded, Ok(datagram));
    }

    #[test]
    fn an_error_points_into_the_datagram(datagram in datagram()) {
        use shakedown_wire::Fault;
        if let Err(error) = Frame::decode(&datagram) {
            prop_assert!(error.offset <= datagram.len());
            if let Fault::Truncated { need, have } = error.fault {
                prop_assert_eq!(have, datagram.len() - error.offset);
                prop_assert!(need > have);
            }
        }
    }

    #[test]
    fn a_grammar_never_takes_what_the_decoder_refuses(datagram in datagram()) {
        let decoded = Frame::decode(&datagram);
        for grammar in grammars() {
            if let Ok(frame) = grammar.classify(&datagram) {
                prop_assert_eq!(decoded, Ok(Some(frame)));
            }
        }
    }

    #[test]
    fn a_grammar_takes_every_frame_of_its_forms_and_no_other(datagram in whole()) {
        let frame = Frame::decode(&datagram).unwrap().unwrap();
        for grammar in grammars() {
            let is_known = match frame {
                Frame::StartToken => grammar.start_token,
                Frame::JoinToken => grammar.join_token,
                Frame::Data(_) | Frame::Fragment(_) | Frame::ConnectionId(_) => true,
                Frame::Syn(_) | Frame::SynAck(_) | Frame::Ack(_) => grammar.handshake,
                Frame::Start(_) | Frame::StartAck(_) | Frame::StartConfirm(_) | Frame::Error(_) => {
                    grammar.start3
                }
            };
            prop_assert_eq!(grammar.classify(&datagram).ok(), is_known.then_some(frame));
        }
    }
}
