use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shakedown_engine::scenario::Needs;
use shakedown_protocol::Protocol;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::target::SETTLING;
use crate::drive::Sockets;
use crate::launch::{Instance, Launcher};
use crate::probe;
use crate::socket::PeerSocket;

/// One process of an implementation that several scenarios use at the same time. When it dies it is
/// started again for those that come after.
#[derive(Debug)]
pub(super) struct Group {
    launcher: Arc<Launcher>,
    protocol: &'static Protocol,
    pub(super) needs: Needs,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    instance: Option<Instance>,
    generation: u64,
    /// Scenarios that use a process, by its generation and their own number, and when each sent its
    /// last datagram.
    users: BTreeMap<(u64, u64), Arc<AtomicU64>>,
    next: u64,
    /// The user after whose datagram a process died, by generation.
    killers: BTreeMap<u64, u64>,
    /// The socket to which the process may still send what it was asked for.
    probe: Option<PeerSocket>,
    left: Vec<Sockets>,
}

/// A scenario's share in the process.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) instance: Instance,
    /// When the scenario sent its last datagram, as nanoseconds of the time of day.
    pub(super) last_sent: Arc<AtomicU64>,
    generation: u64,
    user: u64,
}

impl Group {
    pub(super) fn new(launcher: Arc<Launcher>, protocol: &'static Protocol, needs: Needs) -> Self {
        Self {
            launcher,
            protocol,
            needs,
            state: Mutex::default(),
        }
    }

    /// A share in the process, which is started and asked whether it is there if need be.
    ///
    /// # Errors
    /// A human-readable error if it cannot be started or does not answer.
    pub(super) async fn enter(&self) -> Result<Lease, String> {
        let mut state = self.state.lock().await;
        let instance = match &state.instance {
            Some(instance) if !instance.has_ended() => instance.clone(),
            Some(_) | None => {
                state.instance = None;
                state.generation += 1;
                state.left.clear();
                let (instance, probe) = self.start(state.generation).await?;
                state.probe = probe;
                state.instance = Some(instance.clone());
                instance
            }
        };
        let last_sent = Arc::new(AtomicU64::new(0));
        state.next += 1;
        let user = state.next;
        let generation = state.generation;
        state
            .users
            .insert((generation, user), Arc::clone(&last_sent));
        Ok(Lease {
            instance,
            last_sent,
            generation,
            user,
        })
    }

    /// Gives a share back. If the process `died`, returns whether it was after a datagram of this
    /// scenario: no other scenario that shares the process sent one later.
    pub(super) async fn leave(&self, lease: &Lease, died: bool) -> bool {
        let mut state = self.state.lock().await;
        let Lease {
            generation, user, ..
        } = *lease;
        if died {
            if state.generation == generation {
                // It may hang; it is not reused.
                state.instance = None;
            }
            let users = state.users.range((generation, 0)..=(generation, u64::MAX));
            let last = users.max_by_key(|(_, sent)| sent.load(Ordering::Relaxed));
            let last = last.map_or(user, |((_, user), _)| *user);
            state.killers.entry(generation).or_insert(last);
        }
        state.users.remove(&(generation, user));
        died && state.killers.get(&generation) == Some(&user)
    }

    pub(super) async fn stop(&self) {
        let instance = self.state.lock().await.instance.take();
        if let Some(process) = instance.and_then(|instance| instance.process) {
            process.stop().await;
        }
    }

    /// Keeps the sockets of a scenario that is over as long as the process may send to them.
    pub(super) async fn keep(&self, sockets: Sockets) {
        self.state.lock().await.left.push(sockets);
    }

    async fn start(&self, turn: u64) -> Result<(Instance, Option<PeerSocket>), String> {
        let instance = self.launch().await?;
        let seed = (self.launcher.seed, turn);
        let asked = probe::responder(
            self.protocol,
            &self.needs.mode,
            &instance,
            self.launcher.first_tries(&self.needs),
            seed,
        );
        let probe = match asked.await {
            Ok(probe) => probe,
            // It dies of the question: the scenario shall meet one that lives.
            Err(silent) if silent.ended_after.is_some() => return Ok((self.launch().await?, None)),
            Err(silent) => return Err(silent.to_string()),
        };
        if self.protocol.serves_one {
            sleep(SETTLING).await;
        }
        Ok((instance, Some(probe)))
    }

    async fn launch(&self) -> Result<Instance, String> {
        let launched = self.launcher.responder(&self.needs).await;
        launched.map_err(|error| error.to_string())
    }
}
