/// Says in words what a file looks like that is no capture, from its first bytes.
pub(crate) fn looks_like(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".into();
    }
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return format!("it looks like {name}");
    }
    let text = bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if text {
        return "it looks like text".into();
    }
    let shown = bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ");
    format!("it begins with the bytes {shown}")
}

/// Magic numbers of what people give to a capture reader.
const KNOWN: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "a gzip file: unpack it first (`gunzip`)"),
    (
        b"\x28\xb5\x2f\xfd",
        "a zstd file: unpack it first (`unzstd`)",
    ),
    (b"\xfd7zXZ\x00", "an xz file: unpack it first (`unxz`)"),
    (
        b"\x04\x22\x4d\x18",
        "an lz4 file: unpack it first (`unlz4`)",
    ),
    (b"BZh", "a bzip2 file: unpack it first (`bunzip2`)"),
    (b"PK\x03\x04", "a zip archive: unpack it first (`unzip`)"),
    (
        b"snoop\x00\x00\x00",
        "a snoop capture: convert it first (`editcap -F pcapng`)",
    ),
    (
        b"GMBU",
        "a Network Monitor capture: convert it first (`editcap -F pcapng`)",
    ),
    (
        b"RTSS",
        "a Network Monitor capture: convert it first (`editcap -F pcapng`)",
    ),
    (
        b"\x1c\x00\x01\xac",
        "an IXIA capture: convert it first (`editcap -F pcapng`)",
    ),
    (
        b"\xac\x01\x00\x1c",
        "an IXIA capture: convert it first (`editcap -F pcapng`)",
    ),
    (b"\x7fELF", "a program"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"<", "XML or HTML"),
];
