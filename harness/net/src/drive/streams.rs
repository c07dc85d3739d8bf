//! The driver of scenarios over streams: a scripted peer over real QUIC endpoints.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::network::Counts;
use shakedown_engine::script::streams::StreamScript;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::{
    Driven, End, HEARTBEAT, Happened, PUNCTUAL, Recorded, Restart, Restarting, Sockets, ended,
    restarted, starved, stopped, waited,
};
use crate::clock::Clock;
use crate::kernel;
use crate::launch::Instance;
use crate::process::Ended;
use crate::quic::{Host, Recording};

/// How long after the end of a process what it sent before may take through the endpoints.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What is needed to play a scenario over streams.
pub struct StreamSetup {
    /// The script at its beginning.
    pub script: StreamScript,
    /// The scripted peer's endpoints, with the scenario's clock.
    pub host: Host,
    /// Where it is recorded.
    pub recording: Arc<Recording>,
    /// The scenario's clock.
    pub clock: Clock,
    /// The implementation that it is played against.
    pub instance: Instance,
    /// How that is started again.
    pub restart: Restart,
}

/// One scenario over streams on its way.
pub struct StreamDrive {
    peer: Peer,
    host: Host,
    clock: Clock,
    instance: Option<Instance>,
    restart: Restart,
    restarting: Option<Restarting>,
    ended: Option<Ended>,
    ended_at: Duration,
    /// When the script hears of that, and the exit status.
    news: Option<(Duration, Option<i32>)>,
    last_packet: Option<u64>,
    /// What it had waited for a processor at the first packet: how long a client takes to get going
    /// is no reason to doubt what it does then.
    before: Option<Starvation>,
}

/// How long the implementation, and all that runs, waited for a processor, where that is known.
type Starvation = (Option<Duration>, Option<Duration>);

/// The script, which is told of packets and of lateness before whatever happens.
struct Peer {
    script: StreamScript,
    recording: Arc<Recording>,
    /// When the driver wanted to get to run at the latest.
    awaited: Duration,
    lateness: Duration,
}

impl Peer {
    /// Tells the script what it is to know before anything happens to it.
    fn prepare(&mut self, now: Duration) {
        let due = self
            .deadline()
            .map_or(self.awaited, |due| due.min(self.awaited));
        let late = now.saturating_sub(due);
        if late >= PUNCTUAL {
            self.lateness = self.lateness.max(late);
            self.script.late(late);
        }
        self.awaited = now + HEARTBEAT;
        self.script.recorded(self.recording.packets());
    }
}

impl StreamMachine for Peer {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.prepare(now);
        self.script.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        self.script.poll()
    }

    fn deadline(&self) -> Option<Duration> {
        self.script.deadline()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.script.reads(connection, stream)
    }

    fn is_finished(&self) -> bool {
        self.script.is_finished()
    }

    fn counters(&self) -> serde_json::Value {
        self.script.counters()
    }
}

impl StreamDrive {
    /// Everything that is needed, at the beginning of the script.
    #[must_use]
    pub fn new(setup: StreamSetup) -> Self {
        Self {
            peer: Peer {
                script: setup.script,
                recording: setup.recording,
                awaited: setup.clock.now() + HEARTBEAT,
                lateness: Duration::ZERO,
            },
            host: setup.host,
            clock: setup.clock,
            instance: Some(setup.instance),
            restart: setup.restart,
            restarting: None,
            ended: None,
            ended_at: Duration::ZERO,
            news: None,
            last_packet: None,
            before: None,
        }
    }

    /// Plays the script to its end, to `limit`, or until `stop` turns true.
    pub async fn run(mut self, limit: Duration, mut stop: watch::Receiver<bool>) -> Driven {
        let start = self.starvation();
        let end = self.play(limit, &mut stop).await;
        let (before, after) = (self.before.unwrap_or(start), self.starvation());
        let took = self.clock.now();
        // What is open is closed where the script has come to its end.
        self.peer.handle(took, Input::Stop);
        self.host.obey(&mut self.peer);
        let own: BTreeSet<_> = self.host.addresses();
        let endpoints = self.host.flush().await;
        let Peer {
            mut script,
            recording,
            lateness,
            ..
        } = self.peer;
        script.recorded(recording.packets());
        comment(&mut script, &recording);
        let recorded = recording.finish();
        let recorded =
            recorded.unwrap_or_else(|| Recorded::lost("its recording was ended before".to_owned()));
        Driven {
            end,
            recorded,
            instance: self.instance,
            ended: self.ended.map(|ended| (ended, self.ended_at)),
            last_sent: self.last_packet,
            drops: 0,
            missed: Vec::new(),
            stimuli: Counts::default(),
            lateness,
            starved: starved(before, after),
            took,
            own,
            sockets: Sockets::of_endpoints(endpoints),
            events: script.events().to_vec(),
        }
    }

    async fn play(&mut self, limit: Duration, stop: &mut watch::Receiver<bool>) -> End {
        let now = self.clock.now();
        self.peer.prepare(now);
        self.peer.script.begin(now);
        loop {
            self.host.obey(&mut self.peer);
            comment(&mut self.peer.script, &self.peer.recording);
            if self.peer.script.take_restart() {
                self.begin_restart();
                continue;
            }
            if let Some(outcome) = self.peer.script.outcome() {
                return End::Played(outcome.clone());
            }
            if *stop.borrow() {
                return End::Interrupted;
            }
            if self.clock.now() >= limit {
                return End::OutOfTime(limit);
            }
            let packets = self.peer.recording.packets();
            if self.peer.recording.is_full() {
                return End::Flooded(packets);
            }
            if packets > 0 && self.before.is_none() {
                self.before = Some(self.starvation());
            }
            if self.ended.is_none() {
                self.last_packet = Some(packets).filter(|packets| *packets > 0);
            }
            self.wait(limit, stop).await;
        }
    }

    /// How long the implementation, and all that runs, waited for a processor so far.
    fn starvation(&self) -> Starvation {
        (waited(self.instance.as_ref()), kernel::pressure())
    }

    /// Waits until there is something to do, and does it.
    async fn wait(&mut self, limit: Duration, stop: &mut watch::Receiver<bool>) {
        let beat = self.clock.now() + HEARTBEAT;
        self.peer.awaited = beat;
        let news = self.news.map_or(beat, |(due, _)| due);
        let target = beat.min(limit).min(news);
        let happened = tokio::select! {
            biased;
            () = stopped(stop) => Happened::Nothing,
            ended = ended(self.instance.as_ref(), self.ended) => Happened::Exited(ended),
            restarted = restarted(&mut self.restarting) => Happened::Restarted(restarted),
            () = self.host.next(&mut self.peer) => Happened::Nothing,
            () = sleep_until(self.clock.instant(target)) => Happened::Woke,
        };
        let now = self.clock.now();
        match happened {
            Happened::Nothing => {}
            Happened::Woke => {
                self.peer.prepare(now);
                if let Some((_, code)) = self.news.take_if(|(due, _)| *due <= now) {
                    self.peer.script.exited(now, code);
                }
            }
            Happened::Exited(ended) => {
                self.ended = Some(ended);
                self.ended_at = now;
                // What it sent before it ended comes first.
                self.news = Some((now + LAST_WORDS, ended.code));
            }
            Happened::Restarted(restarted) => {
                self.restarting = None;
                self.peer.prepare(now);
                match restarted {
                    Ok(instance) => {
                        self.instance = Some(instance);
                        self.peer.script.restarted(now);
                    }
                    Err(error) => self.peer.script.refused(now, &error.to_string()),
                }
            }
        }
    }

    fn begin_restart(&mut self) {
        let Some(instance) = self.instance.take() else {
            let why = "the implementation is not there any more";
            return self.peer.script.refused(self.clock.now(), why);
        };
        let restart = self.restart.clone();
        self.ended = None;
        self.news = None;
        self.restarting = Some(Box::pin(async move {
            restart.launcher.restart(instance, &restart.needs).await
        }));
    }
}

/// Puts the script's comments on their packets.
fn comment(script: &mut StreamScript, recording: &Recording) {
    while let Some((packet, text)) = script.take_comment() {
        recording.comment(packet, text);
    }
}
