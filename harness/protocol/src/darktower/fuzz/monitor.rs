use shakedown_wire::quic::{Event, EventKind};

use crate::MonitorSettings;
use crate::darktower::monitor::Monitor;
use crate::darktower::requirements;
use crate::monitor::{Observation, StreamMonitor as _};
use crate::proton::fuzz::FuzzInput;
use crate::proton::fuzz::monitor::{play, settings};
use crate::requirement::Seen;
use crate::web::ALPN;

/// Things that one event may give rise to be said; the end may say as much of each.
const MOST_OBSERVATIONS: usize = 64;

/// Plays a plan of proton as a capture, whole and byte by byte.
pub(super) fn run(bytes: &[u8]) {
    let plan = FuzzInput::read(bytes);
    let mode = match (plan.is_on(4), plan.is_on(8)) {
        (true, _) => Some("mc".to_owned()),
        (false, true) => Some("mh".to_owned()),
        (false, false) => None,
    };
    let settings = MonitorSettings {
        mode,
        ..settings(&plan)
    };
    let whole = hear(&plan, &settings, usize::MAX);
    assert_eq!(hear(&plan, &settings, 1), whole);
}

/// What is said where bytes come in pieces of this size.
fn hear(plan: &FuzzInput<'_>, settings: &MonitorSettings, size: usize) -> Vec<Observation> {
    let mut monitor = Monitor::new(settings);
    let mut said = Vec::new();
    let (mut newest, mut events) = (0, 1);
    let end = play(plan, ALPN, &mut |event| {
        newest = newest.max(event.at.number);
        events += 1;
        let mut show = |kind| {
            let event = Event { kind, ..*event };
            monitor.event(&event, &mut |one| said.push(one));
        };
        match event.kind {
            EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            } => bytes.chunks(size).for_each(|bytes| {
                show(EventKind::StreamBytes {
                    stream,
                    by,
                    offset,
                    bytes,
                });
            }),
            kind => show(kind),
        }
    });
    monitor.finish(end, &mut |one| said.push(one));
    assert!(said.len() <= events * MOST_OBSERVATIONS);
    said.iter().for_each(|one| check(one, newest));
    said
}

/// What is said is of rules that a capture shows, and of packets that there were.
fn check(said: &Observation, newest: u64) {
    let (Observation::Finding(finding) | Observation::Inconclusive(finding)) = said else {
        return;
    };
    let mut all = requirements().iter();
    let rule = all.find(|rule| rule.id == finding.requirement);
    assert!(
        rule.is_some_and(|rule| rule.seen.contains(&Seen::Wire)),
        "{finding:?}"
    );
    let packet = finding.packet.unwrap_or(newest);
    assert!((1..=newest).contains(&packet), "{finding:?}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::darktower::VOCABULARY;
    use crate::proton::fuzz::{Step, StepKind};
    use crate::vocabulary::Vocabulary as _;
    use crate::web::{field_section, frame, frame_type, prefix, stream_type};

    const ID: &str = "00000000-0000-4000-8000-000000000001";

    /// What may stand on a stream or in a datagram.
    fn words() -> Vec<Vec<u8>> {
        let say = |frame, fields: serde_json::Value| {
            VOCABULARY
                .encode(frame, fields.as_object().unwrap())
                .unwrap()
        };
        let headers = |fields: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let fields: Vec<_> = fields.iter().map(owned).collect();
            frame(frame_type::HEADERS, &field_section::encode(&fields))
        };
        let media = |number| {
            let fields =
                json!({ "stream_id": ID, "sequence_number": number, "payload": { "pattern": 5 } });
            say("FRAME", fields)
        };
        let header = say(
            "STREAM-HEADER",
            json!({ "stream_id": ID, "stream_type": 0 }),
        );
        let join = say("JoinRequest", json!({}));
        let auth = say("MediaAuth", json!({ "connection_token": "t" }));
        let (uni, bidi) = (stream_type::WEBTRANSPORT, frame_type::WEBTRANSPORT_STREAM);
        vec![
            headers(&[(":method", "CONNECT"), (":protocol", "webtransport")]),
            headers(&[(":method", "GET"), (":path", "/api/v1/meetings/m")]),
            headers(&[(":status", "200")]),
            headers(&[(":status", "404")]),
            [prefix(bidi, 0), join].concat(),
            [prefix(uni, 0), auth.clone()].concat(),
            [prefix(uni, 0), header, media(0)].concat(),
            prefix(uni, 4),
            media(1),
            media(3),
            [vec![0], auth[4..].to_vec()].concat(),
            [vec![0], media(0)].concat(),
            frame(frame_type::DATA, &[0x68, 0x43, 4, 0, 0, 0, 0]),
            vec![0; 4],
            vec![0x70, 0x17, 0, 0], // Six seconds.
        ]
    }

    /// Plans that often get somewhere.
    fn plans() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop_oneof![
            prop::sample::select(words()),
            prop::collection::vec(any::<u8>(), 0..9),
        ];
        let step = (
            prop::sample::select(StepKind::ALL.to_vec()),
            prop::sample::select(vec![0_u8, 128]),
            prop::sample::select(vec![0_u8, 4, 2, 6, 3, 1]),
            bytes,
        );
        let begin = [
            (StepKind::Asked, 0, 0),
            (StepKind::Command, 0, 1),
            (StepKind::Connected, 128, 0),
        ];
        let begin = begin.map(|(what, connection, stream)| (what, connection, stream, Vec::new()));
        let opens = [0, 4, 2, 6].map(|stream| (StepKind::Opened, 0, stream, Vec::new()));
        let steps = prop::collection::vec(step, 0..40);
        (0_u8..32, steps).prop_map(move |(options, steps)| {
            let steps = begin.iter().chain(&opens).chain(&steps);
            let steps = steps.map(|(what, connection, stream, bytes)| Step {
                what: *what,
                connection: *connection,
                stream: *stream,
                bytes,
            });
            let steps = steps.collect();
            FuzzInput { options, steps }.write()
        })
    }

    proptest! {
        #[test]
        fn what_is_said_does_not_depend_on_how_bytes_are_cut(plan in plans()) {
            run(&plan);
        }
    }
}
