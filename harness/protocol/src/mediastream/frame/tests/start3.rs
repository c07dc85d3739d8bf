//! The words of START, START_ACK, START_CONFIRM and ERROR, and their extensions as fields.

use super::*;

/// Every parameter, each as a field.
pub(super) fn parameters() -> Value {
    json!({"frame_rate": 50, "bit_rate": 400_000, "buffer_depth": 2000, "codec_hint": "opus",
           "stream_length": 10, "max_datagram": 1400})
}

/// The block of extensions of a datagram.
fn block(frame: &str, fields: Value) -> Vec<u8> {
    encode(frame, fields).unwrap()[54..].to_vec()
}

#[test]
fn an_extension_comes_back_as_a_field_and_in_the_list() {
    for frame in ["START", "START_ACK", "START_CONFIRM"] {
        let (_, fields) = decode(&encode(frame, parameters()).unwrap());
        let Value::Object(written) = parameters() else {
            panic!("parameters are an object");
        };
        for (name, value) in &written {
            assert_eq!(fields[name], *value, "{frame} {name}");
        }
        assert_eq!(fields["tlvs"].as_array().unwrap().len(), written.len());
        assert_same(frame, fields);
    }
    let (_, error) =
        decode(&encode("ERROR", json!({"error_code": 3, "diagnostic": "no"})).unwrap());
    assert_eq!(
        error["tlvs"],
        json!([{"type": "ErrorCode", "value": 3}, {"type": "Diagnostic", "value": "no"}])
    );
    assert_same("ERROR", error);
}

#[test]
fn a_field_of_start3_that_is_not_given_has_the_value_that_the_rules_demand() {
    let common = json!({"sequence_number": 0, "qpc": 0, "qpf": 0, "version": 1, "reserved": 0,
                        "flags": 0, "ack_required": false, "compat_mode": false,
                        "begin_immediately": false, "stream_id": 1, "nonce": 1, "tlvs": []});
    for (frame, sender_nonce) in [("START", 0), ("START_ACK", 1), ("START_CONFIRM", 1)] {
        let mut expected = common.clone();
        expected["sender_nonce"] = sender_nonce.into();
        let (_, fields) = decode(&encode(frame, json!({})).unwrap());
        assert_eq!(fields, expected, "{frame}");
    }
}

#[test]
fn an_extension_that_is_absent_is_no_field() {
    let (_, start) = decode(&encode("START", json!({"bit_rate": u64::MAX})).unwrap());
    assert_eq!(start["bit_rate"], u64::MAX);
    assert_eq!(start.get("frame_rate"), None);
    assert_eq!(start.get("error_code"), None);
}

#[test]
fn a_field_may_repeat_what_the_list_says_and_not_contradict_it() {
    let list = json!([{"type": "FrameRate", "value": 50}]);
    let same = block("START", json!({"tlvs": list, "frame_rate": 50}));
    assert_eq!(same, [1, 0, 4, 0, 50, 0, 0, 0]);
    let error = encode("START", json!({"tlvs": list, "frame_rate": 51})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "frame_rate contradicts `tlvs`; give only one"
    );
}

#[test]
fn of_two_extensions_of_a_type_the_field_is_the_first() {
    let list = json!([{"type": "FrameRate", "value": 50}, {"type": "FrameRate", "value": 60}]);
    let datagram = encode("START", json!({"tlvs": list})).unwrap();
    let (_, start) = decode(&datagram);
    assert_eq!(start["frame_rate"], 50);
    assert_same("START", start);
    let error = encode("START", json!({"tlvs": list, "frame_rate": 60})).unwrap_err();
    assert!(matches!(error, WordError::BadValue { field, .. } if field == "frame_rate"));
}

#[test]
fn a_field_comes_after_the_list() {
    let fields = json!({"tlvs": [{"type": 30583, "hex": "01"}], "frame_rate": 1});
    let block = block("START", fields);
    assert_eq!(block, [0x77, 0x77, 1, 0, 1, 1, 0, 4, 0, 1, 0, 0, 0]);
}

#[test]
fn a_text_that_is_no_utf_8_can_be_sent_and_is_malformed() {
    let fields = json!({"tlvs": [{"type": "CodecHint", "hex": "ff"}]});
    let datagram = encode("START", fields).unwrap();
    let error = VOCABULARY.decode(&datagram).unwrap_err();
    assert_eq!(error.to_string(), "CodecHint at offset 58: is not UTF-8");
}

#[test]
fn an_error_needs_its_code() {
    let error = encode("ERROR", json!({"diagnostic": "why"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error_code must be given: a number such as 1"
    );
    let bare = encode("ERROR", json!({"tlvs": []})).unwrap();
    assert!(
        VOCABULARY.decode(&bare).is_err(),
        "a list without it is meant so"
    );
}

#[test]
fn each_named_bit_is_its_bit_of_flags() {
    for (name, flags) in [
        ("ack_required", 1),
        ("compat_mode", 2),
        ("begin_immediately", 4),
    ] {
        let datagram = encode("START_ACK", json!({name: true})).unwrap();
        assert_eq!(datagram[28..30], [flags, 0], "{name}");
    }
    let error = encode("START", json!({"flags": 1, "compat_mode": true})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "compat_mode is true, but bit 1 of flags 1 differs; give only one"
    );
}

#[test]
fn of_another_version_the_extensions_are_bytes() {
    let fields = json!({"version": 2, "tlvs": {"hex": "0100ff"}});
    let (_, start) = decode(&encode("START", fields).unwrap());
    assert_eq!(start["tlvs"], json!({"hex": "0100ff"}));
    assert_eq!(start.get("frame_rate"), None);
    assert_same("START", start);
}

#[rstest]
#[case("START", json!({"frame_rate": u64::MAX}),
       "frame_rate must be an integer from 0 to 4294967295, not 18446744073709551615")]
#[case("START", json!({"codec_hint": 7}), "codec_hint must be a text, not 7")]
#[case("START", json!({"compat_mode": 1}), "compat_mode must be true or false, not 1")]
#[case("START", json!({"flags": 65_536}), "flags must be an integer from 0 to 65535, not 65536")]
#[case("ERROR", json!({"error_code": 65_536}),
       "error_code must be an integer from 0 to 65535, not 65536")]
fn a_value_of_start3_that_does_not_fit_is_refused_with_what_would(
    #[case] frame: &str,
    #[case] fields: Value,
    #[case] message: &str,
) {
    assert_eq!(encode(frame, fields).unwrap_err().to_string(), message);
}

#[test]
fn the_value_of_an_extension_is_located_where_it_stands() {
    let start = encode("START", parameters()).unwrap();
    let place = |field| VOCABULARY.locate("START", field, &start);
    assert_eq!(place("frame_rate"), Some((58, 4)));
    assert_eq!(place("bit_rate"), Some((66, 8)));
    assert_eq!(place("codec_hint"), Some((86, 4)));
    assert_eq!(start[86..90], *b"opus");
    assert_eq!(place("tlvs"), Some((54, start.len() - 54)));
    assert_eq!(place("error_code"), None);
    let bare = encode("START", json!({})).unwrap();
    assert_eq!(VOCABULARY.locate("START", "frame_rate", &bare), None);
}
