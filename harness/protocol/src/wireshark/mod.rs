//! The protocols for Wireshark: a dissector in Lua that is made of the tables by which frames are decoded here.

use std::fmt::Write as _;

use serde_json::{Value, json};
use shakedown_wire::{Extension, Field, Form, Kind, Start};

use crate::{PROTOCOLS, Protocol};

/// What is the same for all protocols.
const COMMON: &str = include_str!("common.lua");

/// The Wireshark dissector of a protocol.
#[derive(Debug, Clone, Copy)]
pub struct Wireshark {
    /// Its frames that are tables.
    pub forms: &'static [&'static Form],
    /// What its script needs besides, as JSON.
    pub tables: fn() -> Value,
    /// Lua that reads its streams, if streams carry its frames: it defines `protocol.read`, which takes whole
    /// frames from the front of a direction of a stream and hands them on.
    pub script: &'static str,
}

impl Wireshark {
    /// Of a protocol whose datagrams are these frames.
    #[must_use]
    pub const fn of(forms: &'static [&'static Form]) -> Self {
        Self {
            forms,
            tables: || json!({}),
            script: "",
        }
    }
}

/// The dissector of all protocols, in Lua.
#[must_use]
pub fn script() -> String {
    let known: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.id).collect();
    let version = env!("CARGO_PKG_VERSION");
    let mut script = format!(
        "-- Wireshark's dissector of {}, made by Shakedown {version}: shakedown dissector\n\n",
        known.join(", ")
    );
    let tables: Vec<_> = PROTOCOLS.into_iter().map(tables).collect();
    let _ = writeln!(script, "local PROTOCOLS = {}\n", lua(&tables.into()));
    script.push_str(COMMON);
    for (place, protocol) in (1..).zip(PROTOCOLS) {
        let streams = protocol.wireshark.script;
        if !streams.is_empty() {
            let _ = writeln!(
                script,
                "\ndo\nlocal protocol = PROTOCOLS[{place}]\n{streams}end"
            );
        }
    }
    script.push_str("\nover_quic(streaming)\n");
    script
}

fn tables(protocol: &Protocol) -> Value {
    let forms = protocol.wireshark.forms.iter().map(|form| table(form));
    json!({
        "id": protocol.id,
        "summary": protocol.summary,
        "port": protocol.port,
        "alpn": protocol.transport.map(|transport| transport.alpn),
        "forms": forms.collect::<Vec<_>>(),
        "tables": (protocol.wireshark.tables)(),
    })
}

fn table(form: &Form) -> Value {
    let start = match form.start {
        Start::Bytes(bytes) => bytes.to_vec(),
        Start::U16Le(flag) => flag.to_le_bytes().to_vec(),
    };
    let fields = form.places().map(|(field, offset)| row(field, offset));
    let bits = form.bits.iter();
    let bits = bits.map(|(name, mask)| json!({ "key": name, "mask": mask }));
    let extensions = form
        .extensions
        .iter()
        .filter(|it| it.known & form.family != 0);
    json!({
        "name": form.name,
        "start": start,
        "length": form.start.length() + Field::length(form.fields),
        "version": form.version,
        "fields": fields.collect::<Vec<_>>(),
        "bits": bits.collect::<Vec<_>>(),
        "extensions": extensions.map(extension).collect::<Vec<_>>(),
    })
}

fn row(field: &Field, offset: usize) -> Value {
    let (kind, is_little) = kind(&field.kind);
    let mut row = json!({
        "key": field.key,
        "name": field.name,
        "offset": offset,
        "width": field.kind.width(),
        "kind": kind,
        "little": is_little,
    });
    if let Kind::Named(names) = field.kind {
        row["names"] = names
            .iter()
            .map(|(name, value)| (value.to_string(), *name))
            .collect();
    }
    row
}

fn extension(it: &Extension) -> Value {
    let (kind, _) = kind(&it.value);
    json!({ "type": it.kind, "name": it.name, "key": it.key, "kind": kind })
}

/// What the script calls it, and whether it is little-endian.
const fn kind(kind: &Kind) -> (&'static str, bool) {
    match kind {
        Kind::U8 => ("u8", false),
        Kind::Named(_) => ("named", false),
        Kind::U16Le => ("u16", true),
        Kind::U32Le => ("u32", true),
        Kind::U64Le => ("u64", true),
        Kind::U16Be => ("u16", false),
        Kind::U32Be => ("u32", false),
        Kind::U64Be => ("u64", false),
        Kind::Uuid => ("uuid", false),
        Kind::Text(_) => ("text", false),
        Kind::Utf8(..) => ("utf8", false),
        Kind::Payload => ("payload", false),
        Kind::Tlvs => ("tlvs", false),
        Kind::Bytes(_) | Kind::Trailing | Kind::Group(_) => ("bytes", false),
    }
}

/// A value as Lua writes it. Keys that are numbers are numbers; what is null is left out.
fn lua(value: &Value) -> String {
    let list = |items: Vec<String>| match items.iter().any(|item| item.contains('{')) {
        true => format!("{{\n{},\n}}", items.join(",\n")),
        false => format!("{{ {} }}", items.join(", ")),
    };
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => list(items.iter().map(lua).collect()),
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entry = |(key, value): (&String, &Value)| match key.parse::<u32>() {
                Ok(number) => format!("[{number}] = {}", lua(value)),
                Err(_) => format!("[{}] = {}", quoted(key), lua(value)),
            };
            list(entries.map(entry).collect())
        }
    }
}

/// A text in which every byte that is not plain ASCII is a number.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !b"\"\\".contains(&byte);
    let inner: String = text
        .bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("\\{byte:03}"),
        })
        .collect();
    format!("\"{inner}\"")
}
