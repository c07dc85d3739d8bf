//! Steps over streams in words.

use serde_json::Value;

use super::{judged, short, times, wanted, window};
use crate::scenario::Step;
use crate::scenario::streams::{Ending, MAIN};

/// A step over streams in words; its verb for any other.
pub(super) fn in_words(step: &Step) -> String {
    match step {
        Step::Connect(one) => {
            let offering = match &one.alpn {
                None => String::new(),
                Some(none) if none.is_empty() => ", offering no protocol".to_owned(),
                Some(names) => format!(", offering {}", names.join(", ")),
            };
            let from = one.from.as_ref();
            let from = from.map(|other| format!(" from the port of `{other}`"));
            let window = one.window;
            let window = window.map(|bytes| format!(", with a window of {bytes} bytes"));
            let (from, window) = (from.unwrap_or_default(), window.unwrap_or_default());
            format!("connect{}{from}{offering}{window}", named(&one.name))
        }
        Step::ExpectConnected(one) => format!(
            "the handshake{} must be done{}{}",
            of(&one.connection),
            window(one.after.as_ref(), &one.within),
            judged(one.requirement.as_deref())
        ),
        Step::Accept(one) => format!(
            "wait for a connection{}{} and {} it{}",
            named(&one.name),
            window(one.after.as_ref(), &one.within),
            if one.refuse { "refuse" } else { "take" },
            judged(one.requirement.as_deref())
        ),
        Step::Open(one) => {
            let kind = match one.unidirectional {
                true => "unidirectional stream",
                false => "stream",
            };
            format!("open the {kind} `{}`{}", one.stream, of(&one.connection))
        }
        Step::Write(one) => {
            let pieces: Vec<_> = one.pieces.iter().map(ToString::to_string).collect();
            let pieces = match pieces.as_slice() {
                [] => String::new(),
                pieces => format!(", in pieces of {} bytes and the rest", pieces.join(", ")),
            };
            let fin = if one.fin { ", and end it" } else { "" };
            format!(
                "write {} on `{}`{}{pieces}{fin}",
                content(one.hex.as_deref(), one.u32.as_deref()),
                one.stream,
                one.times.map(times).unwrap_or_default()
            )
        }
        Step::Fin(one) => format!("end `{}` (FIN)", one.stream),
        Step::Reset(one) => format!("break off `{}` with code {}", one.stream, one.code),
        Step::StopSending(one) => format!(
            "ask for no more bytes of `{}`, with code {}",
            one.stream, one.code
        ),
        Step::SendDatagram(one) => format!(
            "send the datagram {}{}",
            short(&one.hex),
            of(&one.connection)
        ),
        Step::ExpectStream(one) => {
            let begins = one.starts_with.as_ref();
            let begins = begins.map(|hex| format!(" that begins with {}", short(hex)));
            format!(
                "wait for a stream{}{}, called `{}`{}{}",
                begins.unwrap_or_default(),
                of(&one.connection),
                one.stream,
                window(one.after.as_ref(), &one.within),
                judged(one.requirement.as_deref())
            )
        }
        Step::Read(one) => {
            let bound = one.bind.iter();
            let bound = bound.map(|(name, place)| format!("; remember number {place} as ${name}"));
            format!(
                "wait for {} on `{}`{}{}{}{}",
                content(one.hex.as_deref(), one.u32.as_deref()),
                one.stream,
                one.times.map(times).unwrap_or_default(),
                window(one.after.as_ref(), &one.within),
                bound.collect::<String>(),
                judged(one.requirement.as_deref())
            )
        }
        Step::ExpectQuiet(one) => {
            let place = match &one.stream {
                Some(stream) => format!(" on `{stream}`"),
                None => of(&one.connection),
            };
            format!(
                "nothing may come{place} for {}{}",
                one.span,
                judged(one.requirement.as_deref())
            )
        }
        Step::ExpectAlive(one) => format!(
            "the connection{} must live for {}{}",
            named(&one.connection),
            one.span,
            judged(one.requirement.as_deref())
        ),
        Step::ExpectClose(one) => {
            let codes = one
                .code
                .iter()
                .map(|code| format!("closed with code {code}"));
            let others = one.or.iter().map(|ending| ending.in_words().to_owned());
            let ways: Vec<_> = codes.chain(others).collect();
            format!(
                "the connection{} must be {}{}{}",
                named(&one.connection),
                ways.join(" or "),
                window(one.after.as_ref(), &one.within),
                judged(one.requirement.as_deref())
            )
        }
        Step::StopReading(one) => format!("read no more of `{}`", one.stream),
        Step::ResumeReading(one) => format!("read `{}` again", one.stream),
        Step::Blackhole(one) => format!("drop every packet{}", of(&one.connection)),
        Step::Resume(one) => format!("let packets pass again{}", of(&one.connection)),
        Step::Close(one) => format!(
            "close the connection{} with code {}",
            named(&one.connection),
            one.code
        ),
        other => other.verb().to_owned(),
    }
}

impl Ending {
    /// What happened to a connection that ended so: `refused`.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Transport => "closed by its transport",
            Self::IdleTimeout => "lost by silence",
            Self::StatelessReset => "reset without state",
        }
    }
}

fn named(connection: &str) -> String {
    match connection {
        MAIN => String::new(),
        name => format!(" `{name}`"),
    }
}

fn of(connection: &str) -> String {
    match connection {
        MAIN => String::new(),
        name => format!(" of `{name}`"),
    }
}

fn content(hex: Option<&str>, numbers: Option<&[Value]>) -> String {
    match (hex, numbers) {
        (Some(hex), _) => format!("the bytes {}", short(hex)),
        (None, Some(numbers)) => {
            let numbers: Vec<_> = numbers.iter().map(wanted).collect();
            numbers.join(", ")
        }
        (None, None) => "nothing".to_owned(),
    }
}
