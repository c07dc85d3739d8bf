//! How a waiting step takes what arrives.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Activity, DatagramScript};
use shakedown_protocol::media::Piece;

use crate::script::Failure;
use crate::script::inbox::Arrival;
use crate::script::wait::{Awaited, End, Offer};
use crate::script::waiting::{Waiter, Waiting};

impl DatagramScript {
    /// Gives arrivals, the end of the process and the end of the time to a waiting step, in the
    /// order in which they happened.
    pub(super) fn wait(
        &mut self,
        now: Duration,
        mut waiting: Waiting<dyn Awaited>,
    ) -> Option<Activity> {
        loop {
            let mut sockets: Vec<_> = waiting
                .waiters
                .iter()
                .flat_map(|waiter| waiter.awaited.sockets().to_vec())
                .collect();
            sockets.sort_unstable();
            sockets.dedup();
            let arrival = self.inbox.oldest(&sockets).cloned();
            let exit = self.execution.exited.filter(|_| {
                waiting
                    .waiters
                    .iter()
                    .any(|waiter| waiter.awaited.wants_exit())
            });
            let arrived = arrival.as_ref().map(|arrival| arrival.at);
            let next = arrived.into_iter().chain(exit.map(|(at, _)| at)).min();
            if arrival.is_none()
                && let Some((socket, missing)) = self.inbox.missing(&sockets)
            {
                let place = self.context.place(socket);
                self.execution.inconclusive(format!(
                    "so much waited unread{place} that {missing} datagrams were not kept, and \
                     what they were cannot be judged"
                ));
                return None;
            }
            let over = |waiter: &Waiter<dyn Awaited>| match next {
                Some(at) => waiter.awaited.is_over_at(at),
                None => now >= waiter.awaited.due(),
            };
            let over = waiting
                .waiters
                .iter()
                .enumerate()
                .filter(|(_, waiter)| over(waiter));
            let over = over
                .min_by_key(|(_, waiter)| waiter.awaited.due())
                .map(|(n, _)| n);
            if let Some(n) = over {
                let Waiter { op, awaited, .. } = &waiting.waiters[n];
                let end = awaited.end(&op.judge(&self.context), arrival.as_ref());
                if self.ended(&mut waiting, n, end) {
                    return None;
                }
                continue;
            }
            match (arrival, exit) {
                (Some(arrival), exit) if exit.is_none_or(|(at, _)| arrival.at <= at) => {
                    if self.offer(&mut waiting, &arrival) {
                        return None;
                    }
                }
                (_, Some((at, code))) => {
                    let n = waiting
                        .waiters
                        .iter()
                        .position(|waiter| waiter.awaited.wants_exit())
                        .unwrap_or(0);
                    let Waiter { op, awaited, .. } = &waiting.waiters[n];
                    let end = awaited.exited(&op.judge(&self.context), at, code);
                    if self.ended(&mut waiting, n, end) {
                        return None;
                    }
                }
                (Some(_) | None, None) => return Some(Activity::Waiting(waiting)),
            }
        }
    }

    /// Offers an arrival to each of the steps that wait. `true` if nothing waits any more.
    pub(super) fn offer(&mut self, waiting: &mut Waiting<dyn Awaited>, arrival: &Arrival) -> bool {
        let decoded = self.context.decode(&arrival.payload);
        let piece = self.context.piece(arrival, &decoded);
        if piece.is_some() {
            self.first_media.get_or_insert(arrival.at);
        }
        let seen = self.context.media.entry(arrival.socket).or_default();
        if piece.is_some_and(|piece| seen.takes_rest(&piece)) {
            self.inbox.take(arrival.socket);
            return false;
        }
        let mut ignored = None;
        let mut n = 0;
        while n < waiting.waiters.len() {
            let Waiter { op, awaited, .. } = &mut waiting.waiters[n];
            let offer = match awaited.sockets().contains(&arrival.socket) {
                true => awaited.offer(&op.judge(&self.context), arrival, &decoded),
                false => Offer::Elsewhere,
            };
            match offer {
                Offer::Elsewhere => n += 1,
                Offer::Ignored(frame) => {
                    ignored = Some(frame);
                    n += 1;
                }
                Offer::Taken { done, bound } => {
                    self.inbox.take(arrival.socket);
                    let waiter = waiting.waiters.swap_remove(n);
                    self.taken(waiting, waiter, arrival, bound, done);
                    self.saw(arrival, piece);
                    return done;
                }
                Offer::Failed(_) if self.execution.is_tolerant() => {
                    ignored = ignored.or(decoded.frame).or(Some("what is no frame"));
                    n += 1;
                }
                Offer::Failed(failure) => {
                    if self.out(waiting, n, failure) {
                        return true;
                    }
                }
                Offer::Broken(why) => {
                    self.execution.error(why);
                    return true;
                }
            }
        }
        if let Some(frame) = ignored {
            self.inbox.take(arrival.socket);
            *self.execution.ignored.entry(frame.to_owned()).or_default() += 1;
            self.saw(arrival, piece);
        }
        false
    }

    pub(super) fn saw(&mut self, arrival: &Arrival, piece: Option<Piece>) {
        if let Some(piece) = piece {
            self.context
                .media
                .entry(arrival.socket)
                .or_default()
                .saw(piece.number);
        }
    }

    pub(super) fn taken(
        &mut self,
        waiting: &mut Waiting<dyn Awaited>,
        waiter: Waiter<dyn Awaited>,
        arrival: &Arrival,
        bound: Vec<(String, Value)>,
        done: bool,
    ) {
        for (name, value) in bound {
            self.context.bindings.set(&name, value);
        }
        self.context
            .datagrams
            .insert(waiter.op.top, arrival.payload.clone());
        // A choice is made: go on in the branch.
        self.execution.next = waiter.op.index;
        if done {
            let (awaited, context) = (&waiter.awaited, &self.context);
            let text = self
                .execution
                .report(|| waiter.titled(&awaited.summary(&arrival.payload, context)));
            let seen = self.context.media.entry(arrival.socket).or_default();
            seen.completed(waiter.awaited.media_part());
            let (at, packet) = (arrival.at, arrival.packet);
            let opens = waiter.awaited.opens();
            self.context.due = opens.map_or(at, |opens| opens.min(at));
            self.execution.complete(&waiter.op, at, text, packet);
        } else {
            waiting.op = Arc::clone(&waiter.op);
            waiting.waiters = vec![waiter];
            waiting.out.clear();
        }
    }

    /// What became of waiter `n` by time or by the process's end. `true` if nothing waits any more.
    pub(super) fn ended(&mut self, waiting: &mut Waiting<dyn Awaited>, n: usize, end: End) -> bool {
        match end {
            End::Done(at, text) => {
                let waiter = waiting.waiters.swap_remove(n);
                self.execution.next = waiter.op.index;
                let text = waiter.titled(&text);
                let took = at.saturating_sub(self.execution.mark);
                self.context.due = self.context.due.saturating_add(took);
                self.execution.complete(&waiter.op, at, text, None);
                true
            }
            End::Failed(failure) => self.out(waiting, n, failure),
        }
    }

    /// Whether the step that failed would have passed over this arrival: it says nothing of what was
    /// waited for.
    pub(in crate::script) fn passes_over(&mut self, arrival: &Arrival) -> bool {
        let Some(Waiter { op, awaited, .. }) = &mut self.failed else {
            return false;
        };
        let is_elsewhere = !awaited.sockets().contains(&arrival.socket);
        let decoded = self.context.decode(&arrival.payload);
        let judge = op.judge(&self.context);
        is_elsewhere || matches!(awaited.offer(&judge, arrival, &decoded), Offer::Ignored(_))
    }

    /// Waiter `n` cannot be met any more. `true` if none is left, and the step failed.
    pub(super) fn out(
        &mut self,
        waiting: &mut Waiting<dyn Awaited>,
        n: usize,
        failure: Box<Failure>,
    ) -> bool {
        let waiter = waiting.give_up(n, failure);
        if !waiting.waiters.is_empty() {
            return false;
        }
        self.failed = Some(waiter);
        let out = std::mem::take(&mut waiting.out);
        self.execution.fail(&waiting.op, out);
        true
    }
}
