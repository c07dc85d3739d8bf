//! Semantic checks of descriptions. Every problem is reported, each at its position.

mod start;
pub(super) mod waiver;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::{PROTOCOLS, Protocol, protocol};

use super::placeholder::{self, KNOWN};
use super::{Iut, Observe, Waiver};
use crate::document::{
    Decoded, Node, Pointer, Problem, did_you_mean, mode_meant, requirement_meant,
};
use crate::scenario::Span;

/// The longest stream, in seconds: a day.
const LONGEST_STREAM: u32 = 86_400;

/// The most frames of a second.
const MOST_FRAMES: u32 = 1_000_000;

/// The largest frame of a stream, in bytes.
const LARGEST_FRAME: u64 = 16 << 20;

/// Checks a description; `has_stream` if it says what is streamed, right or wrong.
pub(super) fn check(iut: &Iut, decoded: &Decoded<Iut>, has_stream: bool) -> Vec<Problem> {
    let mut checker = Checker {
        root: &decoded.root,
        iut,
        protocol: protocol(&iut.protocol),
        problems: Vec::new(),
    };
    let given = |key: &str| !decoded.defaulted.iter().any(|name| name == key);
    if given("name") && iut.name.trim().is_empty() {
        checker.at(&root("name"), "the name is empty", None);
    }
    if given("protocol") {
        checker.protocol();
    }
    if given("role") {
        checker.role();
    }
    if given("modes") {
        checker.modes();
    }
    checker.values();
    checker.stream(has_stream);
    checker.max_datagram();
    checker.timing();
    if let Some(observe) = &iut.observe {
        checker.observe(observe);
    }
    for (index, waiver) in iut.waive.iter().enumerate() {
        checker.waiver(waiver, index, given("role"));
    }
    let before = checker.problems.len();
    if let Some(start) = &iut.start {
        checker.start(start, given("role"));
    }
    // Where something is wrong with the start, what it lacks may be just that.
    let start_is_whole = decoded.problems.is_empty() && checker.problems.len() == before;
    if given("role") && start_is_whole {
        match iut.role {
            Role::Initiator => checker.initiator(),
            Role::Responder => checker.responder(),
        }
    }
    checker.problems
}

struct Checker<'a> {
    root: &'a Node,
    iut: &'a Iut,
    protocol: Option<&'static Protocol>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn at(&mut self, pointer: &Pointer, message: impl Into<String>, help: Option<&str>) {
        let problem = Problem::new(self.root.place(pointer), message);
        self.problems.push(problem.help(help.map(str::to_owned)));
    }

    fn at_key(&mut self, pointer: &Pointer, message: impl Into<String>, help: Option<&str>) {
        let problem = Problem::new(self.root.key_place(pointer), message);
        self.problems.push(problem.help(help.map(str::to_owned)));
    }

    fn protocol(&mut self) {
        let name = &self.iut.protocol;
        if self.protocol.is_none() {
            let known = PROTOCOLS.iter().map(|protocol| protocol.id);
            let help = did_you_mean(name, known);
            let message = format!("no protocol is called `{name}`");
            self.at(&root("protocol"), message, help.as_deref());
        }
    }

    fn role(&mut self) {
        let written = self.root.get(&root("role")).map(Node::to_value);
        let written = written.as_ref().and_then(serde_json::Value::as_str);
        let Some((protocol, written)) = self.protocol.zip(written) else {
            return;
        };
        if !protocol.sides.contains(&written) {
            let message = format!("{} has no role `{written}`", protocol.id);
            let help = format!("write `{}`", protocol.side(self.iut.role));
            self.at(&root("role"), message, Some(&help));
        }
    }

    fn modes(&mut self) {
        let modes = &self.iut.modes;
        if modes.is_empty() {
            self.at(
                &root("modes"),
                "no mode is claimed",
                Some("name at least one"),
            );
        }
        for (index, mode) in modes.iter().enumerate() {
            let place = root("modes").index(index);
            if modes[..index].contains(mode) {
                self.at(&place, format!("`{mode}` stands twice"), None);
            }
            let Some(protocol) = self.protocol else {
                continue;
            };
            if !protocol.has_mode(mode) {
                let help = mode_meant(mode, protocol.modes);
                let message = format!("{} has no mode `{mode}`", protocol.id);
                self.at(&place, message, help.as_deref());
            }
        }
    }

    fn values(&mut self) {
        let Some(protocol) = self.protocol else {
            return;
        };
        for (name, value) in &self.iut.values {
            let place = root("values").key(name);
            let Some(known) = protocol.values.iter().find(|known| known.name == name) else {
                let known = protocol.values.iter().map(|known| known.name);
                let help = did_you_mean(name, known);
                let message = format!("{} has no value `{name}`", protocol.id);
                self.at_key(&place, message, help.as_deref());
                continue;
            };
            let text = value.as_str().unwrap_or_default();
            if let Some(problem) = known.form.problem(text) {
                let message = format!("`{name}` is {problem}");
                let help = format!("write a text such as {}", known.reference);
                self.at(&place, message, Some(&help));
            }
        }
    }

    fn stream(&mut self, has_stream: bool) {
        let stream = &self.iut.stream;
        let place = root("stream");
        let is_there = self.root.get(&place).is_some();
        let has_media = self
            .protocol
            .is_none_or(|protocol| protocol.media.is_some());
        match (has_media, is_there) {
            (false, true) => {
                let message = format!("{} has no media to stream", self.iut.protocol);
                return self.at_key(&place, message, Some("remove this"));
            }
            (false, false) => return,
            (true, false) => {
                // If it was given and is wrong, that was reported already.
                if !has_stream && self.protocol.is_some() {
                    let help = "add `[stream]` with bits_per_second, frames_per_second and seconds: \
                                what it streams, or is asked to stream";
                    self.at_key(&root("protocol"), "`stream` is missing", Some(help));
                }
                return;
            }
            (true, true) => {}
        }
        for (name, value) in [
            ("frames_per_second", stream.frames_per_second),
            ("seconds", stream.seconds),
        ] {
            if value == 0 {
                self.at(&place.key(name), "a stream with 0 here has no frame", None);
            }
        }
        for (name, value, most) in [
            ("frames_per_second", stream.frames_per_second, MOST_FRAMES),
            ("seconds", stream.seconds, LONGEST_STREAM),
        ] {
            if value > most {
                let message = format!("{value} is more than the {most} that a stream may have");
                self.at(&place.key(name), message, None);
            }
        }
        let bytes = stream.frame_bytes();
        if bytes > LARGEST_FRAME {
            let message = format!("a frame would have {bytes} bytes, more than {LARGEST_FRAME}");
            self.at(&place.key("bits_per_second"), message, None);
        }
        let Some(media) = self.protocol.and_then(|protocol| protocol.media) else {
            return;
        };
        if stream.frames_per_second > 0 && bytes < media.smallest as u64 {
            let least = media.smallest as u64 * 8 * u64::from(stream.frames_per_second);
            let message = format!("a frame would have {bytes} bytes");
            let help = format!(
                "its header and one byte of media take {}: write {least} or more",
                media.smallest
            );
            self.at(&place.key("bits_per_second"), message, Some(&help));
        }
    }

    fn max_datagram(&mut self) {
        let Some(media) = self.protocol.and_then(|protocol| protocol.media) else {
            return;
        };
        let possible = media.smallest..=media.largest;
        if let Some(length) = self.iut.max_datagram
            && !possible.contains(&length)
        {
            let message = format!("no datagram of media has {length} bytes");
            let help = format!("write {} to {}", media.smallest, media.largest);
            self.at(&root("max_datagram"), message, Some(&help));
        }
    }

    fn timing(&mut self) {
        let tolerance = self.iut.timing.tolerance;
        if !(0.0..=2.0).contains(&tolerance) {
            let message = format!("a tolerance of {tolerance} cannot be");
            let help = "write a share of the interval from 0 to 2; 0.25 is a quarter";
            self.at(&root("timing").key("tolerance"), message, Some(help));
        }
        let timing = self.iut.timing;
        for (name, span) in [
            ("tolerance_at_most", timing.tolerance_at_most),
            ("buffer_period", timing.buffer_period),
            ("ack", timing.ack),
            ("answer", timing.answer),
            ("item", timing.item),
            ("request", timing.request),
            ("connect", timing.connect),
            ("startup_delay", timing.startup_delay),
        ] {
            self.fixed(&span, &root("timing").key(name));
        }
    }

    fn observe(&mut self, observe: &Observe) {
        let place = root("observe");
        match (&observe.command, &observe.file) {
            (Some(command), None) => self.command(command, &place.key("command")),
            (None, Some(file)) => {
                let place = place.key("file");
                self.placeholders(std::slice::from_ref(file), &place, &KNOWN);
                if !placeholder::any([file.as_str()], &["counters", "port", "peer"]) {
                    let message = "processes that run side by side would write one file";
                    let help =
                        "write `{counters}` here and in [start], or {port} or {peer} into its name";
                    self.at(&place, message, Some(help));
                }
                let start = self.iut.start.iter();
                let mut told = start.flat_map(|start| start.words_of(&start.command));
                if placeholder::any([file.as_str()], &["counters"])
                    && !placeholder::any(&mut told, &["counters"])
                {
                    let message = "the implementation does not get the name of this file";
                    let help = "put `{counters}` into the command of [start], where it belongs";
                    self.at(&place, message, Some(help));
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                let help = "name a `command` that prints the counters, or a `file` that has them";
                let message = "one of `command` and `file` is needed";
                self.at_key(&place, message, Some(help));
            }
        }
        if self.iut.start.is_none() {
            let message = "what is not started here counts what others do, too";
            self.at_key(
                &place,
                message,
                Some("remove this, or say in [start] how it is started"),
            );
        }
        self.fixed(&observe.within, &place.key("within"));
        let known = self.protocol.map_or(&[][..], |protocol| protocol.counters);
        let known = || known.iter().map(|(name, _)| *name);
        for (name, pointer) in &observe.counters {
            let at = place.key("counters").key(name);
            if self.protocol.is_some() && !known().any(|known| known == name) {
                let message = format!("the specification has no counter `{name}`");
                self.at_key(&at, message, did_you_mean(name, known()).as_deref());
            }
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let help = format!("write `/{pointer}`, or `/a/b` for b in a");
                self.at(&at, "this is no JSON pointer", Some(&help));
            }
        }
    }

    fn waiver(&mut self, waiver: &Waiver, index: usize, role_given: bool) {
        let place = root("waive").index(index);
        let id = &waiver.requirement;
        let requirement = self.protocol.and_then(|protocol| protocol.requirement(id));
        let id_place = place.key("requirement");
        match (self.protocol, requirement) {
            (Some(protocol), None) => {
                let known = (protocol.requirements)().iter();
                let help = requirement_meant(id, known.map(|known| known.id.as_str()));
                let message = format!("{} has no requirement `{id}`", protocol.id);
                self.at(&id_place, message, Some(&help));
            }
            (Some(_), Some(known)) if role_given && !known.roles.contains(&self.iut.role) => {
                let side = self.protocol.map(|known| known.side(self.iut.role));
                let message = format!("{id} does not bind the {}", side.unwrap_or_default());
                self.at(&id_place, message, Some("remove the waiver"));
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        let before = self.iut.waive[..index].iter();
        for (place, message, help) in waiver::wrong(waiver, &self.iut.protocol, before, &place) {
            self.at(&place, message, help);
        }
    }

    /// A description knows no `$name`.
    fn fixed(&mut self, span: &Span, place: &Pointer) {
        if span.as_fixed().is_none() {
            let message = format!("`{span}` means something in scenarios only");
            let help = "write a fixed length of time here, for example `2s`";
            self.at(place, message, Some(help));
        }
    }
}

fn root(key: &str) -> Pointer {
    Pointer::root().key(key)
}
