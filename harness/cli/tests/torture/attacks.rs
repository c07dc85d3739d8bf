//! The table: an attack is a row.

use std::time::Duration;

use super::attack::{Attack, Peer};

/// Makes of each row an entry of the table and a test.
macro_rules! attacks {
    ($($(#[$attribute:meta])* $name:ident: $attack:expr;)+) => {
        pub(super) const ATTACKS: &[(&str, Attack)] = &[$((stringify!($name), $attack)),+];

        $(
            #[test]
            $(#[$attribute])*
            fn $name() {
                let attack: Attack = $attack;
                if let Err(why) = attack.run() {
                    panic!("{why}");
                }
            }
        )+
    };
}

/// A call that nobody interrupts, without a peer.
const CALL: Attack = Attack {
    peer: None,
    call: "",
    interrupt: None,
    exit: &[2],
    says: "",
    within: 20,
};

const fn mediastream(side: &'static str, behaviour: &'static str) -> Option<Peer> {
    let (protocol, mode) = ("mediastream", "legacy");
    Some(Peer {
        protocol,
        side,
        mode,
        behaviour,
    })
}

const fn proton(behaviour: &'static str) -> Option<Peer> {
    let (protocol, side, mode) = ("proton", "server", "push");
    Some(Peer {
        protocol,
        side,
        mode,
        behaviour,
    })
}

const fn proton_client(behaviour: &'static str) -> Option<Peer> {
    let (protocol, side, mode) = ("proton", "client", "push");
    Some(Peer {
        protocol,
        side,
        mode,
        behaviour,
    })
}

const TRICKLE: &str = "trickle {address} SHAKEDOWN serve proton --profile {mode} --listen BACKEND";

const SERVER_BEHIND: &str =
    "flood-behind {address} SHAKEDOWN serve proton --profile {mode} --listen BACKEND";

attacks! {
    a_server_floods_while_20000_datagrams_are_sent: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "run FILES/much-is-sent.json --iut PEER --out OUT --capture tap",
        says: "it was cut off after",
        within: 60,
        ..CALL
    };
    a_server_floods_and_is_captured_live: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "run FILES/much-is-sent.json --iut PEER --out OUT",
        says: "it was cut off after",
        within: 60,
        ..CALL
    };
    a_server_floods_until_an_interruption: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "run FILES/much-is-sent.json --iut PEER --out OUT --retries 1000",
        interrupt: Some(Duration::from_secs(1)),
        exit: &[2, 130],
        within: 10,
        ..CALL
    };
    #[ignore = "make torture"]
    a_server_floods_in_all_scenarios: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "run --iut PEER --out OUT",
        exit: &[1],
        within: 180,
        ..CALL
    };
    #[ignore = "make torture"]
    a_client_floods_in_all_scenarios: Attack {
        peer: mediastream("initiator", "flood-server {peer}"),
        call: "run --iut PEER --out OUT",
        exit: &[1, 2],
        within: 180,
        ..CALL
    };
    a_client_floods_until_an_interruption: Attack {
        peer: mediastream("initiator", "flood-server {peer}"),
        call: "run --iut PEER --out OUT",
        interrupt: Some(Duration::from_secs(2)),
        exit: &[130],
        within: 30,
        ..CALL
    };
    a_load_meets_a_flood: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "run FILES/much-is-sent.json --iut PEER --out OUT --repeat 50",
        exit: &[0],
        says: "that we did not",
        within: 60,
        ..CALL
    };
    a_server_over_quic_floods_until_an_interruption: Attack {
        peer: proton(SERVER_BEHIND),
        call: "run --iut PEER --out OUT",
        interrupt: Some(Duration::from_secs(3)),
        exit: &[130],
        within: 60,
        ..CALL
    };
    a_client_over_quic_floods_until_an_interruption: Attack {
        peer: proton_client("flood-server {peer}"),
        call: "run --iut PEER --out OUT",
        interrupt: Some(Duration::from_secs(3)),
        exit: &[2, 130],
        within: 60,
        ..CALL
    };
    #[ignore = "make torture"]
    a_server_floods_an_impaired_network: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "run --iut PEER --out OUT --impair delay=3s",
        interrupt: Some(Duration::from_secs(20)),
        exit: &[1, 2, 3, 130],
        within: 90,
        ..CALL
    };
    #[ignore = "make torture"]
    a_server_floods_an_impaired_network_by_empty_datagrams: Attack {
        peer: mediastream("responder", "flood-empty {address}"),
        call: "run --iut PEER --out OUT --impair delay=3s",
        interrupt: Some(Duration::from_secs(20)),
        exit: &[1, 2, 3, 130],
        within: 30,
        ..CALL
    };
    #[ignore = "make torture"]
    a_pair_of_a_flood_and_the_reference: Attack {
        peer: mediastream("responder", "flood {address}"),
        call: "interop PEER FILES/reference-client.toml --out OUT",
        says: "a capture is not whole",
        within: 120,
        ..CALL
    };
    a_forged_retry_each_second: Attack {
        peer: proton("retry {address}"),
        call: "run --iut PEER --out OUT",
        says: "does not answer",
        within: 60,
        ..CALL
    };
    a_forged_version_negotiation_each_second: Attack {
        peer: proton("negotiate {address}"),
        call: "run --iut PEER --out OUT",
        says: "does not answer",
        within: 60,
        ..CALL
    };
    #[ignore = "make torture"]
    a_handshake_of_a_datagram_a_second: Attack {
        peer: proton(TRICKLE),
        call: "run FILES/handshake.json --iut PEER --out OUT",
        exit: &[0, 1],
        within: 180,
        ..CALL
    };
    a_greeting_of_a_byte_a_second: Attack {
        peer: mediastream("responder", "drip {address}"),
        call: "run FILES/much-is-sent.json --iut PEER --out OUT",
        exit: &[1, 2, 3],
        within: 90,
        ..CALL
    };
    a_greeting_of_a_byte_a_second_in_a_pair: Attack {
        peer: mediastream("responder", "drip {address}"),
        call: "interop PEER FILES/reference-client.toml --out OUT",
        exit: &[1],
        within: 90,
        ..CALL
    };
    a_greeting_of_a_byte_a_second_under_load: Attack {
        peer: mediastream("responder", "drip {address}"),
        call: "run mediastream/legacy/responder/a-start-token-starts-the-whole-stream --iut PEER --out OUT --repeat 20",
        exit: &[1, 2, 3],
        within: 90,
        ..CALL
    };
    a_greeting_of_a_byte_a_second_for_a_client: Attack {
        peer: mediastream("responder", "drip {address}"),
        call: "connect mediastream ADDRESS",
        exit: &[1],
        within: 60,
        ..CALL
    };
    #[ignore = "make torture"]
    a_handshake_of_a_datagram_a_second_in_a_pair: Attack {
        peer: proton(TRICKLE),
        call: "interop PEER FILES/reference-proton-client.toml --out OUT",
        exit: &[0, 1, 2, 3],
        within: 180,
        ..CALL
    };
    #[ignore = "make torture"]
    a_handshake_of_a_datagram_a_second_for_a_client: Attack {
        peer: proton(TRICKLE),
        call: "connect proton ADDRESS",
        exit: &[0, 1],
        within: 120,
        ..CALL
    };
    repetitions_are_nested_19_deep: Attack {
        call: "run --virtual FILES/nested-repeat.json --out OUT",
        exit: &[0, 1, 2, 3],
        ..CALL
    };
    a_scenario_sends_gigabytes_in_virtual_time: Attack {
        call: "run --virtual FILES/too-much-in-virtual-time.json --out OUT",
        says: "more than 64 MiB were sent in virtual time",
        within: 60,
        ..CALL
    };
    a_key_of_a_scenario_has_no_value: Attack {
        call: "run --virtual FILES/null.json --out OUT",
        says: "`after` has no value",
        ..CALL
    };
    a_number_of_a_scenario_is_too_large: Attack {
        call: "run --virtual FILES/huge-number.json --out OUT",
        says: "1e400 is no number that can be kept",
        ..CALL
    };
    a_stream_lasts_for_136_years: Attack {
        call: "run --iut FILES/stream-of-136-years.toml --out OUT",
        says: "4294967295 is more than the 86400 that a stream may have",
        ..CALL
    };
    a_stream_of_a_flag_lasts_for_136_years: Attack {
        call: "serve mediastream --listen 127.0.0.1:0 --seconds 4294967295",
        says: "86400",
        ..CALL
    };
    more_at_a_time_than_any_machine_can: Attack {
        call: "run --virtual --jobs 9999999 --out OUT",
        says: "it takes a whole number from 1 to 1024",
        ..CALL
    };
    secrets_without_end: Attack {
        call: "check --keylog /dev/zero /dev/null",
        says: "/dev/zero: the file is larger than 65536 KiB",
        ..CALL
    };
    a_certificate_without_end: Attack {
        call: "serve proton --listen 127.0.0.1:0 --cert /dev/zero --key /dev/zero",
        says: "/dev/zero: the file is larger than 1024 KiB",
        ..CALL
    };
    events_without_end: Attack {
        call: "report /dev/zero --out OUT",
        says: "/dev/zero: the events are larger than 32768 KiB",
        ..CALL
    };
    a_scenario_without_end: Attack {
        call: "run --virtual /dev/zero --out OUT",
        says: "larger than 1024 KiB",
        ..CALL
    };
    a_description_without_end: Attack {
        call: "run --iut /dev/zero --out OUT",
        says: "larger than 1024 KiB",
        ..CALL
    };
    a_capture_without_end: Attack {
        call: "check /dev/zero",
        exit: &[2, 3],
        ..CALL
    };
}
