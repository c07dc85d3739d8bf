use std::sync::Arc;

use shakedown_engine::iut::{Iut, Per, Start};
use shakedown_engine::scenario::Needs;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

use crate::launch::Launcher;
use crate::probe;
use crate::socket::PeerSocket;

/// An implementation under test.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) protocol: &'static Protocol,
    pub(super) launcher: Arc<Launcher>,
    pub(super) is_full: bool,
}

impl Target {
    /// The role that speaks first: such an implementation comes to us.
    pub(super) fn asks(&self) -> Role {
        self.protocol
            .roles
            .first()
            .copied()
            .unwrap_or(Role::Initiator)
    }

    pub(super) fn iut(&self) -> &Iut {
        &self.launcher.iut
    }

    pub(super) fn is_shared(&self) -> bool {
        let per_run = |start: &Start| start.per == Per::Run;
        self.iut().role != self.asks() && self.iut().start.as_ref().is_some_and(per_run)
    }

    /// Whether it is there and answers, started as `needs` say; else a sentence for people.
    pub(super) async fn probe(&self, needs: &Needs, turn: (u64, u64)) -> Result<(), String> {
        if needs.role == self.asks() {
            let socket = PeerSocket::bind(([127, 0, 0, 1], 0).into());
            let socket = socket.map_err(|error| format!("no UDP socket can be opened: {error}"))?;
            let instance = self.launcher.initiator(needs, socket.local());
            let instance = instance.map_err(|error| error.to_string())?;
            let asked = probe::initiator(&socket, &instance).await;
            if let Some(process) = &instance.process {
                process.stop().await;
            }
            return asked.map_err(|silent| silent.to_string());
        }
        let instance = self.launcher.responder(needs).await;
        let instance = instance.map_err(|error| error.to_string())?;
        let mode = &needs.mode;
        let asked =
            probe::responder(self.protocol, mode, &instance, probe::FIRST_TRIES, turn).await;
        if let Some(process) = &instance.process {
            process.stop().await;
        }
        asked.map(drop).map_err(|silent| silent.to_string())
    }
}
