//! After the script: waits for late responses, and closes what is open.

use std::time::Duration;

use shakedown_engine::script::{Input, ScriptOutcome};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::sockets::Received;
use super::{End, HEARTBEAT, ScenarioDriver, ended};

/// How long closes at the end may be retransmitted to a peer that continues.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

impl ScenarioDriver {
    /// Where a step got nothing in its window: waits for as long as the implementation was kept waiting
    /// in it. Returns how late something came then; an implementation that was only kept waiting responds now.
    pub(super) async fn linger(&mut self, end: &End) -> Option<Duration> {
        self.look();
        let End::Played(ScriptOutcome::Failed(failure)) = end else {
            return None;
        };
        if failure.packet.is_some() || failure.slack.is_none() {
            return None;
        }
        let was_there = self.ended.is_none();
        loop {
            let now = self.clock.now();
            let until = failure.time + self.busy.excused(failure.since, now);
            let pending = std::mem::take(&mut self.pending).into_iter();
            let (received, _) = self.sockets.drain(&self.clock);
            for Received {
                socket, arrival, ..
            } in pending.map(|(it, _)| it).chain(received)
            {
                let (at, script) = (arrival.at, &mut self.script);
                if at > failure.time && !script.passes_over(socket, at, &arrival.payload) {
                    return Some(at - failure.time);
                }
            }
            if now >= until {
                return None;
            }
            tokio::select! {
                () = self.sockets.readable() => {}
                _ = ended(self.instance.as_ref(), self.ended), if was_there => {
                    return Some(self.clock.now().saturating_sub(failure.time));
                }
                () = sleep_until(self.clock.instant(until.min(now + HEARTBEAT))) => self.look(),
            }
        }
    }

    /// Closes what is open, and waits until the peer has received it, for at most [`CLOSE_TIMEOUT`].
    pub(super) async fn close_gracefully(&mut self) {
        // Who wants an end now gets it after the first word.
        let (_, nobody) = watch::channel(false);
        let is_stopped = *std::mem::replace(&mut self.stop, nobody).borrow();
        self.limit = self.clock.now() + CLOSE_TIMEOUT;
        self.handle(Input::End, self.clock.now()).await;
        while !is_stopped && !self.script.is_quiet() && self.cut_off().is_none() {
            let now = self.clock.now();
            let more = self.drain().await;
            self.handle_pending().await;
            self.tick_until(now).await;
            if !more {
                self.wait().await;
            }
        }
    }
}
