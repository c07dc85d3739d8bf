//! What is said about one session: each breach once, the rest counted.

use std::net::SocketAddr;
use std::time::Duration;

use super::responders::Responders;
use super::rule::{Rule, Rules};
use super::time::Moment;
use crate::mediastream::{Mode, Modes};
use crate::monitor::{Field, Finding, Observation, Vantage};
use crate::requirement::Role;
use crate::{MonitorSettings, StreamParameters};

/// What a session has had judged and told so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ledger {
    exercised: Rules,
    told_initiator: Rules,
    told_responder: Rules,
    doubted: Rules,
    more: u64,
}

impl Ledger {
    /// The requirements that were judged: exercised, and broken or beyond doubt. In an upload what the
    /// responder's media has to obey says nothing of a responder: it is not among them.
    pub(super) fn judged(&self, is_upload: bool) -> Vec<&'static str> {
        let mut judged = Rules::default();
        for rule in Rule::ALL {
            let told = self.told_initiator.contains(rule) || self.told_responder.contains(rule);
            if told || (self.exercised.contains(rule) && !self.doubted.contains(rule)) {
                judged.insert(rule);
            }
        }
        if is_upload {
            judged = judged.without_the_senders();
        }
        judged.ids()
    }

    /// Breaches that were counted only.
    pub(super) const fn more(&self) -> u64 {
        self.more
    }
}

/// The bytes or the silence that show a breach.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The packet, counted from 1; `None` where the lack of one is the finding.
    pub(super) packet: Option<u64>,
    /// The moment.
    pub(super) time: Duration,
    /// What the rule wanted.
    pub(super) expected: String,
    /// What was seen.
    pub(super) got: String,
    /// The bytes, if bytes show it.
    pub(super) field: Option<Field>,
}

impl Evidence {
    /// Shown by the packet of `moment`.
    pub(super) fn at(moment: &Moment, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            packet: Some(moment.packet),
            time: moment.time,
            expected: expected.into(),
            got: got.into(),
            field: None,
        }
    }

    /// Shown by the lack of a packet until `time`.
    pub(super) fn lack(
        time: Duration,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self {
            packet: None,
            time,
            expected: expected.into(),
            got: got.into(),
            field: None,
        }
    }

    /// With the bytes that show it.
    pub(super) fn field(mut self, name: &'static str, offset: usize, length: usize) -> Self {
        self.field = Some(Field {
            name,
            offset,
            length,
        });
        self
    }
}

/// Who the parties of a session are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parties {
    pub(super) initiator: SocketAddr,
    pub(super) responder: SocketAddr,
}

impl Parties {
    const fn address(&self, role: Role) -> SocketAddr {
        match role {
            Role::Initiator => self.initiator,
            Role::Responder => self.responder,
        }
    }

    /// Whether both parties live on one host, so that nothing lies between them.
    fn share_a_host(&self) -> bool {
        let (initiator, responder) = (self.initiator.ip(), self.responder.ip());
        initiator == responder || (initiator.is_loopback() && responder.is_loopback())
    }
}

/// Where the rules bring what they find in one session.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a MonitorSettings,
    pub(super) parties: Parties,
    /// The party that sends the media: the responder, but in an upload the initiator.
    pub(super) sender: Role,
    /// What is streamed, as far as it is known: as the session agreed, else as it was configured.
    pub(super) stream: Option<StreamParameters>,
    pub(super) responders: &'a Responders,
    pub(super) ledger: &'a mut Ledger,
    pub(super) say: &'a mut dyn FnMut(Observation),
}

impl Bench<'_> {
    /// Whether gaps, swaps, repetitions and lateness in what `party` sent are its own doing: the
    /// capture was taken at the sender of media, and for the other only if it lives there too.
    pub(super) fn is_at(&self, party: Role) -> bool {
        match (self.settings.vantage, party) {
            (Vantage::Path, _) => false,
            (Vantage::Sender, party) => party == self.sender || self.parties.share_a_host(),
        }
    }

    /// Whether the responder may have dropped half-open sessions at `moment` or later.
    pub(super) fn is_flooded(&self, moment: &Moment) -> bool {
        self.responders.is_flooded(self.parties.responder, moment)
    }

    /// Whether the responder answered a SYN anywhere in the capture so far.
    pub(super) fn speaks_3way(&self) -> bool {
        self.responders.speaks_3way(self.parties.responder)
    }

    /// Whether the implementation was told to speak `mode`; `None` if that is not known.
    pub(super) fn speaks(&self, mode: Mode) -> Option<bool> {
        self.modes().map(|modes| modes.contains(mode))
    }

    /// The modes that the implementation was told to speak, if they are known.
    pub(super) fn modes(&self) -> Option<Modes> {
        self.settings.mode.as_ref()?.parse().ok()
    }

    /// Whether the option is known to be on or off.
    pub(super) fn option(&self, name: &str) -> Option<bool> {
        let options = self.settings.options.as_ref()?;
        Some(options.iter().any(|option| option == name))
    }

    /// The stimulus of the rule was there: from now on silence means that it holds.
    pub(super) const fn exercised(&mut self, rule: Rule) {
        self.ledger.exercised.insert(rule);
    }

    /// `party` broke the rule, whatever the network did. Told once a session.
    pub(super) fn breach(&mut self, rule: Rule, party: Role, evidence: impl FnOnce() -> Evidence) {
        self.exercised(rule);
        let told = match party {
            Role::Initiator => &mut self.ledger.told_initiator,
            Role::Responder => &mut self.ledger.told_responder,
        };
        if told.insert(rule) {
            let finding = self.finding(rule, party, evidence());
            (self.say)(Observation::Finding(finding));
        } else {
            self.ledger.more += 1;
        }
    }

    /// It looks like a breach, and it cannot be told whether it is one. Told once a session.
    pub(super) fn doubt(
        &mut self,
        rule: Rule,
        party: Role,
        why: &str,
        evidence: impl FnOnce() -> Evidence,
    ) {
        if self.ledger.doubted.insert(rule) {
            let mut finding = self.finding(rule, party, evidence());
            finding.got = format!("{}; {why}", finding.got);
            (self.say)(Observation::Inconclusive(finding));
        }
    }

    /// A breach if the capture was taken where `party` sends, else a doubt: the network may have
    /// done it.
    pub(super) fn breach_unless_network(
        &mut self,
        rule: Rule,
        party: Role,
        evidence: impl FnOnce() -> Evidence,
    ) {
        if self.is_at(party) {
            self.breach(rule, party, evidence);
        } else {
            self.doubt(rule, party, "the network may have done it", evidence);
        }
    }

    fn finding(&self, rule: Rule, party: Role, evidence: Evidence) -> Finding {
        Finding {
            requirement: rule.id(),
            party,
            address: self.parties.address(party),
            packet: evidence.packet,
            time: evidence.time,
            expected: evidence.expected,
            got: evidence.got,
            field: evidence.field,
        }
    }
}
