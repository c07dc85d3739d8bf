//! Validation of requests and responses (RFC 9114, sections 4.2 and 4.3).

use super::Field;

/// Fields that belong to connections of older versions.
const OF_CONNECTIONS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// The kind of a request, from its header section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A session of WebTransport.
    Session,
    /// Another protocol or a tunnel; its body has no end.
    Tunnel,
    Resource,
}

/// The value of the first field with this name.
pub(crate) fn get<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The kind of a request.
///
/// # Errors
/// The request is malformed: why.
pub(super) fn request(fields: &[Field]) -> Result<RequestKind, &'static str> {
    const KNOWN: [&str; 5] = [":method", ":scheme", ":authority", ":path", ":protocol"];
    well_formed(fields, &KNOWN)?;
    let is_given = |name| get(fields, name).is_some_and(|value| !value.is_empty());
    let has = |name| get(fields, name).is_some();
    let method = get(fields, ":method").ok_or("has no :method")?;
    if method == "CONNECT" && !has(":protocol") {
        return match (is_given(":authority"), has(":scheme") || has(":path")) {
            (true, false) => Ok(RequestKind::Tunnel),
            (false, _) => Err("has no :authority"),
            (true, true) => Err("has a :scheme or a :path that CONNECT has not"),
        };
    }
    if !is_given(":scheme") || !is_given(":path") {
        return Err("has no :scheme or no :path");
    }
    if !is_given(":authority") && !is_given("host") {
        return Err("has no :authority");
    }
    match (method, get(fields, ":protocol")) {
        ("CONNECT", Some("webtransport")) => Ok(RequestKind::Session),
        ("CONNECT", Some(_)) => Ok(RequestKind::Tunnel),
        (_, Some(_)) => Err("has a :protocol that only CONNECT has"),
        (_, None) => Ok(RequestKind::Resource),
    }
}

/// The status of an answer.
///
/// # Errors
/// The answer is malformed: why.
pub(super) fn status(fields: &[Field]) -> Result<u16, &'static str> {
    well_formed(fields, &[":status"])?;
    let status = get(fields, ":status").ok_or("has no :status")?;
    let number = status.parse().ok().filter(|_| status.len() == 3);
    number
        .filter(|number| (100..=999).contains(number))
        .ok_or("has a :status that is no number of three digits")
}

/// Whether a body is as long as its fields say, if they do.
pub(super) fn has_its_length(fields: &[Field], body: &[u8]) -> bool {
    get(fields, "content-length").is_none_or(|length| length.parse() == Ok(body.len()))
}

fn well_formed(fields: &[Field], known: &[&str]) -> Result<(), &'static str> {
    let mut seen: Vec<&str> = Vec::new();
    let mut is_behind = false;
    for (name, value) in fields {
        let is_pseudo = name.starts_with(':');
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("has a field name that is empty or has capital letters");
        }
        if is_pseudo && (is_behind || seen.contains(&name.as_str())) {
            return Err("has a pseudo-header field twice, or behind others");
        }
        if is_pseudo && !known.contains(&name.as_str()) {
            return Err("has a pseudo-header field that is not known");
        }
        if OF_CONNECTIONS.contains(&name.as_str()) || (name == "te" && value != "trailers") {
            return Err("has a field of connections of older versions");
        }
        if value.contains(['\0', '\r', '\n']) {
            return Err("has a field value with a control character");
        }
        is_behind |= !is_pseudo;
        seen.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn fields(all: &[(&str, &str)]) -> Vec<Field> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().map(owned).collect()
    }

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ];

    #[rstest]
    #[case(&GET, RequestKind::Resource)]
    #[case(&[(":method", "CONNECT"), (":authority", "a:1")], RequestKind::Tunnel)]
    #[case(&[(":method", "CONNECT"), (":protocol", "webtransport"), (":scheme", "https"), (":authority", "a"),
        (":path", "/wt")], RequestKind::Session)]
    #[case(&[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "a"),
        (":path", "/")], RequestKind::Tunnel)]
    fn what_is_asked_for_is_told(#[case] said: &[(&str, &str)], #[case] asked: RequestKind) {
        assert_eq!(request(&fields(said)), Ok(asked));
    }

    #[rstest]
    #[case(&[(":path", "/")], "twice")]
    #[case(&[("accept", "*/*"), (":protocol", "x")], "behind")]
    #[case(&[(":status", "200")], "not known")]
    #[case(&[("Accept", "*/*")], "capital")]
    #[case(&[("connection", "close")], "older versions")]
    #[case(&[("te", "gzip")], "older versions")]
    #[case(&[("x", "a\nb")], "control character")]
    #[case(&[(":protocol", "webtransport")], "only CONNECT")]
    fn a_request_with_such_a_field_is_malformed(#[case] more: &[(&str, &str)], #[case] why: &str) {
        let said = fields(&[&GET, more].concat());
        assert!(request(&said).unwrap_err().contains(why));
    }

    #[rstest]
    #[case(0, "no :method")]
    #[case(1, "no :scheme")]
    #[case(2, "no :authority")]
    #[case(3, "no :path")]
    fn a_request_without_one_of_its_fields_is_malformed(#[case] left: usize, #[case] why: &str) {
        let mut said = fields(&GET);
        said.remove(left);
        assert!(request(&said).unwrap_err().contains(why));
    }

    #[test]
    fn a_status_has_three_digits() {
        assert_eq!(status(&fields(&[(":status", "404")])), Ok(404));
        for wrong in ["20", "2000", "0200", "+20", "abc"] {
            assert!(status(&fields(&[(":status", wrong)])).is_err(), "{wrong}");
        }
        assert!(status(&[]).is_err());
    }
}
