//! Findings of monitors as events.

use std::time::Duration;

use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::Finding;
use shakedown_protocol::requirement::Level;

use crate::event::{FieldEvent, FindingEvent};
use crate::iut::Waiver;

/// Bytes of a datagram that a finding shows.
const SHOWN_BYTES: usize = 256;

/// Where something was found.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The protocol whose requirements are judged.
    pub protocol: &'static Protocol,
    /// The id of the scenario or pair.
    pub id: &'a str,
    /// The capture's path, if it was written.
    pub capture: Option<&'a str>,
    /// Time of its first packet.
    pub start: Duration,
}

impl Place<'_> {
    /// What a monitor found; `payload` is the datagram that it names, as far as it is at hand.
    #[must_use]
    pub fn of_monitor(&self, finding: &Finding, payload: Option<&[u8]>) -> FindingEvent {
        FindingEvent {
            packet: finding.packet,
            time: finding.time.saturating_sub(self.start).as_secs_f64(),
            message: format!("expected {}, got {}", finding.expected, finding.got),
            expected: finding.expected.clone(),
            got: finding.got.clone(),
            bytes: payload.map(hex),
            off: finding.off,
            field: finding.field.map(|field| FieldEvent {
                name: field.name.to_owned(),
                offset: field.offset,
                length: field.length,
            }),
            ..self.nothing(finding.requirement)
        }
    }

    /// The death of an implementation, `time` after the beginning.
    #[must_use]
    pub fn of_unexpected_end(&self, time: Duration, got: &str) -> FindingEvent {
        let expected = "an implementation that lives on".to_owned();
        FindingEvent {
            time: time.as_secs_f64(),
            message: format!("expected {expected}, got {got}"),
            expected,
            got: got.to_owned(),
            ..self.nothing(self.protocol.survival)
        }
    }

    /// A finding about a requirement that has none yet.
    pub(super) fn nothing(&self, requirement: &str) -> FindingEvent {
        let rule = self.protocol.requirement(requirement);
        FindingEvent {
            requirement: requirement.to_owned(),
            level: rule
                .map_or(Level::Must, |rule| rule.level)
                .name()
                .to_owned(),
            scenario: Some(self.id.to_owned()),
            capture: self.capture.map(str::to_owned),
            packet: None,
            time: 0.0,
            message: String::new(),
            expected: String::new(),
            got: String::new(),
            step: None,
            bytes: None,
            field: None,
            waived: None,
            advisory: false,
            off: None,
        }
    }
}

/// Says whether a finding counts: it is advisory if its level is weaker than `level`, and waived if
/// one of `waivers` names its requirement, whose index is returned.
pub fn weigh(
    finding: &mut FindingEvent,
    protocol: &Protocol,
    level: Level,
    waivers: &[Waiver],
) -> Option<usize> {
    let rule = protocol.requirement(&finding.requirement);
    finding.advisory = rule.is_some_and(|rule| rule.level > level);
    let index = waivers.iter().position(|waiver| {
        let is_here = waiver.scenario.is_none() || waiver.scenario == finding.scenario;
        is_here && waiver.requirement == finding.requirement
    })?;
    finding.waived = Some(waivers.get(index)?.because.clone());
    Some(index)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    hex::encode(&bytes[..bytes.len().min(SHOWN_BYTES)])
}
