//! How an implementation is started and reached.

use std::net::SocketAddr;

use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

use super::{Checker, root};
use crate::document::{Pointer, did_you_mean};
use crate::iut::placeholder::{self, KNOWN};
use crate::iut::{Per, Ready, Start};

impl Checker<'_> {
    pub(super) fn start(&mut self, start: &Start, has_role: bool) {
        let place = root("start");
        self.command(&start.command, &place.key("command"));
        if let Some(plain) = &start.plain {
            self.command(plain, &place.key("plain"));
        }
        self.surroundings(start, &place);
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
            let other = self.iut.role.peer();
            let is_of_other = option.help_for(self.iut.role).is_none();
            if has_role && is_of_other && option.help_for(other).is_some() {
                let message = format!("`{name}` is an option of {}", self.one_that(other));
                self.at_key(&place, message, Some("remove this"));
                continue;
            }
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

    /// Checks where its commands run, and what they find there.
    fn surroundings(&mut self, start: &Start, place: &Pointer) {
        if let Some(directory) = start
            .directory
            .as_ref()
            .filter(|_| !self.iut.directory().is_dir())
        {
            let message = format!("there is no directory {directory:?}");
            let help = "it is relative to the folder of this file";
            self.at(&place.key("directory"), message, Some(help));
        }
        for (name, value) in &start.environment {
            let place = place.key("environment").key(name);
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("no variable can be called {name:?}");
                self.at_key(&place, message, None);
            }
            if value.contains('\0') {
                self.at(&place, "no variable can hold a NUL", None);
            }
            self.placeholders(std::slice::from_ref(value), &place, &KNOWN);
        }
    }

    pub(super) fn command(&mut self, words: &[String], place: &Pointer) {
        if words.first().is_none_or(String::is_empty) {
            let help = "name a program; each argument is a text of its own";
            self.at(place, "the command is empty", Some(help));
        }
        self.placeholders(words, place, &KNOWN);
    }

    pub(super) fn placeholders(
        &mut self,
        words: &[String],
        place: &Pointer,
        known: &[&'static str],
    ) {
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

    pub(super) fn initiator(&mut self) {
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
            let texts = || start.words_of(words);
            if !placeholder::any(texts(), &["peer"]) {
                let (own, other) = (self.side(Role::Initiator), self.side(Role::Responder));
                let message = format!("the {own} does not get the peer's address");
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
        if start.per == Per::Run {
            let message = format!("{one} is started for each scenario");
            self.at(&place.key("per"), message, Some("remove this"));
        }
        if self.iut.reach.is_some() {
            let message = format!("{one} is not reached: it asks");
            self.at_key(&root("reach"), message, Some("remove this"));
        }
    }

    pub(super) fn responder(&mut self) {
        let start = self.iut.start.as_ref();
        let place = root("reach").key("address");
        let told = start.is_some_and(|start| placeholder::any(start.words(), &["address", "port"]));
        let Some(reach) = &self.iut.reach else {
            if !told {
                let side = self.side(Role::Responder);
                let message = format!("the address of the {side} is missing");
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
            let message = "a free port is chosen, but the command does not get it";
            let help = "put `{address}` or `{port}` into the command";
            self.at(&root("start").key("command"), message, Some(help));
        }
        match start {
            Some(start) => {
                self.mode_is_told(start);
                let plain = start.plain.iter().flatten().map(String::as_str);
                if placeholder::any(start.words_of(&start.command).chain(plain), &["peer"]) {
                    let message = format!("`{{peer}}` is {}'s", self.one_that(Role::Initiator));
                    let side = self.side(Role::Responder);
                    let help = format!("`{{address}}` is where a {side} listens");
                    self.at(&root("start").key("command"), message, Some(&help));
                }
            }
            None if self.iut.modes.len() > 1 => {
                let message = "what runs already runs in one mode";
                let protocol = self.protocol.filter(|known| known.modes_add_up);
                let help = match protocol.map(|known| self.all_modes(known)) {
                    Some(all) => format!("write them as one: `modes = [\"{all}\"]`"),
                    None => "name that mode, in a description for each that it runs in, \
                              or say in `[start]` how to start it in each"
                        .to_owned(),
                };
                self.at(&root("modes"), message, Some(&help));
            }
            None => {}
        }
    }

    /// What it claims, as one mode.
    fn all_modes(&self, protocol: &Protocol) -> String {
        let claimed = |mode: &&&str| {
            let mut parts = self.iut.modes.iter().flat_map(|claimed| claimed.split(','));
            parts.any(|part| part == **mode)
        };
        let modes: Vec<_> = protocol.modes.iter().filter(claimed).copied().collect();
        modes.join(",")
    }

    fn mode_is_told(&mut self, start: &Start) {
        let told = placeholder::any(start.words_of(&start.command), &["mode"]);
        if self.iut.modes.len() > 1 && !told {
            let message = "several modes are claimed, but the command does not get the mode";
            let help = "put `{mode}` into the command, or describe each mode in its own file";
            self.at(&root("start").key("command"), message, Some(help));
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
}

fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>()
        .is_ok_and(|address| address.port() != 0)
}
