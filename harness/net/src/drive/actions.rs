//! What the script wants done.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shakedown_engine::script::{Action, Input, SocketId};

use super::ScenarioDriver;

/// Lateness below this is usual for timers and is not reported.
const PUNCTUAL: Duration = Duration::from_millis(5);

impl ScenarioDriver {
    pub(super) async fn act(&mut self, action: Action) {
        match action {
            Action::Open {
                socket,
                other_address,
            } => match self.sockets.open(socket, other_address) {
                Ok(port) => self.capture.opened(port),
                Err(why) => self.refuse(&why),
            },
            Action::Close { socket } => self.sockets.close(socket),
            Action::Send {
                tag,
                socket,
                to,
                payload,
            } => self.send(tag, socket, to, &payload).await,
            Action::RestartIut { kill } => self.begin_restart(kill),
            Action::Comment { packet, text } => self.capture.comment(packet, text),
            Action::Secrets(lines) => self.capture.secrets(&lines),
        }
    }

    async fn send(&mut self, tag: u64, from: SocketId, to: Option<SocketAddr>, payload: &[u8]) {
        self.record_arrivals();
        let to = to
            .or_else(|| self.capture.relay_address())
            .or_else(|| self.instance.as_ref().and_then(|instance| instance.address));
        let (Some(socket), Some(to)) = (self.sockets.get(from), to) else {
            return self.refuse("the socket is not open, or there is no peer to send to");
        };
        let now = self.clock.now();
        match socket.send(payload, to).await {
            Ok(()) => {
                let packet = self.capture.note(now, socket.local(), to, payload);
                if self.ended.is_none() {
                    self.last_sent = packet.or(self.last_sent);
                }
                let wall = self.clock.wall(now).as_nanos();
                let wall = u64::try_from(wall).unwrap_or(u64::MAX);
                self.last_sent_at.store(wall, Ordering::Relaxed);
                // Its cause was at `last_input`.
                let reaction = now.saturating_sub(self.last_input);
                if reaction >= PUNCTUAL {
                    self.behind += reaction;
                }
                // It was sent at some time until now: a delay there is lateness too.
                let held_up = self.clock.now().saturating_sub(now);
                if held_up >= PUNCTUAL {
                    self.behind += held_up;
                }
                self.last_input = self.last_input.max(now);
                self.script
                    .handle(self.last_input, Input::Sent { tag, packet });
                if !self.behind.is_zero() {
                    self.lateness = self.lateness.max(self.behind);
                    self.busy.late(now + held_up, self.behind);
                    self.script
                        .handle(self.last_input, Input::Late(self.behind));
                }
            }
            Err(error) => {
                let why = format!("{} bytes could not be sent to {to}: {error}", payload.len());
                self.refuse(&why);
            }
        }
    }

    fn refuse(&mut self, why: &str) {
        self.last_input = self.last_input.max(self.clock.now());
        self.script.handle(self.last_input, Input::Refused { why });
    }

    fn begin_restart(&mut self, kill: bool) {
        let Some(instance) = self.instance.take() else {
            return self.refuse("the implementation is not there any more");
        };
        let restart = self.restart.clone();
        let gone = self.ended.take().map(|_| self.ended_at);
        self.stopped.push(gone.unwrap_or_else(|| self.clock.now()));
        self.pending_exit = None;
        self.restarting = Some(Box::pin(async move {
            restart
                .launcher
                .restart(instance, &restart.needs, kill)
                .await
        }));
    }

    pub(super) async fn note_lateness(&mut self, late: Duration) {
        if late < PUNCTUAL {
            return;
        }
        self.lateness = self.lateness.max(late);
        self.busy.late(self.clock.now(), late);
        self.handle(Input::Late(late), self.last_input).await;
    }
}
