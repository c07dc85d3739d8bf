//! Scenarios in words, for people who do not want to read the file.

mod streams;

use serde_json::{Map, Value};
use shakedown_protocol::StreamParameters;

use super::streams::over_streams;
use super::{
    Carry, ExitKind, Expect, ExpectExit, ExpectMedia, ExpectNothing, Media, Mutate, Patch, SUM,
    Scenario, Send, SendRaw, Span, Step,
};

/// A step in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it is within others; 0 for the scenario's own steps.
    pub depth: usize,
    /// The step's path, from 0; empty for the titles of branches.
    pub path: String,
    /// What is done or waited for.
    pub text: String,
}

impl Scenario {
    /// What the network does and the steps in words, in the file's order.
    #[must_use]
    pub fn in_words(&self) -> Vec<Line> {
        let network = self.impair.iter().map(|impair| Line {
            depth: 0,
            path: String::new(),
            text: format!("the network does: {impair}"),
        });
        let mut lines = network.collect();
        list(&self.steps, "", 0, &mut lines);
        lines
    }
}

fn list(steps: &[Step], prefix: &str, depth: usize, lines: &mut Vec<Line>) {
    for (index, step) in steps.iter().enumerate() {
        let path = format!("{prefix}{index}");
        let mut add = |text: String| {
            lines.push(Line {
                depth,
                path: path.clone(),
                text,
            });
        };
        match step {
            Step::Send(one) => add(format!("send {}", sent(one))),
            Step::SendRaw(raw) => add(send_raw(raw)),
            Step::Mutate(one) => add(mutate(one)),
            Step::Lose(one) => add(format!("the network loses {}", sent(one))),
            Step::Media(one) => add(media(one)),
            Step::Expect(one) => add(format!("wait for {}", expect(one))),
            Step::ExpectAny(any) => {
                let frames: Vec<_> = any.of.iter().map(expect).collect();
                add(format!(
                    "wait, in any order, for {}",
                    frames.join("; and for ")
                ));
            }
            Step::ExpectNothing(one) => add(expect_nothing(one)),
            Step::ExpectMedia(one) => add(expect_media(one)),
            Step::ExpectExit(one) => add(expect_exit(one)),
            Step::Wait(wait) => add(format!("let {} go by", wait.span)),
            Step::RestartIut(_) => add("stop the implementation and start it again".to_owned()),
            step @ over_streams!() => add(streams::in_words(step)),
            Step::Repeat(repeat) => {
                add(format!("{} times:", repeat.times));
                list(&repeat.steps, &format!("{path}."), depth + 1, lines);
            }
            Step::Either(branches) => {
                add("whichever comes first:".to_owned());
                for (index, branch) in branches.iter().enumerate() {
                    lines.push(Line {
                        depth: depth + 1,
                        path: String::new(),
                        text: format!("{}:", branch.title),
                    });
                    list(&branch.steps, &format!("{path}.{index}."), depth + 2, lines);
                }
            }
        }
    }
}

fn sent(send: &Send) -> String {
    let with = match fields(&send.fields, " ") {
        text if text.is_empty() => text,
        text => format!(" with {text}"),
    };
    let times = send.times.map(times).unwrap_or_default();
    format!("{}{with}{}{times}", send.frame, from(send.from.as_deref()))
}

fn send_raw(raw: &SendRaw) -> String {
    let padded = raw
        .pad_to
        .map(|length| format!(", padded with zeros to {length} bytes"))
        .unwrap_or_default();
    let bytes = match raw.hex.trim() {
        "" => "an empty datagram".to_owned(),
        hex => format!("the bytes {}", short(hex)),
    };
    let times = raw.times.map(times).unwrap_or_default();
    format!("send {bytes}{padded}{}{times}", from(raw.from.as_deref()))
}

fn mutate(mutate: &Mutate) -> String {
    let plain = Send {
        frame: mutate.frame.clone(),
        fields: mutate.fields.clone(),
        from: mutate.from.clone(),
        times: None,
    };
    let patches: Vec<_> = mutate.patches.iter().map(patch).collect();
    format!(
        "send {}, its bytes changed: {}",
        sent(&plain),
        patches.join(", ")
    )
}

fn patch(patch: &Patch) -> String {
    match patch {
        Patch::Field { name, hex } => format!("{name} is {}", short(hex)),
        Patch::At { offset, hex } => format!("{} at offset {offset}", short(hex)),
        Patch::Truncate(length) => format!("cut to {length} bytes"),
        Patch::Append(hex) => format!("{} appended", short(hex)),
    }
}

fn media(media: &Media) -> String {
    let frames = media.frames.map_or_else(
        || "the whole stream".to_owned(),
        |frames| format!("{frames} frames of media"),
    );
    let first = media
        .first
        .map(|first| format!(" from number {first} on"))
        .unwrap_or_default();
    let carry = match media.carry {
        None => "",
        Some(Carry::Split) => ", each split over several datagrams",
        Some(Carry::Fragments) => ", each in fragments",
    };
    let stream = media.stream.map(stream).unwrap_or_default();
    format!(
        "send {frames}{first}{carry}{stream}{}",
        from(media.from.as_deref())
    )
}

fn stream(stream: StreamParameters) -> String {
    let StreamParameters {
        bits_per_second,
        frames_per_second,
        seconds,
    } = stream;
    format!(
        ", of a stream of {bits_per_second} bits and {frames_per_second} frames a second for {seconds} s"
    )
}

fn expect(expect: &Expect) -> String {
    let with = match fields(&expect.fields, " ") {
        text if text.is_empty() => text,
        text => format!(" with {text}"),
    };
    let same = expect
        .same_as
        .map(|step| format!(", the same bytes as in step {step}"))
        .unwrap_or_default();
    let bound: Vec<_> = expect
        .bind
        .iter()
        .map(|(name, field)| format!("remember {field} as ${name}"))
        .collect();
    let bound = match bound.join(", ") {
        text if text.is_empty() => text,
        text => format!("; {text}"),
    };
    let window = window(expect.after.as_ref(), &expect.within);
    let ignore = passing(&expect.ignore);
    let judged = judged(expect.requirement.as_deref());
    let at = at(expect.at.as_deref());
    format!(
        "{}{with}{at}{window}{same}{ignore}{bound}{judged}",
        expect.frame
    )
}

fn expect_nothing(silence: &ExpectNothing) -> String {
    let what = if silence.of.is_empty() {
        "nothing".to_owned()
    } else {
        format!("no {}", silence.of.join(" and no "))
    };
    let ignore = passing(&silence.ignore);
    let judged = judged(silence.requirement.as_deref());
    format!(
        "{what} may come for {}{}{ignore}{judged}",
        silence.span,
        at(silence.at.as_deref())
    )
}

fn expect_media(media: &ExpectMedia) -> String {
    let frames = media.frames.map_or_else(
        || "media up to the end of the stream".to_owned(),
        |frames| format!("{frames} frames of media"),
    );
    let first = media
        .first
        .map(|first| format!(" from number {first} on"))
        .unwrap_or_default();
    let goes_on = if media.goes_on {
        ", numbers above those before"
    } else {
        ""
    };
    let within = media
        .within
        .map(|span| format!(" within {span}"))
        .unwrap_or_default();
    let ignore = passing(&media.ignore);
    let judged = judged(media.requirement.as_deref());
    let at = at(media.at.as_deref());
    format!("wait for {frames}{first}{goes_on}{at}{within}{ignore}{judged}")
}

fn expect_exit(exit: &ExpectExit) -> String {
    let how = match exit.status {
        None => "end",
        Some(ExitKind::Success) => "end with success",
        Some(ExitKind::Failure) => "end with failure",
    };
    let window = window(exit.after.as_ref(), &exit.within);
    let ignore = passing(&exit.ignore);
    format!(
        "the implementation must {how}{window}{ignore}{}",
        judged(exit.requirement.as_deref())
    )
}

fn fields(fields: &Map<String, Value>, joint: &str) -> String {
    let one = |(name, value): (&String, &Value)| format!("{name}{joint}{}", wanted(value));
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A value or matcher in words.
fn wanted(value: &Value) -> String {
    let single = value.as_object().filter(|object| object.len() == 1);
    let matcher = single.and_then(|object| object.iter().next());
    match matcher.map(|(key, argument)| (key.as_str(), argument)) {
        Some(("not", argument)) => format!("not {}", wanted(argument)),
        Some(("any_of", Value::Array(values))) => {
            let values: Vec<_> = values.iter().map(wanted).collect();
            values.join(" or ")
        }
        Some(("at_least", argument)) => format!("at least {argument}"),
        Some(("at_most", argument)) => format!("at most {argument}"),
        Some((SUM, Value::Array(terms))) => {
            let terms: Vec<_> = terms.iter().map(wanted).collect();
            terms.join(" + ")
        }
        Some(("empty", Value::Bool(true))) => "empty".to_owned(),
        Some(("empty", Value::Bool(false))) => "not empty".to_owned(),
        Some(("present", Value::Bool(true))) => "present".to_owned(),
        Some(("present", Value::Bool(false))) => "absent".to_owned(),
        Some(_) | None => match value {
            Value::String(text) if text.starts_with('$') => text.clone(),
            other => short(&other.to_string()),
        },
    }
}

fn window(after: Option<&Span>, within: &Span) -> String {
    after.map_or_else(
        || format!(" within {within}"),
        |after| format!(" after {after} to {within}"),
    )
}

fn passing(frames: &[String]) -> String {
    match frames {
        [] => String::new(),
        frames => format!(", letting {} pass", frames.join(" and ")),
    }
}

fn judged(requirement: Option<&str>) -> String {
    requirement.map(|id| format!(" [{id}]")).unwrap_or_default()
}

fn from(socket: Option<&str>) -> String {
    match socket {
        None => String::new(),
        Some("fresh") => " from a new port".to_owned(),
        Some(name) => format!(" from `{name}`"),
    }
}

fn at(socket: Option<&str>) -> String {
    socket
        .map(|name| format!(" at `{name}`"))
        .unwrap_or_default()
}

fn times(times: u32) -> String {
    format!(", {times} times")
}

/// Long bytes say little: their beginning will do.
fn short(text: &str) -> String {
    const MOST: usize = 48;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
