use serde_json::{Value, json};
use shakedown_protocol::requirement::Seen;
use shakedown_protocol::{PROTOCOLS, Protocol, StreamParameters};

use super::Checker;
use crate::document::{Pointer, Problem, did_you_mean, mode_meant, requirement_meant};
use crate::verdict::MEMORY_AT_MOST;

/// From a scenario in its place to the schema.
const SCHEMA: &str = "../../../../schema/scenario.schema.json";

impl Checker<'_> {
    /// Checks everything but the steps. `defaulted` members are missing or wrong, which was reported.
    pub(super) fn head(&mut self, file: &str, defaulted: &[String]) {
        let given = |key: &str| !defaulted.iter().any(|name| name == key);
        self.schema(file);
        if given("id") {
            self.id(file, given("iut"));
        }
        if given("title") && self.scenario.title.trim().is_empty() {
            let help = "say the behaviour as a fact, in a sentence";
            self.at(&root("title"), "the title is empty", Some(help.to_owned()));
        }
        if given("iut") {
            self.needs();
        }
        if given("requirements") {
            self.requirements(given("iut"));
        }
        self.inside();
        self.sockets();
        self.impair();
        self.frame_names(&self.scenario.ignore, &root("ignore"));
        for name in self.scenario.bindings.keys() {
            self.binding_name(name, &root("let").key(name));
        }
    }

    fn schema(&mut self, file: &str) {
        let Some(schema) = &self.scenario.schema else {
            return;
        };
        let is_right = match expected_id(file) {
            Some(_) => schema == SCHEMA,
            None => schema.ends_with("scenario.schema.json"),
        };
        if !is_right {
            let message = "this is not where the schema is";
            self.at(&root("$schema"), message, Some(format!("write `{SCHEMA}`")));
        }
    }

    fn id(&mut self, file: &str, needs_given: bool) {
        let id = &self.scenario.id;
        let place = root("id");
        let shape = "an id is `<protocol>/<mode>/<role>/<name>`, the name in kebab-case";
        let parts: Vec<_> = id.split('/').collect();
        let [protocol, mode, role, name] = parts[..] else {
            let message = format!("`{id}` is no id of a scenario");
            return self.at(&place, message, Some(shape.to_owned()));
        };
        if self.protocol.is_none() {
            let known = PROTOCOLS.iter().map(|protocol| protocol.id);
            let help = did_you_mean(protocol, known);
            self.at(&place, format!("no protocol is called `{protocol}`"), help);
        }
        if !is_kebab_case(name) {
            let message = format!("`{name}` is not in kebab-case");
            let help = "write small letters and digits, words joined by single hyphens";
            self.at(&place, message, Some(help.to_owned()));
        }
        let needs = &self.scenario.iut;
        let side = self
            .protocol
            .map_or(needs.role.name(), |protocol| protocol.side(needs.role));
        if needs_given && (mode != needs.mode || role != side) {
            let problem = Problem::new(
                self.root.place(&place),
                format!(
                    "the id says {mode}/{role}, but `iut` says {}/{side}",
                    needs.mode
                ),
            );
            let iut = self.root.place(&root("iut"));
            self.problems.push(problem.related(iut, "this"));
        }
        // Elsewhere a file may be called anything.
        if let Some(expected) = expected_id(file).filter(|expected| id != expected) {
            let message = "the id does not fit the file's place";
            let help = format!("write `{expected}`, or move the file");
            self.at(&place, message, Some(help));
        }
    }

    fn needs(&mut self) {
        let Some(protocol) = self.protocol else {
            return;
        };
        let needs = &self.scenario.iut;
        let place = root("iut");
        let is_any = needs.mode == Protocol::ANY_MODE && protocol.has_any_mode;
        if !is_any && !protocol.has_mode(&needs.mode) {
            let message = format!("{} has no mode `{}`", protocol.id, needs.mode);
            let help = mode_meant(&needs.mode, protocol.modes);
            self.at(&place.key("mode"), message, help);
        }
        let written = self
            .root
            .get(&place.key("role"))
            .map(|node| node.to_value());
        let written = written.as_ref().and_then(Value::as_str);
        if let Some(written) = written.filter(|role| !protocol.sides.contains(role)) {
            let message = format!("{} has no role `{written}`", protocol.id);
            let help = format!("write `{}`", protocol.side(needs.role));
            self.at(&place.key("role"), message, Some(help));
        }
        let default = protocol.modes.first().copied().unwrap_or_default();
        if needs.plain && needs.mode != default {
            let message = format!(
                "without any option the mode is `{default}`, not `{}`",
                needs.mode
            );
            self.at_key(&place.key("plain"), message, None);
        }
        if needs.plain && !needs.options.is_empty() {
            let message = "`plain` and options exclude each other";
            self.at(&place.key("options"), message, None);
        }
        self.stream(needs.stream.as_ref(), &place.key("stream"));
        for (index, option) in needs.options.iter().enumerate() {
            let place = place.key("options").index(index);
            if let Err(message) = protocol.option(option) {
                let name = option.split('=').next().unwrap_or_default();
                let known = protocol.options().map(|option| option.name);
                let is_known = known.clone().any(|known| known == name);
                let help = (!is_known).then(|| did_you_mean(name, known)).flatten();
                self.at(&place, message, help);
            } else if needs.options[..index].contains(option) {
                self.at(&place, format!("`{option}` stands twice"), None);
            }
        }
    }

    /// Checks that a frame of the stream holds a header and media.
    pub(crate) fn stream(&mut self, stream: Option<&StreamParameters>, place: &Pointer) {
        let bytes = stream.map(StreamParameters::frame_bytes);
        let media = self.protocol.and_then(|protocol| protocol.media);
        let least = media.map_or(0, |media| media.smallest);
        if let Some(bytes) = bytes.filter(|bytes| *bytes < least as u64) {
            let message = format!("a frame would have {bytes} bytes");
            let help = format!(
                "a frame has bits_per_second / 8 / frames_per_second bytes; its header and one \
                 byte of media take {least}"
            );
            self.at(place, message, Some(help));
        }
    }

    fn requirements(&mut self, needs_given: bool) {
        let place = root("requirements");
        let list = &self.scenario.requirements;
        if list.is_empty() && self.whole {
            let help = "name at least one: the rule of the specification that is tested";
            let message = "no requirement is named";
            self.at(&place, message, Some(help.to_owned()));
        }
        for (index, id) in list.iter().enumerate() {
            let place = place.index(index);
            if list[..index].contains(id) {
                self.at(&place, format!("`{id}` stands twice"), None);
            }
            self.requirement(id, &place, needs_given);
        }
    }

    /// Checks that what is counted has a name, and shows a requirement of the scenario.
    fn inside(&mut self) {
        let scenario = self.scenario;
        for (index, counted) in scenario.inside.iter().enumerate() {
            let place = root("inside").index(index);
            self.judged_by(Some(&counted.requirement), &place);
            let known = self.protocol.map_or(&[][..], |protocol| protocol.counters);
            let mut known = known.iter().map(|(name, _)| *name);
            if self.protocol.is_some() && !known.clone().any(|name| name == counted.counter) {
                let message = format!("no counter is called `{}`", counted.counter);
                let help = did_you_mean(&counted.counter, &mut known);
                self.at(&place.key("counter"), message, help);
            }
            let most = MEMORY_AT_MOST.strip_prefix('$') == Some(counted.counter.as_str());
            if !(most && counted.is == json!({ "at_most": MEMORY_AT_MOST })) {
                self.count_wanted(&counted.is, &place.key("is"));
            }
        }
    }

    /// Checks what a counter must be: a whole number, or a matcher of one.
    fn count_wanted(&mut self, wanted: &Value, place: &Pointer) {
        let known = ["not", "any_of", "at_least", "at_most"];
        self.matcher(wanted, place, (&known, &[]), &mut |check, count, place| {
            if !count.is_u64() {
                let message = format!("{count} is no whole number");
                let help = "write a number, or `{\"at_least\": 1}`".to_owned();
                check.at(place, message, Some(help));
            }
        });
    }

    /// Checks that a requirement exists, binds the implementation under test, and can be seen by a
    /// scenario.
    pub(crate) fn requirement(&mut self, id: &str, place: &Pointer, needs_given: bool) {
        let Some(protocol) = self.protocol else {
            return;
        };
        let Some(requirement) = protocol.requirement(id) else {
            let known = (protocol.requirements)();
            let known = known.iter().map(|requirement| requirement.id.as_str());
            let message = format!("{} has no requirement `{id}`", protocol.id);
            return self.at(place, message, Some(requirement_meant(id, known)));
        };
        let mut inside = self.scenario.inside.iter();
        if requirement.seen == [Seen::Inner] && !inside.any(|one| one.requirement == id) {
            let message = format!("{id} shows only from inside: no step can judge it");
            let help = "say in `inside` which counter shows it, or remove this".to_owned();
            return self.at(place, message, Some(help));
        }
        let needs = &self.scenario.iut;
        let binds_role = requirement.roles.contains(&needs.role);
        if needs_given && !binds_role {
            let roles = requirement.roles.iter().map(|role| protocol.side(*role));
            let roles: Vec<_> = roles.collect();
            let message = format!("{id} does not bind the {}", protocol.side(needs.role));
            let help = format!("it binds the {}", roles.join(" and the "));
            self.at(place, message, Some(help));
        }
        let knows_mode = protocol.has_mode(&needs.mode);
        let modes = requirement.modes_of(needs.role);
        let applies = |mode: &str| modes.iter().any(|known| known == mode);
        if needs_given && binds_role && knows_mode && !needs.mode.split(',').any(applies) {
            let message = format!("{id} does not apply in mode `{}`", needs.mode);
            let help = format!("it applies in {}", modes.join(" and "));
            self.at(place, message, Some(help));
        }
    }

    fn sockets(&mut self) {
        for name in self.scenario.sockets.keys() {
            let place = root("sockets").key(name);
            if name == "main" || name == "fresh" {
                let message = format!("`{name}` is a socket that every scenario has");
                self.at_key(&place, message, Some("choose another name".to_owned()));
            }
        }
    }

    fn impair(&mut self) {
        let Some(impair) = &self.scenario.impair else {
            return;
        };
        let vocabulary = self.protocol.map(Protocol::on_the_wire);
        for problem in impair.problems(vocabulary) {
            let place = problem.place.iter();
            let place = place.fold(root("impair"), |place, key| place.key(key));
            self.at(&place, problem.message, problem.help);
        }
        if impair.is_ideal() && self.whole {
            let help = "remove it, or say what the network does: `\"loss\": 0.1`";
            let message = "the network would do nothing";
            self.at(&root("impair"), message, Some(help.to_owned()));
        }
    }

    /// Checks a name that `$name` refers to.
    pub(crate) fn binding_name(&mut self, name: &str, place: &Pointer) {
        let mut chars = name.chars();
        let begins = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        if !(begins && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')) {
            let message = format!("`{name}` cannot be the name of a value");
            let help = "write small letters, digits and underscores, a letter first";
            self.at_key(place, message, Some(help.to_owned()));
        }
    }
}

fn root(key: &str) -> Pointer {
    Pointer::root().key(key)
}

/// The id that belongs to a file at `<protocol>/scenarios/<mode>/<role>/<name>.json`.
fn expected_id(file: &str) -> Option<String> {
    let path = file.strip_suffix(".json")?.replace('\\', "/");
    let mut parts = path.rsplit('/');
    let (name, role, mode) = (parts.next()?, parts.next()?, parts.next()?);
    let is_in_place = parts.next()? == "scenarios";
    let protocol = parts.next()?;
    is_in_place.then(|| format!("{protocol}/{mode}/{role}/{name}"))
}

fn is_kebab_case(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.split('-').all(is_word)
}
