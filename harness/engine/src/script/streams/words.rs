//! Connections, their ends and what streams carry, in words.

use std::time::Duration;

use shakedown_protocol::streams::{APPLICATION_ERROR, CONNECTION_REFUSED};

use crate::scenario::streams::{Ending, ExpectClose, MAIN};

use super::world::{Connection, Ended, Moment, StreamEnd};

/// The codes that stand for TLS alerts (RFC 9001, section 4.8).
const ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
/// For so long after the handshake was done here it may not be done at the other side.
const STILL_SHAKING: Duration = Duration::from_secs(1);
/// Bytes that are shown at most.
const MOST_SHOWN: usize = 32;

/// `the connection`, or by its name if it is not `main`.
pub(super) fn connection(name: &str) -> String {
    match name {
        MAIN => "the connection".to_owned(),
        name => format!("the connection `{name}`"),
    }
}

/// Bytes in hexadecimal, the first of many: `07 00 00 00`.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(MOST_SHOWN);
    let shown: Vec<_> = shown.map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > MOST_SHOWN { " ..." } else { "" };
    shown.join(" ") + more
}

/// How a stream of the implementation ended.
pub(super) fn stream_end(end: StreamEnd) -> String {
    match end {
        StreamEnd::Fin => "ended (FIN)".to_owned(),
        StreamEnd::Reset(code) => format!("broken off with code {code} (RESET_STREAM)"),
    }
}

/// What an expected end is, without the connection: `closed with code 1 or 5, or refused`.
pub(super) fn wanted_end(one: &ExpectClose) -> String {
    let codes: Vec<_> = one.code.iter().map(ToString::to_string).collect();
    let codes = (!codes.is_empty()).then(|| format!("closed with code {}", codes.join(" or ")));
    let others = one.or.iter().map(|ending| ending.in_words().to_owned());
    let ways: Vec<_> = codes.into_iter().chain(others).collect();
    ways.join(", or ")
}

impl Connection {
    /// How it ended, without when; `None` while it has not.
    pub(super) fn how(&self) -> Option<String> {
        let (moment, ended) = self.ended.as_ref()?;
        let because = |reason: &str| match reason {
            "" => String::new(),
            reason => format!(" ({reason:?})"),
        };
        let before = if self.connected.is_none() {
            ", before its handshake was done"
        } else {
            ""
        };
        Some(match ended {
            Ended::Application { code, reason } => {
                format!("closed with code {code}{}", because(reason))
            }
            Ended::Transport {
                code: APPLICATION_ERROR,
                ..
            } if self.is_shaking(*moment) => {
                "closed in its handshake with a code of the application that QUIC hides there (0xc)"
                    .to_owned()
            }
            Ended::Transport { code, reason } if ALERTS.contains(code) => {
                let alert = code & 0xff;
                let reason = because(reason);
                format!("closed with TLS alert {alert} (QUIC {code:#x}){reason}{before}")
            }
            Ended::Transport { code, reason } => {
                let reason = because(reason);
                format!("closed by its transport with QUIC code {code:#x}{reason}{before}")
            }
            Ended::TimedOut => format!("lost by silence (idle timeout){before}"),
            Ended::Refused => "refused".to_owned(),
            Ended::Reset => "reset without state (stateless reset)".to_owned(),
            Ended::Other(why) => format!("ended ({why}){before}"),
            Ended::ByScript => "closed by the scripted peer itself".to_owned(),
        })
    }

    /// Whether it ended in one of the ways that a step expects.
    pub(super) fn ended_so(&self, one: &ExpectClose) -> bool {
        let Some((moment, ended)) = &self.ended else {
            return false;
        };
        let or = |ending: Ending| one.or.contains(&ending);
        let was_there = self.connected.is_some();
        match ended {
            Ended::Application { code, .. } => one.code.contains(code),
            Ended::Refused
            | Ended::Transport {
                code: CONNECTION_REFUSED,
                ..
            } => or(Ending::Refused) || (was_there && or(Ending::Transport)),
            Ended::Transport { code, .. } => {
                let is_shaking = self.is_shaking(*moment);
                let is_hidden = *code == APPLICATION_ERROR && is_shaking && !one.code.is_empty();
                let breaks = *code == APPLICATION_ERROR || ALERTS.contains(code);
                let is_refused = !was_there || (is_shaking && breaks);
                is_hidden
                    || (is_refused && or(Ending::Refused))
                    || (was_there && or(Ending::Transport))
            }
            Ended::TimedOut => or(Ending::IdleTimeout),
            Ended::Reset => or(Ending::StatelessReset),
            Ended::Other(_) | Ended::ByScript => false,
        }
    }

    /// Whether the other side's handshake may not have been done then.
    fn is_shaking(&self, then: Moment) -> bool {
        self.connected
            .is_none_or(|connected| then.at.saturating_sub(connected.at) <= STILL_SHAKING)
    }
}
