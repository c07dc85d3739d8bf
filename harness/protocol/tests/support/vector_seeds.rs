//! The frame vectors as what seeds are made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shakedown_protocol::mediastream::frame::{FORMS, Frame};
use shakedown_protocol::mediastream::fuzz;

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

/// The bytes from which the target makes this datagram: the form, the fields, and the length of what
/// is not of fixed length at the very end.
pub(crate) fn arbitrary_frame(datagram: &[u8]) -> Vec<u8> {
    let Ok(Some(frame)) = Frame::decode(datagram) else {
        panic!("a good vector");
    };
    let form = frame.form();
    let index = FORMS.iter().position(|it| it.name == form.name).unwrap();
    let mut bytes = vec![index as u8];
    let mut rest = datagram.len();
    for (field, offset) in form.places() {
        let end = field
            .kind
            .width()
            .map_or(datagram.len(), |width| offset + width);
        let value = &datagram[offset..end];
        match field.key {
            // Seven of eight frames are of our version; of others the version follows.
            "version" if form.version == Some(value[0]) => bytes.push(0),
            "version" => bytes.extend([7, value[0]]),
            _ => bytes.extend(value),
        }
        rest = datagram.len() - offset;
    }
    let ends = form
        .fields
        .last()
        .is_some_and(|field| field.kind.width().is_none());
    match rest {
        _ if !ends => {}
        0 => {}
        1..256 => bytes.push(rest as u8),
        _ => bytes.extend((rest as u16).to_be_bytes()),
    }
    assert_eq!(fuzz::datagram(&bytes).as_deref(), Some(datagram));
    bytes
}
