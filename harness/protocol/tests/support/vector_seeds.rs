//! The frame vectors as what seeds are made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shakedown_protocol::mediastream::frame::{Control, Frame, Header, Start3};

use crate::vector::Vector;

/// Vectors that are longer, in bytes, are no seeds: what is long about them is a fill.
const LONGEST: usize = 2_100;

/// The datagrams of the vectors by the form of the frame.
pub(crate) fn datagrams_by_form(vectors: &[Vector]) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut forms: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for vector in vectors {
        let name = name(vector);
        let form = name.split_once('.').map_or("", |(form, _)| form);
        forms
            .entry(form.to_owned())
            .or_default()
            .push(vector.datagram());
    }
    forms
}

/// All vectors that are no longer than a seed may be, by path.
pub(crate) fn vectors() -> Vec<Vector> {
    let root = Path::new("../../vectors/mediastream/frames");
    let mut paths: Vec<PathBuf> = Vec::new();
    for form in root.read_dir().unwrap().map(|form| form.unwrap().path()) {
        if form.is_dir() {
            paths.extend(form.read_dir().unwrap().map(|file| file.unwrap().path()));
        }
    }
    paths.sort();
    let vectors = paths.iter().map(|path| Vector::read(path));
    vectors
        .filter(|vector| vector.datagram().len() <= LONGEST)
        .collect()
}

/// `<form>.<name>`.
pub(crate) fn name(vector: &Vector) -> String {
    vector.id.replacen("mediastream/", "", 1).replace('/', ".")
}

/// The bytes from which the target makes the frame of this datagram: the form, the fields, and
/// the length of what is not of fixed length at the very end.
pub(crate) fn arbitrary_frame(datagram: &[u8]) -> Vec<u8> {
    let Ok(Some(frame)) = Frame::decode(datagram) else {
        panic!("a good vector");
    };
    let control = |form: u8, control: &Control<'_>| {
        let mut bytes = vec![form];
        bytes.extend(&datagram[2..Header::LENGTH]);
        // Seven of eight frames are of our version; of others the version follows.
        bytes.push(if control.version == Control::VERSION {
            0
        } else {
            7
        });
        let from = Header::LENGTH + usize::from(control.version == Control::VERSION);
        bytes.extend(&datagram[from..]);
        (bytes, datagram.len() - Control::TLV_OFFSET)
    };
    let start3 = |form: u8, body: &Start3<'_>| {
        let mut bytes = vec![form];
        bytes.extend(&datagram[2..Header::LENGTH]);
        bytes.push(if body.version == Start3::VERSION {
            0
        } else {
            7
        });
        let from = Header::LENGTH + usize::from(body.version == Start3::VERSION);
        bytes.extend(&datagram[from..]);
        (bytes, datagram.len() - Start3::TLV_OFFSET)
    };
    let (mut bytes, rest) = match frame {
        Frame::StartToken => (vec![0], None),
        Frame::JoinToken => (vec![7], None),
        Frame::Data(data) => ([&[1], &datagram[2..]].concat(), Some(data.payload.len())),
        Frame::Fragment(part) => ([&[2], &datagram[2..]].concat(), Some(part.payload.len())),
        Frame::Syn(syn) => wrap(control(3, &syn)),
        Frame::SynAck(syn_ack) => wrap(control(4, &syn_ack)),
        Frame::Ack(ack) => wrap(control(5, &ack)),
        Frame::Start(body) => wrap(start3(8, &body)),
        Frame::StartAck(body) => wrap(start3(9, &body)),
        Frame::StartConfirm(body) => wrap(start3(10, &body)),
        Frame::Error(body) => wrap(start3(11, &body)),
        Frame::ConnectionId(id) => ([&[6], &datagram[2..]].concat(), Some(id.trailing.len())),
    };
    match rest {
        None | Some(0) => {}
        Some(length @ ..256) => bytes.push(length as u8),
        Some(length) => bytes.extend((length as u16).to_be_bytes()),
    }
    let made = arbitrary::Unstructured::new(&bytes).arbitrary::<Frame<'_>>();
    assert_eq!(made, Ok(frame));
    bytes
}

fn wrap((bytes, rest): (Vec<u8>, usize)) -> (Vec<u8>, Option<usize>) {
    (bytes, Some(rest))
}
