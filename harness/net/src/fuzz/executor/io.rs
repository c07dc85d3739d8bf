//! Sockets of a conversation: receiving, and performing the script's actions.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shakedown_engine::script::{Action, Input, SocketId};
use socket2::Socket;

use super::Executor;
use crate::drive::OTHER_LOOPBACK;
use crate::fuzz::liveness::{Probe, Reply, open};
use crate::socket;

/// Datagrams received from one socket before another is served.
const RECEIVE_BATCH: usize = 256;
/// Most datagrams that are kept as templates for mutation.
const MAX_TEMPLATES: usize = 24;

impl Executor<'_> {
    /// Waits up to `timeout` until a socket is readable. `true` if the probe was answered.
    pub(super) fn poll(&mut self, timeout: Duration) -> Result<bool> {
        let own = self.sockets.values().map(AsFd::as_fd);
        let probe = self.probe.as_deref().map(Probe::fd);
        let mut ready: Vec<_> = own
            .chain(probe)
            .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
            .collect();
        // Rounded up, so that the deadline has passed afterwards.
        let millis = u16::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        poll(&mut ready, PollTimeout::from(millis)).map_err(Error::from)?;
        let Some(probe) = self.probe.as_deref_mut() else {
            return Ok(false);
        };
        let is_answered = probe.reply() == Reply::Fresh;
        if is_answered {
            self.state.probing = None;
        }
        Ok(is_answered)
    }

    /// Passes received datagrams to the script. `true` if there were any.
    pub(super) fn receive(&mut self) -> Result<bool> {
        let mut received = false;
        let ids: Vec<_> = self.sockets.keys().copied().collect();
        for id in ids {
            for _ in 0..RECEIVE_BATCH {
                let Some(socket) = self.sockets.get(&id) else {
                    break;
                };
                let arrival =
                    match socket::read(socket.as_raw_fd(), &mut self.state.buffer, &self.clock) {
                        Ok(arrival) => arrival,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        // An ICMP error about an earlier datagram.
                        Err(_) => continue,
                    };
                received = true;
                if self.state.discards {
                    continue;
                }
                let local = socket.local_addr()?.as_socket();
                self.received(id, local, &arrival)?;
            }
        }
        Ok(received)
    }

    fn received(
        &mut self,
        id: SocketId,
        local: Option<SocketAddr>,
        arrival: &socket::Arrival,
    ) -> Result<()> {
        let now = self.clock.now();
        if let (Some(coverage), Some(local)) = (&mut self.coverage, local) {
            coverage.datagram(now, arrival.from, local, &arrival.payload);
        }
        let packet = local.and_then(|local| {
            let recorder = self.recorder.as_deref_mut()?;
            recorder.record(now, arrival.from, local, &arrival.payload)
        });
        let state = &mut self.state;
        let since_sent = state.last_sent.map(|sent| now.saturating_sub(sent));
        let time = since_sent.unwrap_or_default();
        if since_sent.is_some() && !std::mem::replace(&mut state.has_response, true) {
            self.slowest_response = self.slowest_response.max(time);
        }
        state.last_activity = now;
        state.last_received = now;
        state.datagrams_received += 1;
        let acknowledged = state.acknowledged;
        self.behaviour
            .response(self.vocabulary, &arrival.payload, time);
        let awaited = self.script.waits_until();
        self.handle(Input::Datagram {
            socket: id,
            from: arrival.from,
            payload: &arrival.payload,
            packet,
        })?;
        if let Some(since) = acknowledged.filter(|_| self.script.waits_until() != awaited) {
            self.longest_delay = self.longest_delay.max(now.saturating_sub(since));
        }
        Ok(())
    }

    pub(super) fn handle(&mut self, input: Input<'_>) -> Result<()> {
        self.script.handle(self.clock.now(), input);
        self.perform()
    }

    /// Performs the script's actions.
    pub(super) fn perform(&mut self) -> Result<()> {
        while let Some(action) = self.script.poll() {
            match action {
                Action::Open {
                    socket,
                    other_address,
                } => self.open(socket, other_address)?,
                Action::Close { socket } => drop(self.sockets.remove(&socket)),
                Action::Send {
                    tag,
                    socket,
                    to,
                    payload,
                } => {
                    let packet = self.send(socket, to, &payload)?;
                    self.script
                        .handle(self.clock.now(), Input::Sent { tag, packet });
                }
                Action::RestartIut { .. } => {
                    let why = "a step cannot restart the process while fuzzing";
                    self.script.handle(self.clock.now(), Input::Refused { why });
                }
                Action::Secrets(lines) => {
                    if let Some(recorder) = self.recorder.as_deref_mut() {
                        recorder.secrets(&lines);
                    }
                }
                Action::Comment { packet, text } => {
                    if let Some(recorder) = self.recorder.as_deref_mut() {
                        recorder.comment(packet, text);
                    }
                }
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        socket: SocketId,
        to: Option<SocketAddr>,
        payload: &[u8],
    ) -> Result<Option<u64>> {
        if socket == SocketId::MAIN && self.state.sent.len() < MAX_TEMPLATES {
            self.state.sent.push(payload.to_vec());
        }
        let (Some(socket), Some(to)) = (self.sockets.get(&socket), to.or(self.address)) else {
            return Ok(None);
        };
        let local = socket.local_addr()?.as_socket();
        // A datagram that the system refuses, such as one that is too large, is lost; the conversation goes on.
        let sent = socket.send_to(payload, &to.into()).is_ok();
        let now = self.clock.now();
        self.state.datagrams_sent += 1;
        self.state.last_sent = Some(now);
        self.state.has_response = false;
        self.state.last_activity = now;
        if let Some(probe) = self.probe.as_deref_mut() {
            probe.mark_stale();
        }
        if self.script.is_read().is_none() {
            self.state.probing = None;
        }
        if let (Some(coverage), Some(local)) = (&mut self.coverage, local) {
            coverage.datagram(now, local, to, payload);
        }
        Ok(local.filter(|_| sent).and_then(|local| {
            let recorder = self.recorder.as_deref_mut()?;
            recorder.record(now, local, to, payload)
        }))
    }

    fn open(&mut self, id: SocketId, other_address: bool) -> Result<()> {
        let main = self.sockets.get(&SocketId::MAIN);
        let main = main.map(Socket::local_addr).transpose()?;
        let Some(ip) = main.and_then(|main| main.as_socket()).map(|main| main.ip()) else {
            return Ok(());
        };
        let ip = match other_address && ip.is_loopback() && ip.is_ipv4() {
            true => OTHER_LOOPBACK,
            false => ip,
        };
        self.sockets.insert(id, open(ip)?);
        Ok(())
    }
}
