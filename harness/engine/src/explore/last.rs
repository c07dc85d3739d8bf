use std::time::Duration;

use shakedown_protocol::exploration::Symptom;
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

/// The steps that fail if this requirement is violated.
pub(super) fn last_steps(requirement: &str, replay: &Replay) -> Vec<Step> {
    let known = replay.rules.symptoms.iter();
    let symptom = known.copied().find(|(id, _)| *id == requirement);
    let Some((_, symptom)) = symptom else {
        // The monitor sees it in what was replayed, or a little later.
        return vec![Step::Wait(Wait {
            span: Span::fixed(WATCHED),
        })];
    };
    match symptom {
        Symptom::NotAgain(frame) => vec![again(frame, REPEATED, requirement, replay)],
        Symptom::NotTheSameAnswer(frame) => vec![again(frame, ANSWERED, requirement, replay)],
        Symptom::NoAnswer {
            answer,
            question,
            fields,
        } => {
            let mut step = replay.expectation(answer, ANSWERED);
            let question = replay.last_sent(question);
            for field in fields {
                if let Some(value) = question.and_then(|question| question.fields.get(*field)) {
                    step.fields.insert((*field).to_owned(), value.clone());
                }
            }
            vec![named(step, requirement)]
        }
        Symptom::NotFirst(frame, media) => {
            let mut step = replay.expectation(frame, ANSWERED);
            step.ignore.retain(|name| !media.contains(&name.as_str()));
            vec![named(step, requirement)]
        }
        Symptom::Sent(frames) => vec![nothing(frames, requirement)],
        Symptom::NoEnd {
            answer,
            confirmation,
            name,
        } if replay.role == Role::Responder => {
            converges([answer, confirmation, name], requirement, replay)
        }
        Symptom::NoEnd { .. } | Symptom::NoExit => vec![Step::ExpectExit(ExpectExit {
            status: None,
            after: None,
            within: "$buffer_period + 5s".parse().unwrap_or_default(),
            tempted: true,
            ignore: replay.seen.iter().map(|name| (*name).to_owned()).collect(),
            requirement: Some(requirement.to_owned()),
        })],
    }
}

/// The same datagram once more; the first of its name where there was none yet.
fn again(frame: &str, within: Duration, requirement: &str, replay: &Replay) -> Step {
    let mut step = replay.expectation(frame, within);
    step.same_as = replay.last(frame).map(|last| replay.original(last));
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

/// A responder whose peer has a session: the peer retransmits and gets a response, or it streams.
fn converges([asked, told, name]: [&str; 3], requirement: &str, replay: &Replay) -> Vec<Step> {
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
    let streams = Branch {
        title: "it streams".to_owned(),
        steps: vec![media(&[name])],
    };
    let Some(known) = replay.last_sent(told) else {
        return vec![media(&[name, asked])];
    };
    let mut repeated = replay.expectation(asked, REPEATED);
    repeated.ignore = vec![name.to_owned()];
    repeated.same_as = replay.last(asked).map(|last| replay.original(last));
    repeated.requirement = Some(requirement.to_owned());
    let answer = Step::Send(Send {
        times: None,
        from: None,
        ..known.clone()
    });
    let asks = Branch {
        title: format!("{asked} comes again, is answered, and it streams"),
        steps: vec![Step::Expect(repeated), answer, media(&[name, asked])],
    };
    vec![Step::Either(Either(vec![asks, streams]))]
}
