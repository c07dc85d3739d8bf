//! Which initiator gets a stream from which responder, as the specification has it.

use std::time::Duration;

use super::frame::{Control, ErrorCode, Frame, tlv};
use super::reference::options_of_handshake;
use super::{Mode, Modes};
use crate::pair::{Demand, DemandedEnd, Offer, Pairs, TrafficEvent, TrafficObserver};
use crate::requirement::Role;

/// What happens between two implementations (specification, section 4).
pub const PAIRS: Pairs = Pairs {
    options,
    work: |_| &[],
    earlier: |_| None,
    demand,
    observer: TrafficObserver::Datagrams(event),
    unit: "frames",
    handshake_timeout,
    may_wait: false,
};

/// Three sends with waits of 500 ms, 1 s and 2 s after them (MS-H-03, MS-S-08).
const THREE_SENDS: Duration = Duration::from_millis(3_500);

/// The options of the handshake that mean something in one of the modes.
fn options(role: Role, mode: &str) -> Vec<&'static str> {
    let modes = mode.parse::<Modes>();
    modes.map_or_else(|_| Vec::new(), |modes| options_of_handshake(role, modes))
}

/// What happens to a START token that comes to a responder.
enum Token {
    Served(&'static str),
    Dropped(&'static str),
    Open,
}

impl Token {
    fn at(responder: &Offer<'_>, modes: Modes) -> Self {
        let allowed = responder.has("allow_legacy_start");
        match (modes.only(), modes.contains(Mode::Legacy)) {
            (Some(Mode::Legacy), _) => Self::Served("MS-L-01"),
            (_, _) if allowed => Self::Served("MS-H-21"),
            // `legacy` serves the token and `3way` drops it: at once they are not described.
            (_, true) => Self::Open,
            (_, false) if modes.contains(Mode::ThreeWay) => Self::Dropped("MS-H-20"),
            (_, false) => Self::Dropped("MS-W-08"),
        }
    }
}

const fn demanded(end: DemandedEnd, because: &'static [&'static str]) -> Demand {
    Demand {
        end,
        because,
        may_refuse: &[],
    }
}

const NOT_SAID: Demand = demanded(DemandedEnd::NotSaid, &[]);

/// What is demanded of a pair: the initiator asks in its mode; a responder that does not speak it
/// drops the question without an answer, and the initiator gives up or falls back.
fn demand(initiator: &Offer<'_>, responder: &Offer<'_>) -> Demand {
    let (Ok(asks), Ok(offers)) = (initiator.mode.parse::<Modes>(), responder.mode.parse()) else {
        return NOT_SAID;
    };
    // Which of several modes an initiator starts with is not specified; an upload is no stream that it gets.
    let Some(mode) = asks.only().filter(|_| !initiator.has("upload")) else {
        return NOT_SAID;
    };
    let token = Token::at(responder, offers);
    match mode {
        Mode::Legacy => match token {
            Token::Served("MS-H-21") => demanded(DemandedEnd::Streams, &["MS-L-01", "MS-H-21"]),
            Token::Served(_) => demanded(DemandedEnd::Streams, &["MS-L-01", "MS-L-03"]),
            Token::Dropped("MS-H-20") => demanded(DemandedEnd::TimesOut, &["MS-H-20", "MS-L-05"]),
            Token::Dropped(_) => demanded(DemandedEnd::TimesOut, &["MS-W-08", "MS-L-05"]),
            Token::Open => NOT_SAID,
        },
        Mode::ThreeWay if offers.contains(mode) => Demand {
            end: DemandedEnd::Streams,
            because: &["MS-H-05", "MS-H-09"],
            may_refuse: &["MS-H-07", "MS-H-10"],
        },
        Mode::Start3 if offers.contains(mode) => Demand {
            end: DemandedEnd::Streams,
            because: &["MS-S-02", "MS-S-03"],
            may_refuse: &["MS-S-07", "MS-S-14"],
        },
        Mode::ThreeWay => unanswered(initiator, &token, UNKNOWN_SYN),
        Mode::Start3 => unanswered(initiator, &token, UNKNOWN_START),
    }
}

/// Why an initiator gives up, why it falls back, and why it gives up after that.
struct Unanswered {
    times_out: &'static [&'static str],
    falls_back: &'static [&'static str],
    in_vain: &'static [&'static str],
}

const UNKNOWN_SYN: Unanswered = Unanswered {
    times_out: &["MS-W-08", "MS-H-04"],
    falls_back: &["MS-W-08", "MS-H-04"],
    in_vain: &["MS-W-08", "MS-H-04", "MS-L-05"],
};

const UNKNOWN_START: Unanswered = Unanswered {
    times_out: &["MS-W-08", "MS-S-09"],
    falls_back: &["MS-W-08", "MS-S-09"],
    in_vain: &["MS-W-08", "MS-S-09", "MS-L-05"],
};

/// The initiator's own handshake gets no response (MS-L-06, MS-W-08).
fn unanswered(initiator: &Offer<'_>, token: &Token, why: Unanswered) -> Demand {
    match (initiator.has("fallback"), token) {
        (false, _) => demanded(DemandedEnd::TimesOut, why.times_out),
        (true, Token::Served(_)) => demanded(DemandedEnd::FallsBack, why.falls_back),
        (true, Token::Dropped(_)) => demanded(DemandedEnd::TimesOut, why.in_vain),
        (true, Token::Open) => NOT_SAID,
    }
}

fn event(initiator: &Offer<'_>, from: Role, payload: &[u8]) -> Option<TrafficEvent> {
    let frame = Frame::decode(payload).ok().flatten()?;
    let is_legacy = initiator.mode == Mode::Legacy.name();
    match (from, frame) {
        (Role::Initiator, Frame::StartToken) if is_legacy => Some(TrafficEvent::Requests),
        (Role::Initiator, Frame::StartToken) => Some(TrafficEvent::FallsBack),
        (Role::Initiator, Frame::Syn(_) | Frame::Start(_)) => Some(TrafficEvent::Requests),
        (Role::Responder, Frame::SynAck(answer)) if answer.flags & Control::ACCEPT == 0 => {
            Some(TrafficEvent::Refuses(String::from("SYN-ACK with Accept=0")))
        }
        (Role::Responder, Frame::StartAck(answer)) => Some(TrafficEvent::Grants {
            frames_per_second: answer.tlvs.u32(tlv::kind::FRAME_RATE),
            seconds: answer.tlvs.u32(tlv::kind::STREAM_LENGTH),
        }),
        (_, Frame::Error(error)) => refusal(error.error_code()),
        (Role::Responder, Frame::Data(data)) => {
            Some(TrafficEvent::Received(data.header.sequence_number))
        }
        (Role::Responder, Frame::Fragment(part)) => {
            Some(TrafficEvent::Received(part.header.sequence_number))
        }
        (Role::Initiator, Frame::Data(_) | Frame::Fragment(_))
        | (Role::Responder, Frame::StartToken | Frame::Syn(_) | Frame::Start(_))
        | (Role::Initiator, Frame::StartAck(_))
        | (
            _,
            Frame::JoinToken
            | Frame::SynAck(_)
            | Frame::Ack(_)
            | Frame::StartConfirm(_)
            | Frame::ConnectionId(_),
        ) => None,
    }
}

/// An ERROR that refuses a stream. One about a timeout (MS-S-13), or about an unexpected frame
/// (MS-S-17), does not.
fn refusal(code: Option<u16>) -> Option<TrafficEvent> {
    let code = code?;
    let name = match ErrorCode::from_number(code) {
        Some(ErrorCode::Timeout | ErrorCode::UnexpectedFrame) => return None,
        Some(ErrorCode::Malformed) => " (malformed)",
        Some(ErrorCode::UnsupportedVersion) => " (unsupported version)",
        Some(ErrorCode::InvalidParameters) => " (invalid parameters)",
        Some(ErrorCode::ResourcesUnavailable) => " (resources unavailable)",
        Some(ErrorCode::StreamIdMismatch) => " (StreamId mismatch)",
        Some(ErrorCode::NonceMismatch) => " (nonce mismatch)",
        Some(ErrorCode::DuplicateStreamId) => " (duplicate StreamId)",
        None => "",
    };
    Some(TrafficEvent::Refuses(format!("ERROR {code}{name}")))
}

fn handshake_timeout(initiator: &Offer<'_>) -> Duration {
    match initiator.mode == Mode::Legacy.name() {
        true => Duration::ZERO,
        false => THREE_SENDS,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn between(initiator: (&str, &str), responder: (&str, &str)) -> Demand {
        let list = |options: &str| -> Vec<String> {
            let options = options.split(' ').filter(|option| !option.is_empty());
            options.map(str::to_owned).collect()
        };
        let (of_initiator, of_responder) = (list(initiator.1), list(responder.1));
        let initiator = Offer {
            mode: initiator.0,
            options: &of_initiator,
            is_second: false,
        };
        let responder = Offer {
            mode: responder.0,
            options: &of_responder,
            is_second: false,
        };
        demand(&initiator, &responder)
    }

    #[test]
    fn what_the_specification_does_not_describe_is_not_said() {
        let open = [
            (("3way,start3", ""), ("3way", "")),
            (("legacy", ""), ("legacy,3way", "")),
            (("start3", "fallback"), ("legacy,3way", "")),
            (("legacy", "upload"), ("legacy", "upload_slots=1")),
            (("4way", ""), ("3way", "")),
        ];
        for (initiator, responder) in open {
            let demand = between(initiator, responder);
            assert_eq!(
                demand.end,
                DemandedEnd::NotSaid,
                "{initiator:?} {responder:?}"
            );
        }
    }

    #[test]
    fn only_who_is_asked_in_a_handshake_that_it_speaks_may_refuse() {
        let may = |initiator, responder| !between(initiator, responder).may_refuse.is_empty();
        assert!(may(("3way", ""), ("3way,start3", "")));
        assert!(may(("start3", "fallback"), ("start3", "begin_immediately")));
        assert!(!may(("legacy", ""), ("3way", "allow_legacy_start")));
        assert!(!may(("3way", ""), ("legacy", "")));
    }

    #[test]
    fn every_demand_names_requirements_that_there_are() {
        let offers = ["legacy", "3way", "start3", "3way,start3"];
        for mode in offers {
            for initiator in [("legacy", ""), ("3way", "fallback"), ("start3", "")] {
                for option in ["", "allow_legacy_start"] {
                    let demand = between(initiator, (mode, option));
                    assert!(!demand.because.is_empty());
                    for id in demand.because.iter().chain(demand.may_refuse) {
                        assert!(super::super::PROTOCOL.requirement(id).is_some(), "{id}");
                    }
                }
            }
        }
    }

    #[test]
    fn options_are_told_of_the_modes_in_which_they_mean_something() {
        let of = |role, mode| options(role, mode).join(" ");
        assert_eq!(of(Role::Initiator, "legacy"), "");
        assert_eq!(of(Role::Initiator, "3way"), "fallback");
        assert_eq!(of(Role::Responder, "legacy"), "");
        assert_eq!(
            of(Role::Responder, "3way"),
            "allow_legacy_start optimistic_start"
        );
        assert_eq!(
            of(Role::Responder, "3way,start3"),
            "allow_legacy_start optimistic_start begin_immediately"
        );
    }

    #[rstest]
    #[case("3way", Role::Initiator, b"START", Some(TrafficEvent::FallsBack))]
    #[case("legacy", Role::Initiator, b"START", Some(TrafficEvent::Requests))]
    #[case("legacy", Role::Responder, b"START", None)]
    #[case("legacy", Role::Responder, b"\xff\xff", None)]
    #[case("legacy", Role::Responder, b"", None)]
    fn a_token_is_told_from_what_else_comes(
        #[case] mode: &str,
        #[case] from: Role,
        #[case] bytes: &[u8],
        #[case] expected: Option<TrafficEvent>,
    ) {
        let initiator = Offer {
            mode,
            options: &[],
            is_second: false,
        };
        assert_eq!(event(&initiator, from, bytes), expected);
    }

    #[test]
    fn media_and_refusals_are_told_by_number_and_cause() {
        let words = super::super::PROTOCOL.vocabulary;
        let encoded = |frame: &str, fields: serde_json::Value| {
            words.encode(frame, fields.as_object().unwrap()).unwrap()
        };
        let initiator = Offer {
            mode: "start3",
            options: &[],
            is_second: false,
        };
        let from_responder = |bytes: &[u8]| event(&initiator, Role::Responder, bytes);
        let data = encoded("data", serde_json::json!({ "sequence_number": 7 }));
        assert_eq!(from_responder(&data), Some(TrafficEvent::Received(7)));
        let rejected = encoded("SYN-ACK", serde_json::json!({ "accept": false }));
        let refused = Some(TrafficEvent::Refuses("SYN-ACK with Accept=0".into()));
        assert_eq!(from_responder(&rejected), refused);
        let accepted = encoded("SYN-ACK", serde_json::json!({ "accept": true }));
        assert_eq!(from_responder(&accepted), None);
        let granted = encoded("START_ACK", serde_json::json!({ "frame_rate": 25 }));
        let grants = Some(TrafficEvent::Grants {
            frames_per_second: Some(25),
            seconds: None,
        });
        assert_eq!(from_responder(&granted), grants);
        let error = |code: u16| encoded("ERROR", serde_json::json!({ "error_code": code }));
        let refused = Some(TrafficEvent::Refuses("ERROR 3 (invalid parameters)".into()));
        assert_eq!(from_responder(&error(3)), refused);
        assert_eq!(from_responder(&error(8)), None);
        let other = Some(TrafficEvent::Refuses("ERROR 77".into()));
        assert_eq!(event(&initiator, Role::Initiator, &error(77)), other);
    }
}
