use std::time::Duration;

use shakedown_protocol::requirement::Role;

use super::replay::Replay;
use crate::scenario::Span;
use crate::step::{
    Branch, Either, Expect, ExpectExit, ExpectMedia, ExpectNothing, Send, Step, Wait,
};

/// The longest wait between two sends of one datagram, and a little more.
const REPEATED: Duration = Duration::from_millis(2_000);
/// How long an answer may take.
const ANSWERED: Duration = Duration::from_secs(1);
/// How long it is watched that something does not come.
const WATCHED: Duration = Duration::from_secs(1);

/// The steps that whoever breaks this requirement does not pass.
pub(super) fn last_steps(requirement: &str, replay: &Replay) -> Vec<Step> {
    let one = |step: Option<Step>| step.into_iter().collect();
    match requirement {
        "MS-H-03" => one(again("SYN", REPEATED, requirement, replay)),
        "MS-H-18" => one(again("SYN-ACK", REPEATED, requirement, replay)),
        "MS-S-08" => one(again("START", REPEATED, requirement, replay)),
        "MS-S-13" => one(again("START_ACK", REPEATED, requirement, replay)),
        "MS-L-02" => one(again("START token", REPEATED, requirement, replay)),
        "MS-H-08" => one(again("SYN-ACK", ANSWERED, requirement, replay)),
        "MS-H-11" => one(again("ACK", ANSWERED, requirement, replay)),
        "MS-S-11" => one(again("START_ACK", ANSWERED, requirement, replay)),
        "MS-S-12" => one(again("START_CONFIRM", ANSWERED, requirement, replay)),
        "MS-H-05" => vec![answer("SYN-ACK", &[], requirement, replay)],
        "MS-H-09" => vec![answer("ACK", &["connection_id"], requirement, replay)],
        "MS-S-02" => vec![answer("START_ACK", &[], requirement, replay)],
        "MS-S-03" => {
            let fields = ["stream_id", "nonce", "sender_nonce"];
            vec![answer("START_CONFIRM", &fields, requirement, replay)]
        }
        "MS-H-16" | "MS-L-03" => {
            let mut step = replay.expectation("connection-id", ANSWERED);
            step.ignore
                .retain(|name| name != "data" && name != "fragment");
            vec![named(step, requirement)]
        }
        "MS-H-07" | "MS-H-12" | "MS-H-13" | "MS-H-15" | "MS-H-20" | "MS-S-04" | "MS-S-16" => {
            vec![nothing(&["data", "fragment"], requirement)]
        }
        "MS-H-10" | "MS-H-14" => vec![nothing(&["ACK"], requirement)],
        "MS-H-25" | "MS-S-18" if replay.role == Role::Responder => converges(requirement, replay),
        "MS-H-25" | "MS-S-18" | "MS-H-04" | "MS-S-09" | "MS-L-05" => {
            vec![Step::ExpectExit(ExpectExit {
                status: None,
                after: None,
                within: "$buffer_period + 5s".parse().unwrap_or_default(),
                ignore: replay.seen.iter().map(|name| (*name).to_owned()).collect(),
                requirement: Some(requirement.to_owned()),
            })]
        }
        // The monitor sees it in what was replayed, or a little later.
        _ => vec![Step::Wait(Wait {
            span: Span::fixed(WATCHED),
        })],
    }
}

/// The same datagram once more; the first of its name where there was none yet.
fn again(frame: &str, within: Duration, requirement: &str, replay: &Replay) -> Option<Step> {
    let mut step = replay.expectation(frame, within);
    step.same_as = replay.last(frame).map(|last| replay.original(last));
    Some(named(step, requirement))
}

/// An answer that bears what the scripted peer has said.
fn answer(frame: &str, fields: &[&str], requirement: &str, replay: &Replay) -> Step {
    let mut step = replay.expectation(frame, ANSWERED);
    let question = ["SYN-ACK", "START_ACK"]
        .into_iter()
        .find_map(|asked| replay.last_sent(asked));
    for field in fields {
        if let Some(value) = question.and_then(|question| question.fields.get(*field)) {
            step.fields.insert((*field).to_owned(), value.clone());
        }
    }
    named(step, requirement)
}

fn named(mut step: Expect, requirement: &str) -> Step {
    step.requirement = Some(requirement.to_owned());
    Step::Expect(step)
}

fn nothing(frames: &[&str], requirement: &str) -> Step {
    Step::ExpectNothing(ExpectNothing {
        span: Span::fixed(WATCHED),
        of: frames.iter().map(|frame| (*frame).to_owned()).collect(),
        at: None,
        ignore: Vec::new(),
        requirement: Some(requirement.to_owned()),
    })
}

/// A responder whose peer believes in the session: it asks again and is told, or it streams.
fn converges(requirement: &str, replay: &Replay) -> Vec<Step> {
    let media = |ignore: &[&str]| {
        Step::ExpectMedia(ExpectMedia {
            frames: Some(1),
            first: None,
            goes_on: false,
            within: None,
            at: None,
            ignore: ignore.iter().map(|name| (*name).to_owned()).collect(),
            requirement: Some(requirement.to_owned()),
        })
    };
    let (asked, told) = match requirement {
        "MS-H-25" => ("SYN-ACK", "ACK"),
        _ => ("START_ACK", "START_CONFIRM"),
    };
    let streams = Branch {
        title: "it streams".to_owned(),
        steps: vec![media(&["connection-id"])],
    };
    let Some(known) = replay.last_sent(told) else {
        return vec![media(&["connection-id", asked])];
    };
    let mut repeated = replay.expectation(asked, REPEATED);
    repeated.ignore = vec!["connection-id".to_owned()];
    repeated.same_as = replay.last(asked).map(|last| replay.original(last));
    repeated.requirement = Some(requirement.to_owned());
    let answer = Step::Send(Send {
        times: None,
        from: None,
        ..known.clone()
    });
    let asks = Branch {
        title: format!("{asked} comes again, is answered, and it streams"),
        steps: vec![
            Step::Expect(repeated),
            answer,
            media(&["connection-id", asked]),
        ],
    };
    vec![Step::Either(Either(vec![asks, streams]))]
}
