use shakedown_protocol::hex;

use super::{Checker, expected};
use crate::document::{Pointer, did_you_mean};
use crate::scenario::streams::{self, over_streams};
use crate::scenario::{Expect, Mutate, Patch, SendRaw, Span, Step, each_step};

/// Largest UDP payload over IPv4, in bytes.
const MAX_DATAGRAM: usize = 65_507;

impl Checker<'_> {
    /// Checks each step by itself: names, values, spans, counts.
    pub(super) fn steps(&mut self) {
        let mut steps = Vec::new();
        let list = Pointer::root().key("steps");
        each_step(&self.scenario.steps, &list, &mut |step, inside| {
            steps.push((step, inside.clone()));
        });
        for (step, inside) in steps {
            self.step(step, &inside);
        }
    }

    fn step(&mut self, step: &Step, inside: &Pointer) {
        self.carried(step, inside);
        match step {
            Step::Send(send) | Step::Lose(send) => {
                let bytes = self.sent(&send.frame, &send.fields, inside);
                self.datagram_size(bytes.map(|bytes| bytes.len()), &inside.key("fields"));
                self.socket(send.from.as_deref(), &inside.key("from"), true);
                self.not_zero(send.times.map(u64::from), &inside.key("times"));
            }
            Step::SendRaw(raw) => self.raw(raw, inside),
            Step::Mutate(mutate) => self.mutate(mutate, inside),
            Step::Media(media) => {
                self.socket(media.from.as_deref(), &inside.key("from"), true);
                self.not_zero(media.frames, &inside.key("frames"));
                self.stream(media.stream.as_ref(), &inside.key("stream"));
            }
            Step::Expect(_) | Step::ExpectAny(_) => {
                let frames = expected(step, inside);
                if frames.is_empty() {
                    self.empty(&inside.key("of"), "no frame is expected here", None);
                }
                for (expect, inside) in frames {
                    self.expect(expect, &inside);
                }
            }
            Step::Either(branches) => {
                if branches.is_empty() {
                    self.empty(inside, "`either` has no branch", None);
                }
                for (index, branch) in branches.iter().enumerate() {
                    let place = inside.index(index);
                    if branch.title.trim().is_empty() {
                        self.at(&place.key("title"), "the title is empty", None);
                    }
                    self.first_of_branch(branch.steps.first(), &place.key("steps"));
                }
            }
            Step::ExpectNothing(silence) => {
                self.frame_names(&silence.of, &inside.key("of"));
                self.frame_names(&silence.ignore, &inside.key("ignore"));
                self.socket(silence.at.as_deref(), &inside.key("at"), false);
                self.judged_by(silence.requirement.as_deref(), inside);
                self.lasts(&silence.span, &inside.key("for"));
            }
            Step::ExpectMedia(media) => {
                self.frame_names(&media.ignore, &inside.key("ignore"));
                self.socket(media.at.as_deref(), &inside.key("at"), false);
                self.judged_by(media.requirement.as_deref(), inside);
                self.not_zero(media.frames, &inside.key("frames"));
            }
            Step::ExpectExit(exit) => {
                self.frame_names(&exit.ignore, &inside.key("ignore"));
                self.judged_by(exit.requirement.as_deref(), inside);
                self.window(exit.after.as_ref(), &exit.within, inside);
            }
            Step::Wait(wait) => self.lasts(&wait.span, &inside.key("for")),
            Step::Repeat(repeat) => {
                self.not_zero(Some(u64::from(repeat.times)), &inside.key("times"));
                if repeat.steps.is_empty() {
                    self.empty(&inside.key("steps"), "there is no step to repeat", None);
                }
            }
            Step::RestartIut(_) => {}
            over_streams!() => self.over_streams(step, inside),
        }
    }

    fn expect(&mut self, expect: &Expect, inside: &Pointer) {
        self.wanted(&expect.frame, &expect.fields, inside);
        self.window(expect.after.as_ref(), &expect.within, inside);
        self.frame_names(&expect.ignore, &inside.key("ignore"));
        self.socket(expect.at.as_deref(), &inside.key("at"), false);
        self.judged_by(expect.requirement.as_deref(), inside);
        let protocol = self.protocol;
        let known = protocol.and_then(|known| known.vocabulary.fields(&expect.frame).ok());
        for (name, field) in &expect.bind {
            let place = inside.key("bind").key(name);
            self.binding_name(name, &place);
            if let Some(known) = known.filter(|known| !known.contains(&field.as_str())) {
                let message = format!("{} has no field `{field}`", expect.frame);
                self.at(&place, message, did_you_mean(field, known.iter().copied()));
            }
        }
    }

    fn raw(&mut self, raw: &SendRaw, inside: &Pointer) {
        let bytes = self.hex(&raw.hex, &inside.key("hex"));
        let length = bytes.map(|bytes| bytes.len().max(raw.pad_to.unwrap_or(0)));
        self.datagram_size(length, &inside.key("pad_to"));
        self.socket(raw.from.as_deref(), &inside.key("from"), true);
        self.not_zero(raw.times.map(u64::from), &inside.key("times"));
    }

    fn mutate(&mut self, mutate: &Mutate, inside: &Pointer) {
        let mut bytes = self.sent(&mutate.frame, &mutate.fields, inside);
        self.socket(mutate.from.as_deref(), &inside.key("from"), true);
        let list = inside.key("patches");
        if mutate.patches.is_empty() {
            let help = "a frame that is not changed is sent by `send`";
            self.empty(&list, "nothing is changed", Some(help));
        }
        for (index, patch) in mutate.patches.iter().enumerate() {
            self.patch(&mutate.frame, patch, bytes.as_mut(), &list.index(index));
        }
        self.datagram_size(bytes.map(|bytes| bytes.len()), &list);
    }

    /// Checks one patch, and applies it where the bytes are known.
    fn patch(&mut self, frame: &str, patch: &Patch, bytes: Option<&mut Vec<u8>>, inside: &Pointer) {
        match patch {
            Patch::Field { name, hex } => {
                let place = inside.key("field");
                let known = self
                    .protocol
                    .and_then(|known| known.vocabulary.fields(frame).ok());
                if let Some(known) = known.filter(|known| !known.contains(&name.as_str())) {
                    let message = format!("{frame} has no field `{name}`");
                    let help = did_you_mean(name, known.iter().copied());
                    return self.at(&place.key("name"), message, help);
                }
                let patched = self.hex(hex, &place.key("hex"));
                let (Some(patched), Some(bytes)) = (patched, bytes) else {
                    return;
                };
                let vocabulary = self.protocol.map(|protocol| protocol.vocabulary);
                let found = vocabulary.and_then(|words| words.locate(frame, name, bytes));
                match found {
                    Some((_, length)) if length != patched.len() => {
                        let given = patched.len();
                        let message = format!("`{name}` has {length} bytes, this has {given}");
                        self.at(&place.key("hex"), message, None);
                    }
                    Some((offset, length)) => {
                        bytes.splice(offset..offset + length, patched);
                    }
                    None => {
                        let message = format!("the datagram has no `{name}` any more");
                        self.at(&place.key("name"), message, None);
                    }
                }
            }
            Patch::At { offset, hex } => {
                let place = inside.key("at");
                let patched = self.hex(hex, &place.key("hex"));
                let (Some(patched), Some(bytes)) = (patched, bytes) else {
                    return;
                };
                let end = offset.saturating_add(patched.len());
                let length = bytes.len();
                match bytes.get_mut(*offset..end) {
                    Some(range) => range.copy_from_slice(&patched),
                    None => {
                        let message = format!("the datagram has only {length} bytes");
                        let help = "`append` adds bytes at its end".to_owned();
                        self.at(&place.key("offset"), message, Some(help));
                    }
                }
            }
            Patch::Truncate(length) => {
                if let Some(bytes) = bytes {
                    if *length >= bytes.len() {
                        let have = bytes.len();
                        let message = format!("the datagram has only {have} bytes: nothing is cut");
                        self.at(&inside.key("truncate"), message, None);
                    }
                    bytes.truncate(*length);
                }
            }
            Patch::Append(hex) => {
                let more = self.hex(hex, &inside.key("append"));
                if let (Some(more), Some(bytes)) = (more, bytes) {
                    bytes.extend(more);
                }
            }
        }
    }

    fn empty(&mut self, place: &Pointer, message: &str, help: Option<&str>) {
        if self.whole {
            self.at(place, message, help.map(str::to_owned));
        }
    }

    fn first_of_branch(&mut self, first: Option<&Step>, place: &Pointer) {
        match first {
            None => self.empty(place, "the branch has no step", None),
            Some(
                Step::Expect(_)
                | Step::ExpectNothing(_)
                | Step::ExpectMedia(_)
                | Step::ExpectExit(_),
            ) => {}
            Some(step) if streams::judges(step) => {}
            Some(other) => {
                let message = format!("a branch cannot begin with `{}`", other.verb());
                let help = match self.is_over_streams() {
                    true => {
                        "it is chosen by what happens: begin with `read`, `expect_close` or \
                             another step that waits"
                    }
                    false => {
                        "it is chosen by what happens: begin with `expect`, \
                              `expect_nothing`, `expect_media` or `expect_exit`"
                    }
                };
                self.at_key(
                    &place.index(0).key(other.verb()),
                    message,
                    Some(help.to_owned()),
                );
            }
        }
    }

    /// Checks the requirement that a step is judged by.
    pub(super) fn judged_by(&mut self, id: Option<&str>, inside: &Pointer) {
        let Some(id) = id else {
            return;
        };
        let place = inside.key("requirement");
        let before = self.problems.len();
        self.requirement(id, &place, true);
        let is_listed = self.scenario.requirements.iter().any(|listed| listed == id);
        if !is_listed && self.problems.len() == before {
            let message = format!("{id} is not among the scenario's requirements");
            let help = "add it to `requirements`".to_owned();
            self.at(&place, message, Some(help));
        }
    }

    fn socket(&mut self, name: Option<&str>, place: &Pointer, sends: bool) {
        let Some(name) = name else {
            return;
        };
        let declared = self.scenario.sockets.keys().map(String::as_str);
        let known = ["main"].into_iter().chain(declared);
        let mut known: Vec<_> = known.collect();
        match name {
            "fresh" if sends => {}
            "fresh" => {
                let message = "what arrives at `fresh` sockets is not looked at";
                let help = "declare one in `sockets` and send from it".to_owned();
                self.at(place, message, Some(help));
            }
            name if known.contains(&name) => {}
            name => {
                if sends {
                    known.push("fresh");
                }
                let help = did_you_mean(name, known);
                self.at(place, format!("no socket is called `{name}`"), help);
            }
        }
    }

    pub(super) fn window(&mut self, after: Option<&Span>, within: &Span, inside: &Pointer) {
        if let Some(after) = after.filter(|after| after.exceeds(within)) {
            let message = format!("the window ends ({within}) before it begins ({after})");
            let help = "both count from the step before".to_owned();
            self.at(&inside.key("after"), message, Some(help));
        }
    }

    pub(super) fn lasts(&mut self, span: &Span, place: &Pointer) {
        if span.is_zero() {
            self.at(place, "no time goes by here", None);
        }
    }

    pub(super) fn not_zero(&mut self, count: Option<u64>, place: &Pointer) {
        if count == Some(0) {
            self.at(
                place,
                "0 times is never",
                Some("remove the step".to_owned()),
            );
        }
    }

    fn datagram_size(&mut self, length: Option<usize>, place: &Pointer) {
        if let Some(length) = length.filter(|length| *length > MAX_DATAGRAM) {
            let message = format!("a datagram of {length} bytes cannot be sent");
            let help = format!("UDP over IPv4 carries at most {MAX_DATAGRAM} bytes");
            self.at(place, message, Some(help));
        }
    }

    pub(super) fn hex(&mut self, text: &str, place: &Pointer) -> Option<Vec<u8>> {
        match hex::parse(text) {
            Ok(bytes) => Some(bytes),
            Err(problem) => {
                self.at(place, format!("the text {problem}"), None);
                None
            }
        }
    }
}
