//! Whether a process still serves a conforming peer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use shakedown_engine::fuzzing::Behaviour;
use shakedown_engine::scenario::{Needs, Scenario};
use shakedown_engine::script::{ScriptOutcome, SocketId};
use shakedown_protocol::monitor::{Finding, Observation};
use shakedown_protocol::requirement::Level;

use super::{HANG_TIMEOUT, Setup, Target};
use crate::clock::Clock;
use crate::drive::{Recorded, Recorder, bound};
use crate::fuzz::executor::{Executor, Pace, State};
use crate::fuzz::fault::Fault;
use crate::process::Process;
use crate::run::{Watched, judge};

impl Target<'_> {
    /// Plays a scenario until it passes, for as long as `recovery_time`: sessions of earlier conversations may have to
    /// expire first.
    ///
    /// # Errors
    /// A message for the user, if it could not be played.
    pub(in crate::fuzz) fn check_service(
        &mut self,
        scenario: &Scenario,
        recovery_time: Duration,
    ) -> Result<Option<Fault>, String> {
        let until = Instant::now() + recovery_time;
        loop {
            let Some(problem) = self.play(scenario)? else {
                return Ok(None);
            };
            if let Some(ended) = self.process().and_then(Process::ended) {
                return Ok(self
                    .process()
                    .map(|process| Fault::of_exit(ended, process.output())));
            }
            if self.setup.is_stopped() {
                return Ok(None);
            }
            if Instant::now() >= until {
                let scenario = scenario.id.clone();
                return Ok(Some(Fault::Degraded { scenario, problem }));
            }
        }
    }

    /// Plays a scenario as in a run. Says which step or requirement fails; timing is not judged, since the machine may
    /// be busy.
    fn play(&mut self, scenario: &Scenario) -> Result<Option<String>, String> {
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
        let mut executor = Executor {
            script: &mut script,
            address: instance.address,
            process: instance.process.as_deref(),
            probe: None,
            pace: Pace::RealTime,
            vocabulary: self.setup.protocol.on_the_wire(),
            clock,
            limit,
            hang_timeout: HANG_TIMEOUT,
            stop: &self.setup.stop,
            recorder: Some(&mut recorder),
            coverage: None,
            behaviour: Behaviour::default(),
            slowest_response: Duration::ZERO,
            longest_delay: Duration::ZERO,
            sockets: [(SocketId::MAIN, main)].into(),
            state: State::new(),
        };
        executor
            .run()
            .map_err(|error| format!("a socket failed: {error}"))?;
        let own = executor.sockets.values();
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
        Ok(violation(
            self.setup,
            &recorder.finish(),
            &needs,
            &own,
            until,
        ))
    }
}

/// A violation of an absolute requirement, except those on timing.
fn violation(
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
