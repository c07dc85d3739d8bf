//! Wireshark reads by `shakedown dissector` what `shakedown dissect` reads.
#![allow(
    clippy::disallowed_types,
    clippy::panic,
    clippy::unwrap_used,
    reason = "programs are run as processes, and a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rstest::rstest;
use serde_json::Value;
use shakedown_capture::{MAX_PAYLOAD_IPV4, Tap, WriterSettings};
use shakedown_protocol::{Protocol, pattern};
use support::shakedown;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Of the golden captures of a protocol one of so many is read: each takes tshark 0.3 s.
const ONE_OF: u32 = 3;
/// Between the values of a field.
const BETWEEN: char = '\u{1f}';

/// Fields that `dissect` writes in a way of its own: as a pattern, or as a list.
const UNCOMPARED: [&str; 5] = ["payload", "tlvs", "trailing", "type", "value"];
/// Stands for a text that is no UTF-8, of which `dissect` writes the bytes.
const NO_TEXT: &str = "<no text>";

/// The values of each field of each packet, sorted; a field by the last part of its name.
type Values = BTreeMap<(u64, String), Vec<String>>;

struct Dissector {
    folder: tempfile::TempDir,
    protocol: &'static Protocol,
    /// The names of its fields, and what Wireshark takes each for.
    fields: Vec<(String, String)>,
}

impl Dissector {
    fn of(protocol: &'static Protocol) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = shakedown(&["dissector"]).output().unwrap();
        assert!(script.status.success());
        std::fs::write(folder.path().join("shakedown.lua"), script.stdout).unwrap();
        let mut dissector = Self {
            folder,
            protocol,
            fields: Vec::new(),
        };
        let known = dissector.tshark(&["-G", "fields"]);
        let prefix = format!("{}.", protocol.id);
        let fields = known.lines().filter_map(|line| {
            let mut columns = line.split('\t').skip(2);
            let (name, kind) = (columns.next()?, columns.next()?);
            Some((name.strip_prefix(&prefix)?.to_owned(), kind.to_owned()))
        });
        dissector.fields = fields.collect();
        assert!(dissector.fields.len() >= 4, "{known}");
        dissector
    }

    fn tshark(&self, arguments: &[&str]) -> String {
        let script = self.folder.path().join("shakedown.lua");
        let output = Command::new("tshark")
            .args(arguments)
            .arg(format!("-Xlua_script:{}", script.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What Wireshark reads, where Lua has no error.
    fn by_wireshark(&self, capture: &Path) -> Values {
        let capture = capture.to_str().unwrap();
        let mut arguments = vec!["-r", capture, "-Tfields", "-Eoccurrence=a"];
        let aggregator = format!("-Eaggregator={BETWEEN}");
        // Frames on other ports, which say nothing of themselves, are known only if somebody says so.
        let everywhere = format!("-dudp.port==1-65535,{}", self.protocol.id);
        arguments.extend(self.protocol.transport.is_none().then_some(&*everywhere));
        arguments.extend([&*aggregator, "-eframe.number", "-e_ws.lua.error"]);
        let names = self.fields.iter();
        let names: Vec<_> = names
            .map(|(name, _)| format!("-e{}.{name}", self.protocol.id))
            .collect();
        arguments.extend(names.iter().map(String::as_str));
        let mut values = Values::new();
        for line in self.tshark(&arguments).lines() {
            let mut columns = line.split('\t');
            let packet = columns.next().unwrap().parse().unwrap();
            assert_eq!(columns.next(), Some(""), "{line}");
            let fields = self.fields.iter().zip(columns);
            for ((name, kind), column) in fields.filter(|((_, kind), _)| kind != "FT_NONE") {
                let key = name.rsplit('.').next().unwrap().to_owned();
                let is_told = |value: &&str| !value.is_empty();
                let found = column.split(BETWEEN).filter(is_told);
                let found = found.map(|value| match (kind.as_str(), value) {
                    ("FT_BOOLEAN", "True") => "1".to_owned(),
                    ("FT_BOOLEAN", "False") => "0".to_owned(),
                    _ => value.to_owned(),
                });
                values.entry((packet, key)).or_default().extend(found);
            }
        }
        sorted(values)
    }

    /// What `shakedown dissect` reads, and the packets of which it does not: what is malformed, and datagrams in
    /// QUIC.
    fn by_shakedown(&self, capture: &Path) -> (Values, BTreeSet<u64>) {
        let output = shakedown(&["dissect", "--format", "json"])
            .arg(capture)
            .output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        let (mut values, mut unread) = (Values::new(), BTreeSet::new());
        for line in said.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let is_datagram = |text: &str| text.contains(": DATAGRAM ");
            if line["error"].is_string() || line["text"].as_str().is_some_and(is_datagram) {
                unread.insert(line["packet"].as_u64().unwrap());
            }
            let Some(frame) = line["frame"].as_str() else {
                continue;
            };
            if self.protocol.vocabulary.frames().contains(&frame) {
                let packet = line["packet"].as_u64().unwrap();
                let frames = values.entry((packet, "frame".to_owned())).or_default();
                frames.push(frame.to_owned());
                let mut forms = self.protocol.wireshark.forms.iter();
                let of_message = !forms.any(|form| form.name == frame);
                let place = (packet, of_message);
                self.leaves(place, "", &line["fields"], &mut values);
            }
        }
        (sorted(values), unread)
    }

    /// The values that have a field of their own in Wireshark, as it writes them.
    fn leaves(&self, place: (u64, bool), key: &str, value: &Value, values: &mut Values) {
        let (packet, of_message) = place;
        let field = self.fields.iter().find(|(name, _)| {
            name.rsplit('.').next() == Some(key) && name.contains('.') == of_message
        });
        let is_bytes = field.is_some_and(|(_, kind)| kind == "FT_BYTES");
        let shown = match value {
            Value::Object(fields) if fields.contains_key("hex") && field.is_some() => {
                match is_bytes {
                    true => fields["hex"].as_str().unwrap().to_owned(),
                    false => NO_TEXT.to_owned(),
                }
            }
            Value::Object(fields) => {
                let inner = fields.iter();
                return inner.for_each(|(key, value)| self.leaves(place, key, value, values));
            }
            Value::Array(items) => {
                let inner = items.iter();
                return inner.for_each(|value| self.leaves(place, key, value, values));
            }
            Value::Null => return,
            Value::Bool(is_set) => u8::from(*is_set).to_string(),
            Value::Number(number) => number.to_string(),
            // Bytes of protobuf are base64 in JSON, and those of a form a text if they can be one.
            Value::String(text) if is_bytes && of_message => {
                hex::encode(BASE64_STANDARD.decode(text).unwrap())
            }
            Value::String(text) if is_bytes => hex::encode(text),
            Value::String(text) => text.clone(),
        };
        if field.is_some() && !shown.is_empty() {
            values
                .entry((packet, key.to_owned()))
                .or_default()
                .push(shown);
        }
    }

    /// Compares what both read, and says how many values there were. What is malformed for us may be shown as far
    /// as it goes.
    fn compare(&self, capture: &Path) -> usize {
        let (ours, unread) = self.by_shakedown(capture);
        let theirs = self.by_wireshark(capture);
        for ((packet, key), values) in &theirs {
            let place = (*packet, key.clone());
            let known = ours.get(&place).map_or(&[][..], Vec::as_slice);
            let is_same = known
                .iter()
                .filter(|it| !is_default(it))
                .eq(values.iter().filter(|it| !is_default(it)));
            let mut forms = self.protocol.wireshark.forms.iter();
            let is_extension = forms.any(|form| form.extensions.iter().any(|it| it.key == *key));
            // `dissect` lists extensions, and tells the first of a kind as a field of frames that know it.
            let is_listed = is_extension && known.iter().all(|it| values.contains(it));
            let is_free = is_listed
                || unread.contains(packet)
                || UNCOMPARED.contains(&key.as_str())
                || known.contains(&NO_TEXT.to_owned());
            assert!(
                is_same || is_free,
                "{place:?} of {}: {known:?} {values:?}",
                capture.display()
            );
        }
        for (place, values) in &ours {
            let is_told = theirs.contains_key(place)
                || unread.contains(&place.0)
                || values.iter().all(|it| is_default(it) || it == NO_TEXT);
            assert!(is_told, "{place:?} of {}: {values:?}", capture.display());
        }
        ours.values().map(Vec::len).sum()
    }
}

/// What is not on the wire where protobuf has it.
fn is_default(value: &str) -> bool {
    ["0", "0.0", "AUDIO", "VOLUNTARY", "UNKNOWN"].contains(&value)
}

fn sorted(mut values: Values) -> Values {
    values.retain(|_, found| !found.is_empty());
    values.values_mut().for_each(|found| found.sort());
    values
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
    found.sort();
}

/// By its name alone: whichever others there are, the same are drawn.
fn is_drawn(capture: &Path) -> bool {
    let name = capture.file_stem().unwrap().as_encoded_bytes();
    name.iter().map(|it| u32::from(*it)).sum::<u32>() % ONE_OF == 0
}

#[rstest]
#[case(&shakedown_protocol::mediastream::PROTOCOL, 20_000)]
#[case(&shakedown_protocol::proton::PROTOCOL, 1_000)]
#[case(&shakedown_protocol::darktower::PROTOCOL, 1_000)]
#[ignore = "make test-wireshark: it needs tshark"]
fn wireshark_reads_golden_captures_field_by_field(
    #[case] protocol: &'static Protocol,
    #[case] least: usize,
) {
    let dissector = Dissector::of(protocol);
    let mut captures = Vec::new();
    let folder = Path::new(ROOT).join("pcaps/golden").join(protocol.id);
    files(&folder, "pcapng", &mut captures);
    let compared = captures.iter().filter(|it| is_drawn(it));
    let compared: usize = compared.map(|capture| dissector.compare(capture)).sum();
    assert!(compared >= least, "{compared}");
}

#[test]
#[ignore = "make test-wireshark: it needs tshark"]
fn wireshark_reads_the_vectors_of_datagrams_and_survives_the_bad_ones() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let dissector = Dissector::of(protocol);
    let mut vectors = Vec::new();
    let folder = Path::new(ROOT).join("vectors/mediastream/frames");
    files(&folder, "json", &mut vectors);
    let capture = dissector.folder.path().join("vectors.pcapng");
    let mut tap = Tap::new(File::create(&capture).unwrap(), &WriterSettings::default()).unwrap();
    let server: SocketAddr = ([127, 0, 0, 1], protocol.port).into();
    let client: SocketAddr = ([127, 0, 0, 1], 5_000).into();
    for (second, vector) in (0..).zip(&vectors) {
        let text = std::fs::read_to_string(vector).unwrap();
        let vector: Value = serde_json::from_str(&text).unwrap();
        let bytes: Vec<u8> = match &vector["hex"] {
            Value::Array(pieces) => pieces.iter().flat_map(bytes).collect(),
            one => bytes(one),
        };
        if bytes.len() <= MAX_PAYLOAD_IPV4 {
            tap.record(Duration::from_secs(second), client, server, &bytes)
                .unwrap();
        }
    }
    drop(tap);
    let compared = dissector.compare(&capture);
    assert!(compared >= 500, "{compared}");
}

/// A piece of a vector: hexadecimal digits, one byte so many times, or so many bytes of the pattern.
fn bytes(piece: &Value) -> Vec<u8> {
    let number = |key: &str| piece[key].as_u64().map(|it| usize::try_from(it).unwrap());
    match piece {
        Value::String(digits) => hex::decode(digits.replace(' ', "")).unwrap(),
        _ => match number("pattern") {
            Some(length) => pattern::prefix(length).to_vec(),
            None => {
                let byte = hex::decode(piece["fill"].as_str().unwrap()).unwrap();
                byte.repeat(number("length").unwrap())
            }
        },
    }
}
