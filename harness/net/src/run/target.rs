use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shakedown_engine::document::Pointer;
use shakedown_engine::iut::{Iut, Per, Start};
use shakedown_engine::scenario::{Needs, Scenario, each_step};
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;
use tokio::time::{sleep, timeout};

use crate::launch::{Instance, Launcher};
use crate::probe::{self, Silent};
use crate::socket::PeerSocket;

/// How long the streams that a scenario with counted slots leaves behind are waited for, at most.
const MOST_SECONDS_OF_STREAMS: u32 = 60;

/// How long a server may take to notice a connection's end: some do when QUIC has drained it.
pub(super) const SETTLING: Duration = Duration::from_secs(2);

/// How much longer than one that ended when it was asked another one must live that is not asked, to show
/// that it ended of the question.
const UNASKED: Duration = Duration::from_secs(1);

/// Why an implementation cannot be tested.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    #[error("{0}")]
    NotStarted(String),
    #[error("it does not answer: {0}")]
    Silent(Silent),
}

impl From<String> for Unreached {
    fn from(why: String) -> Self {
        Self::NotStarted(why)
    }
}

/// An implementation under test.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) protocol: &'static Protocol,
    pub(super) launcher: Arc<Launcher>,
    pub(super) is_full: bool,
    /// Set when it is gone for good: what it did not answer.
    pub(super) gone: OnceLock<String>,
}

impl Target {
    /// The role that speaks first: such an implementation comes to us.
    pub(super) fn asks(&self) -> Role {
        let [asks, _] = Protocol::ROLES;
        asks
    }

    pub(super) fn iut(&self) -> &Iut {
        &self.launcher.iut
    }

    pub(super) fn is_shared(&self) -> bool {
        is_shared(self.iut())
    }

    /// Whether the same process serves all scenarios, and one of them at a time.
    pub(super) fn serves_one(&self) -> bool {
        serves_one(self.protocol, self.iut())
    }

    /// How long after a scenario such a process may hold on to a peer: to one that has fallen silent
    /// for the idle timeout.
    pub(super) fn pause_after(&self, scenario: &Scenario) -> Duration {
        pause_after(self.protocol, scenario)
    }

    /// Notes that it did not respond after a scenario, if that is final: it was already running,
    /// so it is not restarted, and a busy one would refuse rather than be silent.
    pub(super) fn fell_silent(&self, tried: &str) {
        if self.iut().start.is_none() && self.serves_one() {
            // The first time counts.
            let _ = self.gone.set(tried.to_owned());
        }
    }

    /// Why the rest of its scenarios is left unplayed, if it is gone.
    pub(super) fn broken_off(&self) -> Option<String> {
        let name = &self.iut().name;
        let tried = self.gone.get()?;
        Some(format!(
            "{name} no longer answers, the rest was left unplayed: {tried}"
        ))
    }

    /// Whether its slots are limited: another scenario or a probe would take slots that the
    /// scenario counts.
    pub(super) fn counts_slots(&self, needs: &Needs) -> bool {
        counts_slots(self.protocol, needs)
    }

    /// How often it is asked after a scenario whether it is there. Where slots are counted the
    /// question waits for one (MS-X-02): each socket of the scenario may have a stream before it.
    pub(super) fn later_tries(&self, scenario: &Scenario) -> u32 {
        if !self.counts_slots(&scenario.iut) {
            return probe::LATER_TRIES;
        }
        let sockets = u32::try_from(scenario.sockets.len()).unwrap_or(u32::MAX);
        let stream = self.iut().stream_for(&scenario.iut).seconds;
        let seconds = stream.saturating_mul(sockets.saturating_add(1));
        probe::LATER_TRIES.saturating_add(seconds.min(MOST_SECONDS_OF_STREAMS))
    }

    /// Whether it is there and answers, started as `needs` say; else a human-readable sentence.
    pub(super) async fn probe(&self, needs: &Needs, turn: (u64, u64)) -> Result<(), Unreached> {
        if needs.role == self.asks() {
            let socket = PeerSocket::bind(([127, 0, 0, 1], 0).into());
            let socket = socket.map_err(|error| format!("no UDP socket can be opened: {error}"))?;
            let instance = self.launcher.initiator(needs, socket.local());
            let instance = instance.map_err(|error| error.to_string())?;
            let asked = probe::initiator(&socket, &instance, self.iut().timing.connect).await;
            if let Some(process) = &instance.process {
                process.stop().await;
            }
            return asked.map_err(Unreached::Silent);
        }
        let instance = self.start(needs).await?;
        let mode = &needs.mode;
        let asked = probe::responder(
            self.protocol,
            mode,
            &instance,
            self.launcher.first_tries(needs),
            turn,
        )
        .await;
        if self.serves_one() {
            sleep(SETTLING).await;
        }
        if let Some(process) = &instance.process {
            process.stop().await;
        }
        match asked {
            Ok(_) => Ok(()),
            Err(silent) => match silent.ended_after {
                // One that dies of a question was there: the scenarios judge that.
                Some(lived) if !self.ends_unasked(needs, lived).await? => Ok(()),
                Some(_) | None => Err(Unreached::Silent(silent)),
            },
        }
    }

    /// Whether it exits without any request, within this time and a margin.
    async fn ends_unasked(&self, needs: &Needs, within: Duration) -> Result<bool, String> {
        let instance = self.start(needs).await?;
        let Some(process) = &instance.process else {
            return Ok(false);
        };
        let ended = timeout(within + UNASKED, process.wait()).await.is_ok();
        process.stop().await;
        Ok(ended)
    }

    async fn start(&self, needs: &Needs) -> Result<Instance, String> {
        let instance = self.launcher.responder(needs).await;
        instance.map_err(|error| error.to_string())
    }
}

/// Whether its slots are limited.
pub(crate) fn counts_slots(protocol: &Protocol, needs: &Needs) -> bool {
    needs.options.iter().any(|written| {
        let option = protocol.option(written);
        option.is_ok_and(|(option, _)| option.takes_number())
    })
}

fn is_shared(iut: &Iut) -> bool {
    let [asks, _] = Protocol::ROLES;
    let per_run = |start: &Start| start.per == Per::Run;
    iut.role != asks && iut.start.as_ref().is_some_and(per_run)
}

/// Whether the same process serves all scenarios, and one of them at a time.
pub(super) fn serves_one(protocol: &Protocol, iut: &Iut) -> bool {
    let lives_on = iut.start.is_none() || is_shared(iut);
    lives_on && (protocol.serves_one || protocol.peers_meet)
}

/// How long after a scenario such a process may hold on to a peer.
pub(super) fn pause_after(protocol: &Protocol, scenario: &Scenario) -> Duration {
    let mut falls_silent = false;
    each_step(&scenario.steps, &Pointer::root(), &mut |step, _| {
        falls_silent |= step.falls_silent();
    });
    let transport = protocol.transport.filter(|_| falls_silent);
    transport.map_or(SETTLING, |transport| transport.idle_timeout + SETTLING)
}
