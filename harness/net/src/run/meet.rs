//! Both sides of a scenario are made, and the scenario is driven.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use shakedown_carrier::Security;
use shakedown_engine::script::{Environment, Script};

use super::Context;
use super::group::Lease;
use super::job::Job;
use crate::clock::Clock;
use crate::drive::{
    DriveResult, EdgeRecorder, Recorder, Restart, ScenarioCapture, ScenarioDriver, Setup,
    bound_through,
};
use crate::launch::Instance;
use crate::probe;
use crate::relay::{Relay, Settings};
use crate::socket::PeerSocket;

/// Both sides of a scenario before its first word.
pub(super) struct Prepared {
    main: PeerSocket,
    pub(super) instance: Instance,
    capture: ScenarioCapture,
    pub(super) clock: Clock,
}

impl Job {
    /// The scripted peer's first socket, the implementation, and what records what they say to each
    /// other, which has to begin before the implementation can.
    pub(super) async fn meet(
        &self,
        context: &Context,
        lease: Option<&Lease>,
        path: &Path,
    ) -> Result<Prepared, String> {
        let launcher = &self.launcher;
        let needs = &self.scenario.iut;
        let bind = |ip| {
            PeerSocket::bind(SocketAddr::new(ip, 0))
                .map_err(|error| format!("no UDP socket can be opened at {ip}: {error}"))
        };
        if needs.role == self.target.asks() {
            let main = bind(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
            let (capture, clock) = self.capture(context, path, main.local(), main.local())?;
            let peer = capture.relay_address().unwrap_or_else(|| main.local());
            let instance = launcher.initiator(needs, peer);
            return Ok(Prepared {
                main,
                instance: instance.map_err(|error| error.to_string())?,
                capture,
                clock,
            });
        }
        let instance = self.responder(context, lease).await?;
        let address = instance
            .address
            .unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        let ip = probe::local_address_for(address)
            .map_err(|error| format!("there is no way to {address}: {error}"))?;
        let main = bind(ip)?;
        let (capture, clock) = self.capture(context, path, main.local(), address)?;
        Ok(Prepared {
            main,
            instance,
            capture,
            clock,
        })
    }

    /// The responder under test, ready for traffic.
    async fn responder(
        &self,
        context: &Context,
        lease: Option<&Lease>,
    ) -> Result<Instance, String> {
        if let Some(lease) = lease {
            return Ok(lease.instance.clone());
        }
        let launched = self.launcher.responder(&self.scenario.iut);
        let launched = context.unless_stopped(launched).await;
        let launched = launched.ok_or_else(|| String::from("the run was interrupted"))?;
        launched.map_err(|error| error.to_string())
    }

    /// What records the scenario: at the scripted peer's socket `main`, or beyond a relay to who is
    /// at `target`.
    fn capture(
        &self,
        context: &Context,
        path: &Path,
        main: SocketAddr,
        target: SocketAddr,
    ) -> Result<(ScenarioCapture, Clock), String> {
        let iut = &self.launcher.iut;
        let stream_bytes = iut.stream.frame_bytes().saturating_mul(iut.stream.frames());
        let live = context.live(path, main, stream_bytes)?;
        let clock = Clock::start();
        let recorder = Recorder::create(path, clock, stream_bytes).with_live(live);
        let Some(impair) = context.impair_of(&self.scenario) else {
            return Ok((ScenarioCapture::Direct(Box::new(recorder)), clock));
        };
        let role = self.scenario.iut.role;
        let slowest = impair.delays(role, &iut.stream).most;
        let edge = EdgeRecorder::new(role, recorder, context.budget.share());
        let capture = ScenarioCapture::relayed(edge, slowest, |observer| {
            Relay::start(Settings {
                listen: SocketAddr::new(main.ip(), 0),
                target,
                impair: impair.drawn_again(self.launcher.seed, self.spoilt),
                vocabulary: self.target.protocol.on_the_wire(),
                seed: self.launcher.seed,
                clock,
                share: context.budget.share(),
                observer,
            })
        });
        match capture {
            Ok(capture) => Ok((capture, clock)),
            Err(error) => Err(format!("no relay can be started: {error}")),
        }
    }

    pub(super) async fn drive(
        &self,
        context: &Context,
        met: Prepared,
        last_sent: Arc<AtomicU64>,
    ) -> DriveResult {
        let iut = &self.launcher.iut;
        let address = met.instance.address;
        let address = address.map(|address| met.capture.relay_address().unwrap_or(address));
        let epoch = met.clock.wall(Duration::ZERO);
        let environment = self.environment(context, address, epoch);
        let script = match context.imposed_on(&self.scenario) {
            Some(impair) => Script::through(&self.scenario, environment, impair),
            None => Script::new(&self.scenario, environment),
        };
        let limit = bound_through(&self.scenario, iut, context.impair_of(&self.scenario));
        let setup = Setup {
            script,
            main: met.main,
            clock: met.clock,
            capture: met.capture,
            instance: met.instance,
            restart: Restart {
                launcher: Arc::clone(&self.launcher),
                needs: self.scenario.iut.clone(),
            },
            last_sent_at: last_sent,
        };
        ScenarioDriver::new(setup, limit, context.stop.clone())
            .run()
            .await
    }

    /// What the script must know; `address` is where a responder is reached.
    fn environment(
        &self,
        context: &Context,
        address: Option<SocketAddr>,
        epoch: Duration,
    ) -> Environment {
        let iut = &self.launcher.iut;
        Environment {
            protocol: self.target.protocol,
            timing: iut.timing,
            stream: iut.stream,
            exit: iut.exit,
            iut: address,
            seed: context.seed.wrapping_add(self.plays),
            epoch,
            values: iut.values.clone(),
            security: Security::Tls,
            budget: context.budget.clone(),
        }
    }
}
