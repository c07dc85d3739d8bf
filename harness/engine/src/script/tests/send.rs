use serde_json::json;

use super::*;

#[test]
fn a_responder_is_sent_to_at_its_address() {
    let mut play = responder(json!([{ "send": { "frame": "SYN", "times": 3 } }]));
    play.until(0).passed();
    assert_eq!(play.said(), ["0 SYN", "0 SYN", "0 SYN"]);
    assert!(
        play.sent
            .iter()
            .all(|(_, socket, to, _)| (*socket, *to) == (0, None))
    );
}

#[test]
fn an_initiator_is_answered_where_it_last_spoke_from() {
    let mut play = Play::new(
        "initiator",
        json!({
            "sockets": { "other": { "other_port": {} } },
            "ignore": ["SYN"],
            "steps": [
                { "expect": { "frame": "SYN", "within": "1s" } },
                { "wait": { "for": "1s" } },
                { "send": { "frame": "SYN-ACK" } },
                { "send": { "frame": "SYN-ACK", "from": "other" } },
            ],
        }),
    );
    let syn = encode("SYN", json!({}));
    play.gets_at(1, 0, "127.0.0.1:1", &syn)
        .gets_at(2, 0, "127.0.0.1:2", &syn);
    play.until(1_001).passed();
    let to = Some("127.0.0.1:2".parse().unwrap());
    let places: Vec<_> = play
        .sent
        .iter()
        .map(|(_, socket, to, _)| (*socket, *to))
        .collect();
    assert_eq!(places, [(0, to), (1, to)]);
}

#[test]
fn an_initiator_that_was_never_heard_cannot_be_sent_to() {
    let play = initiator(json!([{ "send": { "frame": "SYN-ACK" } }]));
    assert_eq!(
        play.inconclusive(),
        "nothing has come yet, so there is no address to send to"
    );
}

#[test]
fn named_sockets_are_opened_at_the_beginning() {
    let play = Play::new(
        "responder",
        json!({
            "sockets": { "port": { "other_port": {} }, "address": { "other_address": {} } },
            "steps": [{ "wait": { "for": "1s" } }],
        }),
    );
    let open = |n, other_address| Action::Open {
        socket: SocketId(n),
        other_address,
    };
    assert_eq!(play.other, [open(1, false), open(2, true)]);
}

#[test]
fn fresh_sockets_are_new_each_time_and_the_newest_256_stay_open() {
    let mut play =
        responder(json!([{ "send": { "frame": "SYN", "from": "fresh", "times": 258 } }]));
    play.until(0).passed();
    let sockets: Vec<_> = play.sent.iter().map(|(_, socket, _, _)| *socket).collect();
    assert_eq!(sockets, (1..=258).collect::<Vec<_>>());
    let closed = play.other.iter().filter_map(|action| match action {
        Action::Close { socket } => Some(socket.0),
        _ => None,
    });
    assert_eq!(closed.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn raw_bytes_leave_as_they_are_padded_if_wanted() {
    let mut play = responder(json!([
        { "send_raw": { "hex": "ff ee 01" } },
        { "send_raw": { "hex": "" } },
        { "send_raw": { "hex": "01", "pad_to": 3 } },
    ]));
    play.until(0).passed();
    let bytes: Vec<_> = play
        .sent
        .iter()
        .map(|(_, _, _, bytes)| bytes.as_slice())
        .collect();
    assert_eq!(bytes, [&[0xff, 0xee, 1][..], &[], &[1, 0, 0]]);
}

#[test]
fn patches_change_a_datagram_in_their_order() {
    let mut play = responder(json!([{ "mutate": {
        "frame": "SYN", "fields": { "connection_id": "a" }, "patches": [
            { "field": { "name": "version", "hex": "07" } },
            { "at": { "offset": 0, "hex": "98" } },
            { "flip": 0 },
            { "truncate": 28 },
            { "append": "aabb" },
        ]
    } }]));
    play.until(0).passed();
    let bytes = &play.sent[0].3;
    assert_eq!((bytes.len(), bytes[0], bytes[26]), (30, 0x99, 7));
    assert_eq!(bytes[28..], [0xaa, 0xbb]);
}

#[test]
fn a_patch_that_does_not_fit_is_an_error_of_the_scenario() {
    for (patch, why) in [
        (
            json!({ "field": { "name": "version", "hex": "0707" } }),
            "version has 1 bytes, not 2",
        ),
        (
            json!({ "field": { "name": "speed", "hex": "07" } }),
            "SYN has no field \"speed\" here",
        ),
        (
            json!({ "at": { "offset": 66, "hex": "9999" } }),
            "do not fit into a datagram of 67 bytes",
        ),
        (
            json!({ "flip": 67 }),
            "a datagram of 67 bytes has no byte 67",
        ),
        (
            json!({ "truncate": 68 }),
            "a datagram of 67 bytes cannot be cut to 68",
        ),
        (json!({ "append": "abc" }), "ends in the middle of a byte"),
    ] {
        let play = responder(json!([{ "mutate": { "frame": "SYN", "patches": [patch] } }]));
        assert!(play.error().contains(why), "{}", play.error());
    }
}

#[test]
fn what_is_lost_does_not_leave_and_can_be_compared_with() {
    let mut play = initiator(json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "lose": { "frame": "SYN", "fields": { "connection_id": "a" } } },
        { "expect": { "frame": "SYN", "within": "1s", "same_as": 1 } },
    ]));
    play.gets(1, "SYN", json!({}))
        .gets(2, "SYN", json!({ "connection_id": "a" }))
        .passed();
    assert_eq!(play.sent, []);
    assert_eq!(play.script.events()[1].text, "lost SYN connection_id=\"a\"");
    let text = "step 1 lose: lost SYN connection_id=\"a\"".to_owned();
    assert!(
        play.other.contains(&Action::Comment { packet: 1, text }),
        "{:?}",
        play.other
    );
}

#[test]
fn ids_come_from_the_seed_and_the_scenario() {
    let id = |name: &str| {
        let play = Play::new(
            "responder",
            json!({
                "id": name,
                "let": { "a": { "uuid": {} }, "b": { "uuid": {} } },
                "steps": [{ "send": { "frame": "SYN", "fields": { "connection_id": "$a" } } }],
            }),
        );
        let bindings = play.script.bindings();
        (bindings["a"].clone(), bindings["b"].clone())
    };
    let (a, b) = id("x");
    assert_eq!(
        uuid::Uuid::parse_str(a.as_str().unwrap())
            .unwrap()
            .get_version_num(),
        4
    );
    assert_ne!(a, b);
    assert_eq!((a.clone(), b), id("x"));
    assert_ne!(a, id("y").0);
}

#[test]
fn what_the_driver_cannot_do_makes_the_script_inconclusive() {
    let mut play = initiator(json!([{ "expect": { "frame": "SYN", "within": "1s" } }]));
    play.input(Input::Refused {
        why: "no other address",
    });
    assert_eq!(
        play.inconclusive(),
        "the stimulus could not be applied: no other address"
    );
}

#[test]
fn a_restart_forgets_the_old_process() {
    let mut play = initiator(json!([
        { "expect": { "frame": "SYN", "within": "1s" } },
        { "wait": { "for": "10ms" } },
        { "restart_iut": {} },
        { "expect": { "frame": "ACK", "within": "1s" } },
        { "send": { "frame": "SYN" } },
    ]));
    play.gets(1, "SYN", json!({})).gets(1, "SYN", json!({}));
    play.until(11);
    assert!(play.other.contains(&Action::RestartIut { kill: false }));
    play.exits(50, Some(143)).until(500).runs();
    play.input(Input::Restarted);
    assert_eq!(play.script.deadline(), Some(Duration::from_millis(1_800)));
    play.until(600).runs();
    play.gets_at(700, 0, "127.0.0.1:9", &encode("ACK", json!({})))
        .passed();
    assert_eq!(play.sent[0].2, Some("127.0.0.1:9".parse().unwrap()));
}

#[test]
fn a_value_that_no_name_has_is_an_error_of_the_scenario() {
    let steps = json!([{ "send": { "frame": "SYN", "fields": { "connection_id": "$who" } } }]);
    assert_eq!(responder(steps).error(), "$who has no value yet");
}
