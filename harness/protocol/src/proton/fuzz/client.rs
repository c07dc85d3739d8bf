use std::collections::VecDeque;
use std::time::Duration;

use super::plan::{Plan, Step, What};
use super::rig::{Rig, Stage};
use crate::proton::{Client, ClientSettings, Kind, News, OPERATION, Profile, Words};
use crate::streams::{ConnectionNumber, Input, OnStream, Output, StreamId, StreamMachine};

/// Plays a plan for the client and its owner. The bits of the options are pull, a first event near
/// the last id, and a wild owner (128).
pub(super) fn run(bytes: &[u8]) {
    let plan = Plan::read(bytes);
    let settings = ClientSettings {
        profile: match plan.is_on(1) {
            true => Profile::Pull,
            false => Profile::Push,
        },
        first_event: match plan.is_on(2) {
            true => u32::MAX - 2,
            false => 1,
        },
    };
    let mut rig = Rig::new(Client::new(settings), plan.is_on(128));
    let mut owner = Owner::default();
    for step in &plan.steps {
        let connection = ConnectionNumber(step.connection.into());
        let stream = StreamId(step.stream.into());
        let code = u64::from(step.number());
        let outputs = match step.what {
            What::Bytes => owner.says(&mut rig, connection, stream, step.bytes),
            What::Sense => {
                let bytes = owner.sense(stream, step);
                owner.says(&mut rig, connection, stream, &bytes)
            }
            What::Wait => rig.wait(step.time()),
            What::Deadline => rig.wait_for_deadline(),
            What::Asked => match plan.is_on(128) {
                true => rig.incoming(connection),
                false => Vec::new(),
            },
            What::Connected => rig.connected(connection),
            What::Opened => rig.on_stream(connection, stream, OnStream::Opened),
            What::Fin => rig.on_stream(connection, stream, OnStream::Fin),
            What::Reset => rig.on_stream(connection, stream, OnStream::Reset(code)),
            What::Stopped => rig.on_stream(connection, stream, OnStream::Stopped(code)),
            What::Written => rig.on_stream(connection, stream, OnStream::Written),
            What::Datagram => rig.datagram(connection, step.bytes),
            What::Closed => rig.closed(connection, step),
            What::Command => owner.command(&mut rig, step),
            What::Stop => {
                let outputs = rig.give(Input::Stop);
                assert!(rig.machine.is_finished(), "it goes on after a stop");
                outputs
            }
        };
        if !plan.is_on(128) {
            owner.check(&mut rig, &outputs);
        }
        while let Some(news) = rig.machine.take_news() {
            owner.hears(&news, plan.is_on(128));
        }
    }
    rig.check_counters();
    rig.give(Input::Stop);
    assert_eq!(rig.machine.deadline(), None, "it is over and waits");
}

/// What the owner asked for and waits for.
#[derive(Default)]
struct Owner {
    last_event: u32,
    events: VecDeque<(Duration, u32)>,
    commits: VecDeque<(Duration, u32)>,
    reads: VecDeque<Duration>,
    resets: bool,
    /// What the server said on the Event stream.
    acks: Words,
}

impl Owner {
    /// Bytes of the server; a wrong ack must end the connection (PR-E-03).
    fn says(
        &mut self,
        rig: &mut Rig<Client>,
        connection: ConnectionNumber,
        stream: StreamId,
        bytes: &[u8],
    ) -> Vec<Output> {
        let link = rig.links.get(&connection);
        let lane = link.and_then(|link| link.streams.get(&stream));
        let may_be = rig.has(connection, Stage::Connected)
            && lane.is_none_or(|lane| !lane.is_silent)
            && rig.machine.reads(connection, stream);
        let is_event = stream == StreamId::of_client(u64::from(self.resets));
        let mut is_wrong = false;
        if may_be && is_event {
            let mut due = self.events.iter().map(|(_, id)| *id);
            self.acks
                .take(bytes, |word| is_wrong |= due.next() != Some(word));
        }
        let outputs = rig.on_stream(connection, stream, OnStream::Bytes(bytes));
        let goes_on = rig
            .links
            .get(&connection)
            .is_some_and(|link| link.stage != Stage::Over);
        assert!(!(is_wrong && goes_on && !rig.is_wild), "PR-E-03: {bytes:?}");
        outputs
    }

    fn command(&mut self, rig: &mut Rig<Client>, step: &Step<'_>) -> Vec<Output> {
        let now = rig.now;
        match step.stream % 6 {
            0 | 1 => {
                let resets = step.stream % 6 == 1;
                if rig.machine.connect(resets).is_ok() {
                    self.resets = resets;
                    self.acks = Words::default();
                }
            }
            2 => {
                if let Ok(id) = rig.machine.send_event(now) {
                    assert!(id > self.last_event, "PR-E-04: {id}");
                    self.last_event = id;
                    self.events.push_back((now, id));
                }
            }
            3 => {
                if rig.machine.commit(now, step.number()).is_ok() {
                    self.commits.push_back((now, step.number()));
                }
            }
            4 => {
                if rig.machine.read_action(now).is_ok() {
                    self.reads.push_back(now);
                }
            }
            _ => {
                let had = rig.machine.has_connection();
                assert_eq!(rig.machine.close(now).is_ok(), had);
            }
        }
        rig.collect(0)
    }

    /// What a good server would say there.
    fn sense(&self, stream: StreamId, step: &Step<'_>) -> Vec<u8> {
        let place = (stream.0 >> 2).saturating_sub(u64::from(self.resets));
        let word = match place % 3 {
            0 => self.events.front().map(|(_, id)| *id),
            1 => self
                .commits
                .front()
                .map(|(_, request)| request.wrapping_mul(2)),
            _ => None,
        };
        word.unwrap_or(step.number()).to_le_bytes().to_vec()
    }

    fn hears(&mut self, news: &News, is_wild: bool) {
        match *news {
            News::Connected => {}
            News::Acked(id) => {
                let due = self.events.pop_front().map(|(_, id)| id);
                assert!(is_wild || due == Some(id), "{id} where {due:?} is due");
            }
            News::Committed { request, .. } => {
                let due = self.commits.pop_front().map(|(_, request)| request);
                assert!(
                    is_wild || due == Some(request),
                    "{request} where {due:?} is due"
                );
            }
            News::Item(_) => {
                let was_asked = self.reads.pop_front().is_some();
                assert!(is_wild || was_asked, "an item that nobody wants");
            }
            News::Closed { .. } => {
                self.events.clear();
                self.commits.clear();
                self.reads.clear();
            }
        }
    }

    fn check(&self, rig: &mut Rig<Client>, outputs: &[Output]) {
        let opened = outputs
            .iter()
            .filter(|output| matches!(output, Output::Open(..)));
        let most = Kind::ALL.len() + usize::from(self.resets);
        assert!(opened.count() <= most, "PR-S-01");
        let alive = rig.links.values().filter(|link| link.stage != Stage::Over);
        assert!(alive.count() <= 1, "a client has one connection");
        let event = self.events.front().map(|(at, _)| *at);
        let commit = self.commits.front().map(|(at, _)| *at);
        let oldest = [event, commit, self.reads.front().copied()];
        let oldest = oldest.into_iter().flatten().min();
        let waits =
            rig.machine.has_connection() && oldest.is_some_and(|at| at + OPERATION <= rig.now);
        // What was due at this very moment is done with the next tick.
        let is_due = rig.machine.deadline().is_some_and(|due| due <= rig.now);
        assert!(!waits || is_due, "PR-T-01: {oldest:?}");
    }
}
