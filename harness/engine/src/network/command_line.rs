//! Impairment as command lines write it: `loss=0.1,delay=20ms..80ms,drop=SYN-ACK#2,seed=7`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::{Fault, FaultKind, Impairment, file_form};
use crate::document::did_you_mean;

/// What an ideal network is called.
const IDEAL: &str = "none";

/// What is set for the whole network, with examples.
const SETTINGS: [(&str, &str); 11] = [
    ("from", "from=responder"),
    ("loss", "loss=0.1"),
    ("duplicate", "duplicate=0.05"),
    ("reorder", "reorder=0.05"),
    ("corrupt", "corrupt=0.01"),
    ("checksum", "checksum=0.01"),
    ("delay", "delay=20ms..80ms"),
    ("jitter", "jitter=5ms"),
    ("rate", "rate=64000"),
    ("outage", "outage=1s..2.5s"),
    ("seed", "seed=7"),
];

/// Exact faults, with examples. Of a key that is a setting too, a value that begins with a letter
/// names a frame.
const FAULTS: [(&str, &str); 5] = [
    ("drop", "drop=FRAME#2"),
    ("duplicate", "duplicate=FRAME#1"),
    ("delay", "delay=FRAME#1+300ms"),
    ("reorder", "reorder=FRAME#1+2"),
    ("corrupt", "corrupt=FRAME#1@208"),
];

/// An impairment on a command line that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in `{term}`: {problem}")]
pub struct ImpairmentError {
    /// The term that is wrong.
    pub term: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl Impairment {
    /// Looks up the frames that its faults name.
    ///
    /// # Errors
    /// [`ImpairmentError`] at the first that the protocol does not have.
    pub fn check(&self, vocabulary: &dyn Vocabulary) -> Result<(), ImpairmentError> {
        match self.problems(Some(vocabulary)).first() {
            None => Ok(()),
            Some(found) => {
                let problem = match &found.help {
                    Some(help) => format!("{}; {help}", found.message),
                    None => found.message.clone(),
                };
                let term = self.term(&found.place);
                Err(ImpairmentError { term, problem })
            }
        }
    }

    /// The term that stands at a place of the file form.
    fn term(&self, place: &[String]) -> String {
        let mut parts = place.iter().map(String::as_str);
        let (key, index) = (parts.next().unwrap_or_default(), parts.next());
        let index = index.and_then(|index| index.parse::<usize>().ok());
        let same_key = |term: &&String| term.split('=').next() == Some(key);
        let mut terms = self.terms();
        let found = match (key, index) {
            ("faults", Some(index)) => self.faults.get(index).map(ToString::to_string),
            (_, index) => {
                terms.retain(|term| same_key(&term));
                terms.into_iter().nth(index.unwrap_or(0))
            }
        };
        found.unwrap_or_else(|| key.to_owned())
    }

    fn terms(&self) -> Vec<String> {
        let mut terms = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            terms.extend(value.map(|value| format!("{key}={value}")));
        };
        let share = |share: f64| (share != 0.0).then(|| share.to_string());
        add("from", self.from.map(|side| side.name().to_owned()));
        add("loss", share(self.loss));
        add("duplicate", share(self.duplicate));
        add("reorder", share(self.reorder));
        add("corrupt", share(self.corrupt));
        add("checksum", share(self.checksum));
        let delay = Some(self.delay).filter(|delay| !file_form::is_default(delay));
        add("delay", delay.map(|delay| delay.to_string()));
        let jitter = Some(self.jitter).filter(|jitter| !jitter.is_zero());
        add("jitter", jitter.map(file_form::spell));
        add("rate", self.rate.map(|rate| rate.to_string()));
        for outage in &self.outage {
            add("outage", Some(file_form::spell_range(*outage)));
        }
        terms.extend(self.faults.iter().map(ToString::to_string));
        terms.extend(self.seed.map(|seed| format!("seed={seed}")));
        terms
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = self.terms();
        if terms.is_empty() {
            return f.write_str(IDEAL);
        }
        f.write_str(&terms.join(","))
    }
}

/// As it stands on a command line: `delay=responder:ERROR#1+300ms`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind.key())?;
        if let Some(side) = self.from {
            write!(f, "{side}:")?;
        }
        write!(f, "{}#{}", self.frame, self.nth)?;
        match self.kind {
            FaultKind::Drop | FaultKind::Duplicate => Ok(()),
            FaultKind::Delay(by) => write!(f, "+{}", file_form::spell(by)),
            FaultKind::Reorder(later) => write!(f, "+{later}"),
            FaultKind::Corrupt(bit) => write!(f, "@{bit}"),
        }
    }
}

impl FromStr for Impairment {
    type Err = ImpairmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut impair = Self::default();
        if text.trim() == IDEAL {
            return Ok(impair);
        }
        let mut given: Vec<&str> = Vec::new();
        for term in text.split(',').map(str::trim) {
            let wrong = |problem| ImpairmentError {
                term: term.to_owned(),
                problem,
            };
            let (key, value) = term.split_once('=').unwrap_or((term, ""));
            let (key, value) = (key.trim(), value.trim());
            let example = |terms: &'static [(&str, &str)]| {
                let mut terms = terms.iter();
                terms.find_map(|(known, example)| (*known == key).then_some(*example))
            };
            let names_frame = value.starts_with(char::is_alphabetic);
            let (is_fault, example) = match (example(&SETTINGS), example(&FAULTS)) {
                (Some(_), Some(example)) if names_frame => (true, example),
                (Some(example), _) => (false, example),
                (None, Some(example)) => (true, example),
                (None, None) => return Err(wrong(no_such(key))),
            };
            if !is_fault && key != "outage" {
                if given.contains(&key) {
                    return Err(wrong(format!("`{key}` stands twice")));
                }
                given.push(key);
            }
            let problem =
                |problem: String| wrong(format!("{problem}; write for example `{example}`"));
            let added = match is_fault {
                true => fault(key, value).map(|fault| impair.faults.push(fault)),
                false => impair.set(key, value),
            };
            added.map_err(problem)?;
            // The terms before were right, so this one is wrong.
            if let Some(found) = impair.problems(None).first() {
                return Err(problem(found.message.clone()));
            }
        }
        Ok(impair)
    }
}

impl Impairment {
    /// Sets one of [`SETTINGS`].
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "from" => self.from = Some(side(value)?),
            "loss" => self.loss = share(value)?,
            "duplicate" => self.duplicate = share(value)?,
            "reorder" => self.reorder = share(value)?,
            "corrupt" => self.corrupt = share(value)?,
            "checksum" => self.checksum = share(value)?,
            "delay" => self.delay = value.parse().map_err(plain)?,
            "jitter" => self.jitter = time(value)?,
            "rate" => self.rate = Some(number(value, "bytes a second")?),
            "outage" => {
                let outage = file_form::parse_outage(value).map_err(plain)?;
                self.outage.push(outage);
            }
            _ => self.seed = Some(number(value, "seed")?),
        }
        Ok(())
    }
}

fn no_such(key: &str) -> String {
    let known = SETTINGS.iter().chain(&FAULTS).map(|(known, _)| *known);
    match key {
        "" => "there is nothing between the commas; write for example `loss=0.1,seed=7`".to_owned(),
        _ => {
            // Some are settings and faults.
            let known: BTreeSet<&str> = known.collect();
            let help = did_you_mean(key, known).unwrap_or_default();
            format!("no impairment is called `{key}`; {help}")
        }
    }
}

fn fault(key: &str, value: &str) -> Result<Fault, String> {
    let (whole, separator) = match key {
        "delay" | "reorder" => (value, Some('+')),
        "corrupt" => (value, Some('@')),
        _ => (value, None),
    };
    let (which, rest) = match separator {
        None => (whole, ""),
        Some(separator) => whole
            .split_once(separator)
            .ok_or_else(|| format!("`{separator}` and what follows it is missing"))?,
    };
    let (from, which) = match which.split_once(':') {
        Some((from, which)) => (Some(side(from.trim())?), which),
        None => (None, which),
    };
    let (frame, nth) = match which.split_once('#') {
        Some((frame, nth)) => (frame, number(nth.trim(), "count of a frame")?),
        None => (which, 1),
    };
    let frame = frame.trim();
    if frame.is_empty() {
        return Err("no frame is named".to_owned());
    }
    let kind = match key {
        "drop" => FaultKind::Drop,
        "duplicate" => FaultKind::Duplicate,
        "delay" => FaultKind::Delay(time(rest.trim())?),
        "reorder" => FaultKind::Reorder(number(rest.trim(), "count of datagrams")?),
        _ => FaultKind::Corrupt(number(rest.trim(), "bit")?),
    };
    Ok(Fault {
        frame: frame.to_owned(),
        nth,
        from,
        kind,
    })
}

fn share(value: &str) -> Result<f64, String> {
    let (number, whole) = match value.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (value, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|number| number / whole);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{value:?} is no number from 0 to 1"))
}

fn number<N: FromStr>(value: &str, what: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| format!("{value:?} is no {what}, a whole number"))
}

fn side(value: &str) -> Result<Role, String> {
    let sides = [Role::Initiator, Role::Responder];
    let side = sides.into_iter().find(|side| side.name() == value);
    side.ok_or_else(|| format!("{value:?} is no side: there are initiator and responder"))
}

fn time(value: &str) -> Result<Duration, String> {
    file_form::parse_time(value).map_err(plain)
}

/// The first half of a sentence that goes on with an example: one is enough.
fn plain(problem: String) -> String {
    match problem.split_once("; write for example") {
        Some((problem, _)) => problem.to_owned(),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use shakedown_protocol::mediastream::PROTOCOL;

    use super::*;

    fn error(text: &str) -> String {
        let read = text.parse::<Impairment>();
        let checked = read.and_then(|impair| impair.check(PROTOCOL.vocabulary));
        checked.unwrap_err().to_string()
    }

    #[test]
    fn a_share_may_be_written_as_a_percentage() {
        let percent: Impairment = "loss=10%,seed=7".parse().unwrap();
        assert_eq!(percent, "loss=0.1,seed=7".parse().unwrap());
        assert!("loss=101%".parse::<Impairment>().is_err());
    }

    #[test]
    fn every_term_has_an_example_that_is_right() {
        let terms = || SETTINGS.into_iter().chain(FAULTS);
        for (key, example) in terms() {
            let impair: Impairment = example.parse().unwrap();
            assert!(example.starts_with(key), "{example}");
            assert_eq!(impair.to_string(), example);
            let of_a_frame: Impairment = example.replace("FRAME", "SYN").parse().unwrap();
            assert_eq!(of_a_frame.check(PROTOCOL.vocabulary), Ok(()));
        }
        let all: Vec<_> = terms().map(|(_, example)| example).collect();
        let all: Impairment = all.join(",").parse().unwrap();
        assert_eq!(all.to_string().parse(), Ok(all));
    }

    #[test]
    fn the_examples_of_users_are_read() {
        let impair: Impairment = "loss=0.1, delay=20ms..80ms ,reorder=0.05,seed=7,from=responder"
            .parse()
            .unwrap();
        assert_eq!(impair.loss, 0.1);
        assert_eq!(impair.delay.most, Duration::from_millis(80));
        assert_eq!(impair.from, Some(Role::Responder));
        let exact: Impairment = "drop=SYN-ACK#2,duplicate=ACK,delay=initiator:ERROR#1+300ms"
            .parse()
            .unwrap();
        assert_eq!(exact.faults.len(), 3);
        assert_eq!(exact.faults[1].nth, 1);
        assert_eq!(exact.faults[2].from, Some(Role::Initiator));
        assert!("none".parse::<Impairment>().unwrap().is_ideal());
    }

    #[test]
    fn an_error_says_which_term_and_what_would_be_right() {
        for (text, wanted) in [
            (
                "loss=0.1,lss=0.2",
                "in `lss=0.2`: no impairment is called `lss`; did you mean `loss`?",
            ),
            (
                "lose=SYN#1",
                "in `lose=SYN#1`: no impairment is called `lose`; it is called `drop` now",
            ),
            (
                "cut=1s..2s",
                "in `cut=1s..2s`: no impairment is called `cut`; it is called `outage` now",
            ),
            (
                "loss=2",
                "in `loss=2`: \"2\" is no number from 0 to 1; write for example `loss=0.1`",
            ),
            (
                "loss=NaN",
                "in `loss=NaN`: \"NaN\" is no number from 0 to 1; write for example `loss=0.1`",
            ),
            ("loss=0.1,loss=0.2", "in `loss=0.2`: `loss` stands twice"),
            (
                "delay=80ms..20ms",
                "in `delay=80ms..20ms`: the shortest delay is longer than the longest; write for example `delay=20ms..80ms`",
            ),
            (
                "delay=20",
                "in `delay=20`: \"20\" is no length of time; write for example `delay=20ms..80ms`",
            ),
            (
                "jitter=$stream",
                "in `jitter=$stream`: \"$stream\" depends on the implementation, the network does not; write for example `jitter=5ms`",
            ),
            (
                "rate=0",
                "in `rate=0`: no byte a second would be carried; write for example `rate=64000`",
            ),
            (
                "outage=2s..1s",
                "in `outage=2s..1s`: the outage ends before it begins; write for example `outage=1s..2.5s`",
            ),
            (
                "outage=2s",
                "in `outage=2s`: \"2s\" is no time range; write for example `outage=1s..2.5s`",
            ),
            (
                "drop=SYN-ACK#0",
                "in `drop=SYN-ACK#0`: frames are counted from 1; write for example `drop=FRAME#2`",
            ),
            (
                "drop=SYNACK#1",
                "in `drop=SYNACK#1`: no frame is called `SYNACK`; did you mean `SYN-ACK`?",
            ),
            (
                "loss=0.5,duplicate=ACK,drop=SYN_AKC",
                "in `drop=SYN_AKC#1`: no frame is called `SYN_AKC`; did you mean `SYN-ACK`?",
            ),
            (
                "drop=",
                "in `drop=`: no frame is named; write for example `drop=FRAME#2`",
            ),
            (
                "delay=SYN#1",
                "in `delay=SYN#1`: `+` and what follows it is missing; write for example `delay=FRAME#1+300ms`",
            ),
            (
                "delay=SYN#1+0s",
                "in `delay=SYN#1+0s`: it would not be delayed; write for example `delay=FRAME#1+300ms`",
            ),
            (
                "corrupt=SYN#1@x",
                "in `corrupt=SYN#1@x`: \"x\" is no bit, a whole number; write for example `corrupt=FRAME#1@208`",
            ),
            (
                "drop=server:SYN",
                "in `drop=server:SYN`: \"server\" is no side: there are initiator and responder; write for example `drop=FRAME#2`",
            ),
            (
                "seed=-1",
                "in `seed=-1`: \"-1\" is no seed, a whole number; write for example `seed=7`",
            ),
            (
                "loss=0.1,",
                "in ``: there is nothing between the commas; write for example `loss=0.1,seed=7`",
            ),
            (
                "drop=SYN,drop=SYN#1",
                "in `drop=SYN#1`: this fault stands twice; write for example `drop=FRAME#2`",
            ),
        ] {
            assert_eq!(error(text), wanted, "{text}");
        }
    }
}
