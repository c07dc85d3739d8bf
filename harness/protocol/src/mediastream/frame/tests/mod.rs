use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::vocabulary::{Vocabulary, WordError};

mod start3;
use self::start3::parameters;

fn encode(frame: &str, fields: Value) -> Result<Vec<u8>, WordError> {
    let Value::Object(fields) = fields else {
        panic!("fields are an object");
    };
    VOCABULARY.encode(frame, &fields)
}

fn decode(datagram: &[u8]) -> (&'static str, Value) {
    let described = VOCABULARY.decode(datagram).unwrap().unwrap();
    (described.frame, Value::Object(described.fields))
}

/// Says that the fields decode to themselves from what they encode to.
fn assert_same(frame: &str, fields: Value) {
    let datagram = encode(frame, fields.clone()).unwrap();
    assert_eq!(decode(&datagram), (frame, fields));
}

/// The fields without which there is no frame of this name.
fn least(frame: &str) -> Value {
    match frame {
        "ERROR" => json!({"error_code": 1}),
        _ => json!({}),
    }
}

#[test]
fn the_names_of_forms_are_those_of_frames() {
    for name in VOCABULARY.frames() {
        let datagram = encode(name, least(name)).unwrap();
        assert_eq!(Frame::decode(&datagram).unwrap().unwrap().name(), *name);
    }
}

#[test]
fn a_field_that_is_not_given_has_the_value_that_the_rules_demand() {
    let (_, syn) = decode(&encode("SYN", json!({})).unwrap());
    assert_eq!(
        syn,
        json!({"sequence_number": 0, "qpc": 0, "qpf": 0, "version": 1, "flags": 0, "reserved": 0,
               "connection_id": "", "tlvs": []})
    );
    let (_, data) = decode(&encode("data", json!({})).unwrap());
    assert_eq!(
        data,
        json!({"sequence_number": 1, "qpc": 0, "qpf": 10_000_000, "payload": {"pattern": 974}})
    );
    let (_, fragment) = decode(&encode("fragment", json!({"payload": {"pattern": 7}})).unwrap());
    assert_eq!(fragment["fragment_offset"], 0);
    assert_eq!(fragment["total_length"], 7);
    assert_eq!(encode("START token", json!({})).unwrap(), b"START");
    assert_eq!(encode("connection-id", json!({})).unwrap().len(), 39);
}

#[rstest]
#[case::text("2c671347-5b88-41ad-802c-0c856ff8bb4b".into())]
#[case::not_ascii("Straße ☕".into())]
#[case::bytes_after_the_nul(json!({"hex": format!("4100{}", "22".repeat(35))}))]
#[case::not_utf_8(json!({"hex": format!("ff{}", "00".repeat(36))}))]
fn an_id_comes_back_as_it_was_written(#[case] id: Value) {
    assert_same("connection-id", json!({"connection_id": id}));
}

#[rstest]
#[case::pattern(json!({"pattern": 65_481}))]
#[case::fill(json!({"fill": "ff", "length": 900}))]
#[case::hex(json!({"hex": "000101"}))]
fn a_payload_comes_back_as_it_was_written(#[case] payload: Value) {
    assert_same(
        "data",
        json!({"sequence_number": u64::MAX, "qpc": 2, "qpf": 3, "payload": payload}),
    );
}

#[test]
fn tlvs_come_back_as_they_were_written() {
    assert_same(
        "SYN-ACK",
        json!({"sequence_number": 1, "qpc": 2, "qpf": 3, "version": 1, "flags": 255, "accept": true,
               "reserved": 65535, "connection_id": "a",
               "tlvs": [{"type": "MaxDatagram", "value": 1400},
                        {"type": "MaxReassembly", "value": u32::MAX},
                        {"type": "Diagnostic", "value": "no room"},
                        {"type": "Diagnostic", "value": "once more"},
                        {"type": 30583, "hex": ""},
                        {"type": 30584, "fill": "07", "length": 60_000}]}),
    );
}

#[test]
fn of_another_version_the_rest_is_kept_uninterpreted() {
    let fields = json!({"version": 2, "connection_id": {"hex": "41".repeat(37)},
                        "tlvs": {"hex": "0600"}});
    let (_, syn) = decode(&encode("SYN", fields).unwrap());
    assert_eq!(syn["connection_id"], json!({"hex": "41".repeat(37)}));
    assert_eq!(syn["tlvs"], json!({"hex": "0600"}));
}

#[test]
fn accept_is_bit_0_of_flags() {
    let flags = |fields| encode("SYN-ACK", fields).map(|datagram| datagram[27]);
    assert_eq!(flags(json!({})), Ok(0));
    assert_eq!(flags(json!({"accept": true})), Ok(1));
    assert_eq!(flags(json!({"accept": false, "flags": 2})), Ok(2));
    assert_eq!(
        flags(json!({"accept": true, "flags": 2}))
            .unwrap_err()
            .to_string(),
        "accept is true, but bit 0 of flags 2 differs; give only one"
    );
}

#[rstest]
#[case("SYN", json!({"flags": 256}), "flags must be an integer from 0 to 255, not 256")]
#[case("data", json!({"qpc": -1}),
       "qpc must be an integer from 0 to 18446744073709551615, not -1")]
#[case("SYN", json!({"reserved": "0"}), "reserved must be an integer from 0 to 65535, not \"0\"")]
#[case("SYN-ACK", json!({"accept": 1}), "accept must be true or false, not 1")]
#[case("SYN", json!({"connection_id": "x".repeat(37)}),
       "connection_id has 37 bytes; a text has 36 at most, as its field of 37 ends with a NUL \
        (write {\"hex\": 37 bytes} for anything else)")]
#[case("SYN", json!({"connection_id": "a\0b"}),
       "connection_id is a text with a NUL in it; write {\"hex\": 37 bytes} for such an id")]
#[case("SYN", json!({"connection_id": {"hex": "00"}}), "connection_id has 1 bytes; needs 37")]
#[case("SYN", json!({"connection_id": 7}),
       "connection_id must be a text, or {\"hex\": 37 bytes}, not 7")]
#[case("data", json!({"payload": {"pattern": 9, "hex": ""}}),
       "payload must be {\"hex\": \"..\"}, {\"pattern\": bytes} or \
        {\"fill\": \"00\", \"length\": bytes}, not {\"pattern\":9,\"hex\":\"\"}")]
#[case("data", json!({"payload": {"fill": "0000", "length": 3}}),
       "payload.fill must be one byte, two digits; has 2 bytes")]
#[case("data", json!({"payload": {"pattern": 131_073}}),
       "payload.pattern would have 131073 bytes; 131072 at most can be written")]
#[case("data", json!({"payload": {"hex": "0"}}),
       "payload.hex ends in the middle of a byte; every byte takes two digits")]
#[case("SYN", json!({"tlvs": [{"type": "MaxDatagam", "value": 1}]}),
       "tlvs[0].type must be one of FrameRate, BitRate, BufferDepth, CodecHint, StreamLength, \
        MaxDatagram, MaxReassembly, ErrorCode, Diagnostic, or a number from 0 to 65535, not \"MaxDatagam\"")]
#[case("SYN", json!({"tlvs": [{"type": 8, "value": 1}]}),
       "tlvs[0].value cannot be written for type 8, whose form is unknown; write \"hex\"")]
#[case("SYN", json!({"tlvs": [{"type": 1}]}),
       "tlvs[0] must be {\"type\": .., \"value\": ..} or {\"type\": .., \"hex\": \"..\"}, \
        not {\"type\":1}")]
#[case("SYN", json!({"tlvs": [{"value": 1}]}),
       "tlvs[0] must be {\"type\": .., \"value\": ..} or {\"type\": .., \"hex\": \"..\"}, \
        not {\"value\":1}")]
#[case("SYN", json!({"tlvs": [{"type": "MaxDatagram", "value": 1, "hex": ""}]}),
       "tlvs[0] must be {\"type\": .., \"value\": ..} or {\"type\": .., \"hex\": \"..\"}, \
        not {\"type\":\"MaxDatagram\",\"value\":1,\"hex\":\"\"}")]
#[case("SYN", json!({"tlvs": [{"type": 1, "hx": ""}]}),
       "tlvs[0] must be {\"hex\": \"..\"}, {\"pattern\": bytes} or \
        {\"fill\": \"00\", \"length\": bytes}, not {\"hx\":\"\"}")]
#[case("SYN", json!({"tlvs": [{"type": 1, "hex": "00".repeat(65_536)}]}),
       "tlvs[0] has 65536 bytes; a TLV holds 65535 at most")]
fn a_value_that_does_not_fit_is_refused_with_what_would(
    #[case] frame: &str,
    #[case] fields: Value,
    #[case] message: &str,
) {
    assert_eq!(encode(frame, fields).unwrap_err().to_string(), message);
}

#[test]
fn an_unknown_name_comes_with_the_known_ones() {
    let error = encode("SYNACK", json!({})).unwrap_err();
    assert!(matches!(error, WordError::UnknownFrame { known, .. } if known.contains(&"SYN-ACK")));
    let error = encode("SYN", json!({"accept": true})).unwrap_err();
    let WordError::UnknownField { frame, name, known } = error else {
        panic!("an unknown field is an error of its own");
    };
    assert_eq!((frame, name.as_str()), ("SYN", "accept"));
    assert_eq!(known, VOCABULARY.fields("SYN").unwrap());
}

#[test]
fn fields_are_decoded_in_the_order_of_their_list() {
    for frame in VOCABULARY.frames() {
        let datagram = match *frame {
            "connection-id" => encode(frame, json!({"trailing": {"hex": "00"}})),
            "START" | "START_ACK" | "START_CONFIRM" => encode(frame, parameters()),
            "ERROR" => encode(frame, json!({"error_code": 1, "diagnostic": "why"})),
            _ => encode(frame, json!({})),
        };
        let described = VOCABULARY.decode(&datagram.unwrap()).unwrap().unwrap();
        let names: Vec<&str> = described.fields.keys().map(String::as_str).collect();
        assert_eq!(names, VOCABULARY.fields(frame).unwrap(), "{frame}");
    }
}

/// A field's bytes change where [`VOCABULARY::locate`] says, and nowhere else.
#[rstest]
#[case("data", "qpf", json!(u64::MAX))]
#[case("data", "payload", json!({"fill": "ff", "length": 974}))]
#[case("fragment", "fragment_offset", json!(u64::MAX))]
#[case("fragment", "payload", json!({"fill": "ff", "length": 974}))]
#[case("fragment", "total_length", json!(u64::MAX))]
#[case("SYN", "sequence_number", json!(u64::MAX))]
#[case("SYN", "qpc", json!(u64::MAX))]
#[case("SYN", "version", json!(255))]
#[case("SYN-ACK", "flags", json!(255))]
#[case("SYN-ACK", "accept", json!(true))]
#[case("SYN-ACK", "reserved", json!(65535))]
#[case("ACK", "connection_id", json!({"hex": "ff".repeat(37)}))]
#[case("connection-id", "connection_id", json!({"hex": "ff".repeat(37)}))]
#[case("START", "version", json!(255))]
#[case("START", "reserved", json!(255))]
#[case("START", "flags", json!(65535))]
#[case("START_ACK", "begin_immediately", json!(true))]
#[case("START", "stream_id", json!(u64::MAX))]
#[case("START_CONFIRM", "nonce", json!(u64::MAX))]
#[case("START_ACK", "sender_nonce", json!(u64::MAX))]
#[case("ERROR", "error_code", json!(65535))]
fn a_field_is_located_where_its_bytes_stand(
    #[case] frame: &str,
    #[case] field: &str,
    #[case] value: Value,
) {
    let before = encode(frame, least(frame)).unwrap();
    let mut fields = least(frame);
    fields[field] = value;
    let after = encode(frame, fields).unwrap();
    let (offset, length) = VOCABULARY.locate(frame, field, &after).unwrap();
    assert_eq!(before[..offset], after[..offset]);
    assert_ne!(before[offset], after[offset]);
    assert_eq!(before[offset + length..], after[offset + length..]);
}

#[test]
fn a_field_that_ends_the_datagram_is_located_up_to_its_end() {
    let syn = encode("SYN", json!({"tlvs": {"hex": "010203"}})).unwrap();
    assert_eq!(VOCABULARY.locate("SYN", "tlvs", &syn), Some((67, 3)));
    let id = encode("connection-id", json!({"trailing": {"hex": "0102"}})).unwrap();
    assert_eq!(
        VOCABULARY.locate("connection-id", "trailing", &id),
        Some((39, 2))
    );
    assert_eq!(id[39..], [1, 2]);
}

#[test]
fn of_a_cut_datagram_what_is_there_is_located() {
    let syn = encode("SYN", json!({})).unwrap();
    assert_eq!(
        VOCABULARY.locate("SYN", "connection_id", &syn[..40]),
        Some((30, 10))
    );
    assert_eq!(VOCABULARY.locate("SYN", "tlvs", &syn[..40]), None);
    assert_eq!(VOCABULARY.locate("SYN", "accept", &syn), None);
    assert_eq!(VOCABULARY.locate("NYS", "version", &syn), None);
}

#[test]
fn a_datagram_without_a_form_is_not_described() {
    assert_eq!(VOCABULARY.decode(b"JOI"), Ok(None));
    assert!(VOCABULARY.decode(&[0]).is_err());
}
