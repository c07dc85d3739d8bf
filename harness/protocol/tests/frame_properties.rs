//! What holds for every frame and for every datagram.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use shakedown_protocol::mediastream::frame::tlv::{Tlv, Tlvs, kind};
use shakedown_protocol::mediastream::frame::{
    ConnectionId, ConnectionIdFrame, Control, Data, Fragment, Frame, Header, Start3, flag,
};
use shakedown_protocol::mediastream::{Grammar, Mode, Modes, PROTOCOL};

/// The bytes that a frame borrows, and its numbers.
#[derive(Debug, Clone)]
struct Parts {
    form: usize,
    header: Header,
    position: (u64, u64),
    version: u8,
    flags: u8,
    reserved: u16,
    id: [u8; ConnectionId::LENGTH],
    tlvs: Vec<u8>,
    rest: Vec<u8>,
    /// The extensions of an ERROR, made when they are needed.
    error: std::cell::OnceCell<Vec<u8>>,
}

impl Parts {
    fn frame(&self) -> Frame<'_> {
        let control = || {
            let mut control = Control::new(&self.id);
            control.header = self.header;
            control.version = self.version;
            control.flags = self.flags;
            control.reserved = self.reserved;
            control.tlvs = Tlvs::from_bytes(match self.version {
                Control::VERSION => &self.tlvs,
                _ => &self.rest,
            });
            control
        };
        let start3 = |block| {
            let (nonce, sender_nonce) = self.position;
            let mut body = Start3::new(self.header.qpc, nonce, sender_nonce);
            body.header = self.header;
            body.version = self.version;
            body.reserved = self.flags;
            body.flags = self.reserved;
            body.tlvs = Tlvs::from_bytes(block);
            body
        };
        let block = match self.version {
            Start3::VERSION => &self.tlvs[..],
            _ => &self.rest[..],
        };
        // An ERROR has its code before anything else.
        let error = || [&[0x10, 0, 2, 0, self.flags, 0][..], block].concat();
        match self.form {
            0 => Frame::StartToken,
            1 => Frame::Data(Data {
                header: self.header,
                payload: &self.rest,
            }),
            2 => Frame::Fragment(Fragment {
                header: self.header,
                fragment_offset: self.position.0,
                total_length: self.position.1,
                payload: &self.rest,
            }),
            3 => Frame::Syn(control()),
            4 => Frame::SynAck(control()),
            5 => Frame::Ack(control()),
            6 => Frame::JoinToken,
            7 => Frame::Start(start3(block)),
            8 => Frame::StartAck(start3(block)),
            9 => Frame::StartConfirm(start3(block)),
            10 => Frame::Error(start3(self.error.get_or_init(error))),
            _ => Frame::ConnectionId(ConnectionIdFrame::new(&self.id, &self.rest)),
        }
    }
}

fn header() -> impl Strategy<Value = Header> {
    any::<(u64, u64, u64)>().prop_map(|(sequence_number, qpc, qpf)| Header {
        sequence_number,
        qpc,
        qpf,
    })
}

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
        vec(any::<u8>(), 0..=255).prop_map(|value| (kind::DIAGNOSTIC, value)),
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

fn parts() -> impl Strategy<Value = Parts> {
    let version = prop_oneof![4 => Just(Control::VERSION), 1 => any::<u8>()];
    let rest = prop_oneof![
        vec(any::<u8>(), 1..64),
        (any::<u8>(), 1..2000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let numbers = (any::<(u64, u64)>(), version, any::<u8>(), any::<u16>());
    (0..12_usize, header(), numbers, id(), tlvs(), rest).prop_map(
        |(form, header, (position, version, flags, reserved), id, tlvs, rest)| Parts {
            form,
            header,
            position,
            version,
            flags,
            reserved,
            id,
            tlvs,
            rest,
            error: std::cell::OnceCell::new(),
        },
    )
}

/// Bytes of which many are nearly a frame: a known flag before them, a byte changed, an end cut.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop::sample::select(vec![
        flag::DATA,
        flag::FRAGMENT,
        flag::SYN,
        flag::SYN_ACK,
        flag::ACK,
        flag::START,
        flag::START_ACK,
        flag::START_CONFIRM,
        flag::ERROR,
        flag::CONNECTION_ID,
    ]);
    prop_oneof![
        vec(any::<u8>(), 0..120),
        (flags, vec(any::<u8>(), 0..120)).prop_map(|(flag, rest)| {
            let mut datagram = flag.to_le_bytes().to_vec();
            datagram.extend(rest);
            datagram
        }),
        (parts(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(parts, at, byte)| {
            let mut datagram = parts.frame().to_vec();
            let at = at.index(datagram.len());
            datagram[at] = byte;
            datagram
        }),
        (parts(), any::<prop::sample::Index>()).prop_map(|(parts, at)| {
            let mut datagram = parts.frame().to_vec();
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
    fn an_encoded_frame_decodes_to_the_same_frame(parts in parts()) {
        let frame = parts.frame();
        let datagram = frame.to_vec();
        prop_assert_eq!(Frame::decode(&datagram), Ok(Some(frame)));
    }

    #[test]
    fn a_decoded_datagram_encodes_to_the_same_bytes(datagram in datagram()) {
        if let Ok(Some(frame)) = Frame::decode(&datagram) {
            prop_assert_eq!(frame.to_vec(), datagram);
        }
    }

    #[test]
    fn a_described_frame_is_written_with_the_same_bytes(parts in parts()) {
        let datagram = parts.frame().to_vec();
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
    fn a_grammar_takes_every_frame_of_its_forms_and_no_other(parts in parts()) {
        let frame = parts.frame();
        let datagram = frame.to_vec();
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
