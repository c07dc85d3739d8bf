//! Implementations that were set against each other: rows of responders, columns of initiators.

use indexmap::{IndexMap, IndexSet};
use shakedown_engine::interop::{
    InteropStarted, InteropSummary, PairEvent, PairOutcome, SideEvent, Standing,
};

/// The interoperability matrix so far; several that are reported as one are merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub protocol: String,
    /// Seeds of everything random, joined.
    pub seed: String,
    /// What the network between them did, as it was asked for.
    pub impair: Option<String>,
    /// The responders in every setup: the rows.
    pub responders: IndexSet<SideEvent>,
    /// The initiators in every setup: the columns.
    pub initiators: IndexSet<SideEvent>,
    /// Pairs that were to be judged.
    pub wanted: usize,
    /// Pairs judged, by id.
    pub pairs: IndexMap<String, PairEvent>,
    /// How the tables ended that did.
    pub summaries: Vec<InteropSummary>,
    begun: usize,
}

impl Table {
    pub(crate) fn new(started: &InteropStarted) -> Self {
        let mut table = Self {
            protocol: started.protocol.clone(),
            seed: String::new(),
            impair: None,
            responders: IndexSet::new(),
            initiators: IndexSet::new(),
            wanted: 0,
            pairs: IndexMap::new(),
            summaries: Vec::new(),
            begun: 0,
        };
        table.join(started);
        table
    }

    pub(crate) fn join(&mut self, started: &InteropStarted) {
        let separator = if self.seed.is_empty() { "" } else { "; " };
        self.seed += &format!("{separator}{}", started.seed);
        if self.impair.is_none() {
            self.impair.clone_from(&started.impair);
        }
        self.responders.extend(started.responders.iter().cloned());
        self.initiators.extend(started.initiators.iter().cloned());
        self.wanted += started.pairs;
        self.begun += 1;
    }

    /// A pair is judged; in several tables, the worst counts.
    pub(crate) fn add(&mut self, pair: &PairEvent) {
        let known = self.pairs.get(&pair.pair);
        if known.is_none_or(|known| known.standing <= pair.standing) {
            self.pairs.insert(pair.pair.clone(), pair.clone());
        }
    }

    pub(crate) fn finish(&mut self, summary: &InteropSummary) {
        self.summaries.push(summary.clone());
    }

    /// Whether every table came to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.summaries.len() >= self.begun && !self.summaries.iter().any(|s| s.interrupted)
    }

    /// The pair of a row and a column, if it was judged.
    #[must_use]
    pub fn cell(&self, responder: &SideEvent, initiator: &SideEvent) -> Option<&PairEvent> {
        let is_it =
            |pair: &&PairEvent| pair.responder == *responder && pair.initiator == *initiator;
        self.pairs.values().find(is_it)
    }

    /// The pairs, the worst first, then in the order of the table.
    #[must_use]
    pub fn worst_first(&self) -> Vec<&PairEvent> {
        let mut pairs = self.in_order();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.standing));
        pairs
    }

    /// The pairs in the order of the table.
    #[must_use]
    pub fn in_order(&self) -> Vec<&PairEvent> {
        let place = |pair: &PairEvent| {
            let row = self.responders.get_index_of(&pair.responder);
            let column = self.initiators.get_index_of(&pair.initiator);
            (row.unwrap_or(usize::MAX), column.unwrap_or(usize::MAX))
        };
        let mut pairs: Vec<&PairEvent> = self.pairs.values().collect();
        pairs.sort_by_key(|pair| place(pair));
        pairs
    }

    /// The names of the implementations on one side.
    #[must_use]
    pub fn names(sides: &IndexSet<SideEvent>) -> Vec<&str> {
        let names: IndexSet<&str> = sides.iter().map(|side| side.name.as_str()).collect();
        names.into_iter().collect()
    }

    /// How many pairs have each standing, from the worst to the best, without the zeroes.
    #[must_use]
    pub fn counts(&self) -> Vec<(Standing, usize)> {
        let of = |standing| {
            let same = self.pairs.values().filter(|pair| pair.standing == standing);
            (standing, same.count())
        };
        let all = Standing::ALL.into_iter().rev().map(of);
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// What it comes to, in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let messages: IndexSet<&str> = self.summaries.iter().map(|s| s.message.as_str()).collect();
        match messages.is_empty() {
            true => String::from("It has not finished."),
            false => messages.into_iter().collect::<Vec<_>>().join("; "),
        }
    }
}

/// How a side is called in a table: its setup, and its name where several are on that side.
pub(crate) fn label(side: &SideEvent, all: &IndexSet<SideEvent>) -> String {
    match Table::names(all).len() {
        0 | 1 => side.setup(),
        _ => format!("{}: {}", side.name, side.setup()),
    }
}

/// A letter for a standing, without colours.
pub(crate) const fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::AsDemanded | Standing::Breaks => "",
        Standing::LeftOpen => "~",
        Standing::Excused => "^",
        Standing::Inconclusive | Standing::Error => "?",
        Standing::NotAsDemanded => "!",
    }
}

/// `!times out`, `streams, but breaks MS-H-15`.
pub(crate) fn words(pair: &PairEvent) -> String {
    let outcome = format!("{}{}", mark(pair.standing), pair.outcome.name());
    match pair.findings.is_empty() {
        true => outcome,
        false => format!("{outcome}, {}", breach(pair)),
    }
}

/// How it stands, in words: `as demanded, but breaks MS-H-15`.
pub(crate) fn standing(pair: &PairEvent) -> String {
    match pair.standing {
        Standing::Breaks => {
            let base = match pair.demanded {
                Some(demanded) if demanded == pair.outcome => "as demanded",
                Some(_) => "excused",
                None => "left open",
            };
            format!("{base}, {}", breach(pair))
        }
        Standing::NotAsDemanded if !pair.findings.is_empty() => {
            format!("{}, {}", pair.standing.name(), breach(pair))
        }
        Standing::AsDemanded
        | Standing::LeftOpen
        | Standing::Excused
        | Standing::Inconclusive
        | Standing::Error
        | Standing::NotAsDemanded => pair.standing.name().to_owned(),
    }
}

fn breach(pair: &PairEvent) -> String {
    let conjunction = if pair.standing == Standing::Breaks {
        "but"
    } else {
        "and"
    };
    format!("{conjunction} breaks {}", pair.findings.join(", "))
}

/// What the specification demands, with the requirements from which that follows.
pub(crate) fn demanded(pair: &PairEvent) -> String {
    let demanded = pair.demanded.map_or("not said", PairOutcome::name);
    match pair.because.is_empty() {
        true => demanded.to_owned(),
        false => format!("{demanded} ({})", pair.because.join(", ")),
    }
}

/// What the marks of a table mean, of those that it has.
pub(crate) fn legend(table: &Table) -> String {
    let mut because = table.pairs.values().flat_map(|pair| &pair.because);
    let is_expected = because.any(|because| because.starts_with("--"));
    let meanings = [
        (
            "!",
            match is_expected {
                true => "not as demanded: by the specification, or by --expect streams",
                false => "not as the specification demands",
            },
        ),
        ("?", "not judged"),
        ("~", "the specification leaves it open"),
        ("^", "the losses that were asked for explain it"),
    ];
    let has = |sign: &str| table.pairs.values().any(|pair| mark(pair.standing) == sign);
    let shown = meanings.into_iter().filter(|(sign, _)| has(sign));
    let words: Vec<_> = shown
        .map(|(sign, meaning)| format!("{sign} {meaning}"))
        .collect();
    words.join("; ")
}
