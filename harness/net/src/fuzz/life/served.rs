//! Whether a process still serves a peer that does everything right.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use shakedown_engine::fuzzing::Behaviour;
use shakedown_engine::scenario::{Needs, Scenario};
use shakedown_engine::script::{ScriptOutcome, SocketId};
use shakedown_protocol::monitor::{Finding, Observation};
use shakedown_protocol::requirement::Level;

use super::{HANGS_AFTER, Life, Setup};
use crate::clock::Clock;
use crate::drive::{Recorded, Recorder, bound};
use crate::fuzz::sign::Sign;
use crate::fuzz::talk::{Pace, State, Talk};
use crate::process::Process;
use crate::run::{Watched, judge};

impl Life<'_> {
    /// Whether a peer that does everything right, as this scenario says, is not served. One that is turned away
    /// asks again for a while: what it is told before is not over at once.
    ///
    /// # Errors
    /// A sentence for people, if it could not be played.
    pub(in crate::fuzz) fn spoilt(
        &mut self,
        scenario: &Scenario,
        patience: Duration,
    ) -> Result<Option<Sign>, String> {
        let until = Instant::now() + patience;
        loop {
            let Some(problem) = self.plays(scenario)? else {
                return Ok(None);
            };
            if let Some(ended) = self.process().and_then(Process::ended) {
                return Ok(self
                    .process()
                    .map(|process| Sign::of_end(ended, process.output())));
            }
            if self.setup.is_stopped() {
                return Ok(None);
            }
            if Instant::now() >= until {
                let scenario = scenario.id.clone();
                return Ok(Some(Sign::Spoilt { scenario, problem }));
            }
        }
    }

    /// Plays a scenario as a run does, and tells what is wrong: by its steps, or by what the monitor sees but
    /// for times, which a busy machine may have made.
    fn plays(&mut self, scenario: &Scenario) -> Result<Option<String>, String> {
        let scenario = scenario.asked_of(&self.setup.iut);
        let needs = scenario.iut.clone();
        let instance = self.instance.clone().ok_or("no server was started")?;
        let limit = bound(&scenario, &self.setup.iut);
        let main = self.main()?;
        let folder = tempfile::tempdir();
        let folder = folder.map_err(|error| format!("no folder can be made: {error}"))?;
        let iut = &self.launcher.iut;
        let stream_bytes = iut.stream.frame_bytes().saturating_mul(iut.stream.frames());
        let clock = Clock::start();
        let path = folder.path().join("check.pcapng");
        let mut recorder = Recorder::create(&path, clock, stream_bytes);
        let mut script = self.script(scenario, instance.address, u64::from(std::process::id()));
        let mut talk = Talk {
            script: &mut script,
            address: instance.address,
            process: instance.process.as_deref(),
            question: None,
            pace: Pace::Real,
            vocabulary: self.setup.protocol.on_the_wire(),
            clock,
            limit,
            hangs_after: HANGS_AFTER,
            stop: &self.setup.stop,
            recorder: Some(&mut recorder),
            seen: None,
            behaviour: Behaviour::default(),
            slowest: Duration::ZERO,
            latest: Duration::ZERO,
            sockets: [(SocketId::MAIN, main)].into(),
            state: State::new(),
        };
        talk.run()
            .map_err(|error| format!("a socket failed: {error}"))?;
        let own = talk.sockets.values();
        let own = own
            .filter_map(|socket| socket.local_addr().ok()?.as_socket())
            .collect();
        let until = clock.wall(clock.now());
        match script.outcome() {
            Some(ScriptOutcome::Passed) => {}
            Some(ScriptOutcome::Failed(failure)) => {
                return Ok(Some(format!(
                    "expected {}, got {}",
                    failure.expected, failure.got
                )));
            }
            Some(ScriptOutcome::Inconclusive { .. } | ScriptOutcome::Error { .. }) | None => {
                return Ok(None);
            }
        }
        Ok(seen(self.setup, &recorder.finish(), &needs, &own, until))
    }
}

/// What the monitor sees of the implementation that breaks an absolute requirement, but for times.
fn seen(
    setup: &Setup,
    recorded: &Recorded,
    needs: &Needs,
    own: &BTreeSet<SocketAddr>,
    until: Duration,
) -> Option<String> {
    let protocol = setup.protocol;
    let stopped = Vec::new();
    let watched = Some(Watched { stopped, until });
    let secrets = recorded.key_log.as_bytes();
    let judged = judge(
        &recorded.path,
        protocol,
        &setup.iut,
        needs,
        own,
        secrets,
        watched,
    );
    let mut findings = judged
        .observations
        .iter()
        .filter_map(|observation| match observation {
            Observation::Finding(finding) => Some(finding),
            Observation::Inconclusive(_) | Observation::Session(_) => None,
        });
    let counts = |finding: &&Finding| {
        let level = protocol
            .requirement(finding.requirement)
            .map(|rule| rule.level);
        let is_timed = finding.off.is_some() || protocol.timed.contains(&finding.requirement);
        level == Some(Level::Must) && !is_timed
    };
    let finding = findings.find(counts);
    finding.map(|finding| {
        let Finding {
            requirement,
            expected,
            got,
            ..
        } = finding;
        format!("{requirement}: expected {expected}, got {got}")
    })
}
