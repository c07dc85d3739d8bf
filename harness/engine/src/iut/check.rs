//! What a description must be besides well-formed. Every problem is told, each at its place.

use std::net::SocketAddr;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::{PROTOCOLS, Protocol, protocol};

use super::placeholder::{self, KNOWN};
use super::{Iut, Observe, Ready, Start, Waiver};
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
        checker.start(start);
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
                // Where it was written and is wrong, that has been told.
                if !has_stream {
                    let problem = Problem::new(self.root.mark(), "`stream` is missing");
                    self.problems.push(problem);
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
                let start = self.iut.start.iter().flat_map(|start| &start.command);
                if placeholder::any([file.as_str()], &["counters"])
                    && !placeholder::any(start.map(String::as_str), &["counters"])
                {
                    let message = "the implementation is not told of this file";
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
        let before = &self.iut.waive[..index];
        let is_same = |earlier: &Waiver| {
            let (one, other) = (&earlier.scenario, &waiver.scenario);
            earlier.requirement == *id && (one.is_none() || other.is_none() || one == other)
        };
        if before.iter().any(is_same) {
            self.at(&id_place, format!("{id} is waived twice"), None);
        }
        let folder = format!("{}/", self.iut.protocol);
        if let Some(scenario) = waiver
            .scenario
            .as_ref()
            .filter(|id| !id.starts_with(&folder))
        {
            let message = format!("{scenario:?} is no scenario of {}", self.iut.protocol);
            let help = "write its whole id, as `shakedown list scenarios` shows it";
            self.at(&place.key("scenario"), message, Some(help));
        }
        if waiver.because.trim().is_empty() {
            let help = "say why it is known and who will see to it";
            self.at(&place.key("because"), "no reason is given", Some(help));
        }
        if let Err(error) = waiver.last_day() {
            let message = format!("{:?} is no date: {error}", waiver.until);
            let help = "write year, month and day: 2027-03-01";
            self.at(&place.key("until"), message, Some(help));
        }
    }

    fn start(&mut self, start: &Start) {
        let place = root("start");
        self.command(&start.command, &place.key("command"));
        if let Some(plain) = &start.plain {
            self.command(plain, &place.key("plain"));
        }
        for (name, words) in &start.options {
            let place = place.key("options").key(name);
            self.placeholders(words, &place, &[&KNOWN[..], &["number"]].concat());
            let Some(protocol) = self.protocol else {
                continue;
            };
            let known = || protocol.options().map(|option| option.name);
            let Some(option) = protocol.options().find(|known| known.name == name) else {
                let message = format!("{} has no option `{name}`", protocol.id);
                let help = did_you_mean(name, known());
                self.at_key(&place, message, help.as_deref());
                continue;
            };
            let is_told = placeholder::any(words.iter().map(String::as_str), &["number"]);
            if option.takes_number() != is_told {
                let (message, help) = match option.takes_number() {
                    true => (
                        format!("`{name}` takes a number, but no argument holds it"),
                        "write `{number}` where it stands",
                    ),
                    false => (format!("`{name}` takes no number"), "leave `{number}` out"),
                };
                self.at_key(&place, message, Some(help));
            }
        }
        self.fixed(&start.grace, &place.key("grace"));
        self.fixed(&start.ready_within, &place.key("ready_within"));
        let place = place.key("ready");
        match &start.ready {
            Ready::Line(line) if line.is_empty() => {
                let help = "write a part of the line that it prints when it is ready";
                self.at(&place.key("line"), "every line contains this", Some(help));
            }
            Ready::After(span) => self.fixed(span, &place.key("after")),
            Ready::Port(false) => {
                let help = "write `{ port = true }`, `{ line = \"...\" }` or `{ after = \"2s\" }`";
                self.at(&place.key("port"), "this waits for nothing", Some(help));
            }
            Ready::Port(true) | Ready::Line(_) => {}
        }
    }

    fn command(&mut self, words: &[String], place: &Pointer) {
        if words.first().is_none_or(String::is_empty) {
            let help = "name a program; each argument is a text of its own";
            self.at(place, "the command is empty", Some(help));
        }
        self.placeholders(words, place, &KNOWN);
    }

    fn placeholders(&mut self, words: &[String], place: &Pointer, known: &[&'static str]) {
        for (index, word) in words.iter().enumerate() {
            for name in placeholder::names(word) {
                if !known.contains(&name) {
                    let message = format!("`{{{name}}}` stands for nothing");
                    let help = did_you_mean(name, known.iter().copied()).map(|meant| {
                        format!("{meant} (for a brace itself write it twice: `{{{{`)")
                    });
                    self.at(&place.index(index), message, help.as_deref());
                }
            }
        }
    }

    fn initiator(&mut self) {
        let one = self.one_that(Role::Initiator);
        let Some(start) = &self.iut.start else {
            let message = format!("{one} is started for each scenario: `[start]` is missing");
            let help = "add `[start]` with a command that contains `{peer}`, the address to ask";
            return self.at_key(&root("role"), message, Some(help));
        };
        let place = root("start");
        let mut commands = vec![("command", &start.command)];
        commands.extend(start.plain.iter().map(|plain| ("plain", plain)));
        for (name, words) in commands {
            let texts = || words.iter().map(String::as_str);
            if !placeholder::any(texts(), &["peer"]) {
                let (own, other) = (self.side(Role::Initiator), self.side(Role::Responder));
                let message = format!("the {own} is not told whom to ask");
                let help =
                    format!("put `{{peer}}` where the address and port of the {other} belong");
                self.at(&place.key(name), message, Some(&help));
            }
            if placeholder::any(texts(), &["address", "port"]) {
                let other = self.side(Role::Responder);
                let message = format!("`{{address}}` and `{{port}}` are a {other}'s");
                let help = "`{peer}` is the address of the other side";
                self.at(&place.key(name), message, Some(help));
            }
        }
        self.mode_is_told(start);
        if self.root.get(&place.key("ready")).is_some() {
            let message = format!("{one} is not waited for: it speaks first");
            self.at_key(&place.key("ready"), message, Some("remove this"));
        }
        if start.per == super::Per::Run {
            let message = format!("{one} is started for each scenario");
            self.at(&place.key("per"), message, Some("remove this"));
        }
        if self.iut.reach.is_some() {
            let message = format!("{one} is not reached: it asks");
            self.at_key(&root("reach"), message, Some("remove this"));
        }
    }

    fn responder(&mut self) {
        let start = self.iut.start.as_ref();
        let place = root("reach").key("address");
        let told = start.is_some_and(|start| placeholder::any(start.words(), &["address", "port"]));
        let Some(reach) = &self.iut.reach else {
            if !told {
                let side = self.side(Role::Responder);
                let message = format!("nothing says where the {side} is reached");
                let help = "add `[reach]` with `address = \"127.0.0.1:4444\"`, or put `{address}` \
                            into the command";
                self.at_key(&root("role"), message, Some(help));
            }
            return;
        };
        let names = placeholder::names(&reach.address);
        let chosen = names.contains(&"port");
        if let Some(name) = names.iter().find(|name| **name != "port") {
            let help = "only `{port}` can stand here, for a free port";
            self.at(
                &place,
                format!("`{{{name}}}` stands for nothing here"),
                Some(help),
            );
        } else if !is_address(&reach.address.replace("{port}", "1")) {
            let message = format!("{:?} is no address and port", reach.address);
            let help = "write for example `127.0.0.1:4444`, `[::1]:4444` or `127.0.0.1:{port}`";
            self.at(&place, message, Some(help));
        } else if chosen && start.is_none() {
            let message = "what runs already does not listen on a port that is chosen now";
            let help = "write its port, or say in `[start]` how to start it";
            self.at(&place, message, Some(help));
        } else if chosen && !told {
            let message = "a free port is chosen, but the command is not told which";
            let help = "put `{address}` or `{port}` into the command";
            self.at(&root("start").key("command"), message, Some(help));
        }
        match start {
            Some(start) => {
                self.mode_is_told(start);
                let words = || start.command.iter().chain(start.plain.iter().flatten());
                if placeholder::any(words().map(String::as_str), &["peer"]) {
                    let message = format!("`{{peer}}` is {}'s", self.one_that(Role::Initiator));
                    let side = self.side(Role::Responder);
                    let help = format!("`{{address}}` is where a {side} listens");
                    self.at(&root("start").key("command"), message, Some(&help));
                }
            }
            None if self.iut.modes.len() > 1 => {
                let message = "what runs already runs in one mode";
                let help = "name that mode, or say in `[start]` how to start it in each";
                self.at(&root("modes"), message, Some(help));
            }
            None => {}
        }
    }

    /// What the protocol calls a side.
    fn side(&self, role: Role) -> &'static str {
        self.protocol.map_or(role.name(), |known| known.side(role))
    }

    /// The same with its article.
    fn one_that(&self, role: Role) -> String {
        let side = self.side(role);
        let article = match side.starts_with(['a', 'e', 'i', 'o', 'u']) {
            true => "an",
            false => "a",
        };
        format!("{article} {side}")
    }

    fn mode_is_told(&mut self, start: &Start) {
        let told = placeholder::any(start.command.iter().map(String::as_str), &["mode"]);
        if self.iut.modes.len() > 1 && !told {
            let message = "several modes are claimed, but the command is not told which";
            let help = "put `{mode}` into the command, or describe each mode in its own file";
            self.at(&root("start").key("command"), message, Some(help));
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

fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>()
        .is_ok_and(|address| address.port() != 0)
}
