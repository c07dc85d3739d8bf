use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::counters::Counters;
use super::super::deviation::Deviation;
use super::super::outputs::Outputs;
use super::super::random::Random;
use super::super::receive::Part;
use super::super::responder::answer;
use super::super::settings::Settings;
use super::super::timers::Timers;
use super::Service;
use super::upload::Upload;
use crate::machine::{Failure, Input, Machine, Outcome, Output};
use crate::mediastream::frame::Frame;
use crate::mediastream::{Grammar, Mode};
use crate::requirement::Role;

/// Takes streams from the peers that the server gives it, by the receiving rules of section 4.
///
/// An upload begins with the name that is sent to the peer, and ends with its last frame or after a
/// buffer period without media. JOIN again is answered by the same name as long as no media came:
/// the first answer may be lost. Nothing else that a peer sends keeps its slot.
#[derive(Debug)]
pub(in super::super) struct Uploads {
    settings: Settings,
    grammar: Grammar,
    random: Random,
    uploads: BTreeMap<SocketAddr, Upload>,
    /// Those that are over, of a twin that does not forget them.
    kept: BTreeMap<SocketAddr, Upload>,
    timers: Timers,
    outputs: Outputs,
    counters: Counters,
    stopped: bool,
}

impl Uploads {
    pub(in super::super) fn new(settings: Settings) -> Self {
        Self {
            grammar: Grammar::new(Mode::Legacy, false).with_uploads(),
            // The ids of uploads are not those of streams.
            random: Random::new(settings.seed ^ u64::from_be_bytes(*b"uploads ")),
            uploads: BTreeMap::new(),
            kept: BTreeMap::new(),
            timers: Timers::default(),
            outputs: Outputs::default(),
            counters: Counters::default(),
            stopped: false,
            settings,
        }
    }

    fn receive(&mut self, now: Duration, from: SocketAddr, payload: &[u8]) {
        self.counters.received(payload);
        match self.grammar.classify(payload) {
            Err(rejection) => self.counters.rejected(&rejection), // MS-W-17
            Ok(Frame::Data(data)) => self.take_media(now, from, &data.into()),
            Ok(Frame::Fragment(mut part)) => {
                let length = part.payload.len() as u64;
                let is_end = part.fragment_offset.checked_add(length) == Some(part.total_length);
                if is_end && self.settings.lacks(Deviation::EndCompletes) {
                    (part.fragment_offset, part.total_length) = (0, length);
                }
                self.take_media(now, from, &part.into());
            }
            Ok(Frame::JoinToken) => self.on_join(from),
            Ok(
                frame @ (Frame::StartToken
                | Frame::Syn(_)
                | Frame::SynAck(_)
                | Frame::Ack(_)
                | Frame::Start(_)
                | Frame::StartAck(_)
                | Frame::StartConfirm(_)
                | Frame::Error(_)
                | Frame::ConnectionId(_)),
            ) => self.counters.unexpected(frame.name()), // MS-X-04
        }
    }

    fn on_join(&mut self, from: SocketAddr) {
        self.counters.unexpected("JOIN token"); // MS-X-04
        if self.settings.lacks(Deviation::JoinFlushes)
            && let Some(upload) = self.uploads.get_mut(&from)
        {
            *upload = Upload {
                armed: upload.armed,
                ..Upload::new(upload.begun, upload.id, &self.settings)
            };
        }
        if self.settings.lacks(Deviation::JoinRenames) {
            let id = self.random.connection_id();
            return self.send(from, answer::connection_id(&id));
        }
        let upload = self.uploads.get(&from);
        if let Some(upload) = upload.filter(|upload| upload.contact.is_none()) {
            let answer = answer::connection_id(&upload.id);
            self.send(from, answer);
        }
    }

    fn take_media(&mut self, now: Duration, from: SocketAddr, part: &Part<'_>) {
        let from = match self.uploads.keys().next() {
            Some(first) if self.settings.lacks(Deviation::FirstUploadTakes) => *first,
            Some(_) | None => from,
        };
        let Some(mut upload) = self.take(from) else {
            self.counters.unexpected("data");
            return;
        };
        if upload.contact.is_none() {
            let waited = now.saturating_sub(upload.begun);
            self.counters.time_to_first_media.add(waited);
            self.outputs
                .transition(from, "Established", "Streaming", "the first media");
        }
        upload.contact = Some(now);
        if upload
            .receiver
            .receive(now, part, &mut self.counters)
            .is_some()
        {
            upload.frames += 1;
        }
        let is_over = upload.frames == self.settings.stream.frames();
        let outcome = match upload.receiver.damaged() {
            0 => Outcome::Completed,
            damaged => failed(
                "payload",
                format!("{damaged} datagrams of {from} did not carry the counter pattern"),
            ),
        };
        self.insert(from, upload);
        if is_over {
            self.close(from, "all frames are there", outcome);
        }
    }

    fn run_timers(&mut self, now: Duration) {
        while let Some(peer) = self.timers.take_due(now) {
            let Some(mut upload) = self.take(peer) else {
                continue;
            };
            upload.receiver.expire(now, &mut self.counters); // MS-R-05
            let is_silent = now >= upload.silent_at(&self.settings);
            let (there, period) = (upload.frames, self.settings.buffer_period);
            self.insert(peer, upload);
            if is_silent {
                let frames = self.settings.stream.frames();
                let message =
                    format!("{peer} was silent for {period:?}: {there} of {frames} frames arrived");
                self.close(peer, "silence", failed("lost_contact", message)); // MS-X-07
                if self.settings.lacks(Deviation::UploadsFailTogether) {
                    self.close_all("another upload failed");
                }
            }
        }
    }

    fn insert(&mut self, peer: SocketAddr, mut upload: Upload) {
        upload.armed = Some(upload.deadline(&self.settings));
        self.timers.change(peer, None, upload.armed);
        self.uploads.insert(peer, upload);
    }

    fn take(&mut self, peer: SocketAddr) -> Option<Upload> {
        let upload = self.uploads.remove(&peer)?;
        self.timers.change(peer, upload.armed, None);
        Some(upload)
    }

    fn close(&mut self, peer: SocketAddr, why: &'static str, outcome: Outcome) {
        if let Some(upload) = self.take(peer) {
            self.outputs.transition(peer, upload.state(), "Closed", why);
            self.outputs.end(peer, outcome);
            let twins = [Deviation::UploadsAreOne, Deviation::UploadIdsAreOne];
            if twins.iter().any(|twin| self.settings.without.has(*twin)) {
                self.kept.insert(peer, upload);
            }
        }
    }

    fn send(&mut self, to: SocketAddr, payload: Vec<u8>) {
        self.counters.sent(&payload);
        self.outputs.send(to, payload);
    }

    fn close_all(&mut self, why: &'static str) {
        while let Some((peer, _)) = self.uploads.first_key_value() {
            self.close(*peer, why, failed("stopped", why.to_owned()));
        }
    }

    fn stop(&mut self) {
        self.close_all("the server was stopped");
        self.timers.clear();
        self.stopped = true;
    }
}

impl Service for Uploads {
    fn open(&mut self, now: Duration, peer: SocketAddr) {
        if self.stopped || self.uploads.contains_key(&peer) {
            return;
        }
        self.counters.handshakes.attempted += 1;
        self.counters.handshakes.succeeded += 1;
        let mut upload = Upload::new(now, self.random.connection_id(), &self.settings);
        if let Some(before) = self.kept.remove(&peer) {
            upload.receiver = before.receiver; // not MS-D-09, MS-D-10
        }
        let answer = answer::connection_id(&upload.id);
        self.outputs
            .transition(peer, "Listen", upload.state(), "JOIN");
        self.insert(peer, upload);
        self.send(peer, answer);
    }

    fn serves(&self, peer: SocketAddr) -> bool {
        self.uploads.contains_key(&peer)
    }
}

impl Machine for Uploads {
    fn role(&self) -> Role {
        Role::Responder
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.stopped {
            return;
        }
        self.run_timers(now);
        match input {
            Input::Datagram { from, payload } => self.receive(now, from, payload),
            Input::Tick => {}
            Input::Stop => self.stop(),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    fn deadline(&self) -> Option<Duration> {
        self.timers.first()
    }

    fn is_finished(&self) -> bool {
        self.stopped
    }

    fn counters(&self) -> serde_json::Value {
        let mut json = self.settings.without.counted(&self.counters);
        json["sessions"] = self.uploads.len().into();
        json
    }
}

const fn failed(cause: &'static str, message: String) -> Outcome {
    Outcome::Failed(Failure { cause, message })
}
