//! A probe that an implementation answers at once: its response shows that what was sent before was read.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shakedown_protocol::Protocol;
use socket2::Socket;

use crate::ports::bind_peer;
use crate::probe::{fresh_id, local_address_for};
use crate::socket;

/// Probes that must be answered in time before they are used.
const TRIALS: usize = 5;
/// Longest response time of a trial.
const TRIAL_TIMEOUT: Duration = Duration::from_millis(200);
/// Longest median response time: media may come this often.
const MAX_MEDIAN: Duration = Duration::from_millis(4);

/// Opens a non-blocking socket of the scripted peer.
pub(super) fn open(ip: IpAddr) -> io::Result<Socket> {
    bind_peer(|port| socket::bind(SocketAddr::new(ip, port)))
}

/// The first frame of an initiator, sent repeatedly from one socket.
#[derive(Debug)]
pub(super) struct Probe {
    socket: Socket,
    bytes: Vec<u8>,
    /// Probes without a response, and how many of them were sent before other datagrams.
    outstanding: u32,
    stale: u32,
}

/// The result of polling for a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    None,
    /// A response to a probe that was sent before other datagrams.
    Stale,
    /// All that was sent before was read.
    Fresh,
}

impl Probe {
    /// A probe for the implementation at `address`; `None` if it does not answer each at once.
    ///
    /// # Errors
    /// The system's, if no socket can be opened.
    pub(super) fn find(
        protocol: &Protocol,
        mode: &str,
        address: SocketAddr,
        seed: u64,
    ) -> io::Result<Option<Self>> {
        let hello = protocol
            .hello
            .and_then(|hello| hello(mode, &fresh_id(seed, 0)));
        let encoded =
            hello.and_then(|(frame, fields)| protocol.vocabulary.encode(frame, &fields).ok());
        let Some(bytes) = encoded else {
            return Ok(None);
        };
        let socket = open(local_address_for(address)?)?;
        // A connected socket reports ICMP errors.
        socket.connect(&address.into())?;
        let mut probe = Self {
            socket,
            bytes,
            outstanding: 0,
            stale: 0,
        };
        let mut times = Vec::new();
        for _ in 0..TRIALS {
            let begun = Instant::now();
            probe.send();
            while probe.reply() != Reply::Fresh {
                if begun.elapsed() > TRIAL_TIMEOUT {
                    return Ok(None);
                }
                let mut ready = [PollFd::new(probe.fd(), PollFlags::POLLIN)];
                poll(&mut ready, PollTimeout::from(20_u8)).map_err(io::Error::from)?;
            }
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok((median < MAX_MEDIAN).then_some(probe))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn send(&mut self) {
        // A probe that is not sent gets no response, and is repeated.
        let _ = self.socket.send(&self.bytes);
        self.outstanding += 1;
    }

    /// Counts outstanding probes as lost.
    pub(super) const fn reset(&mut self) {
        self.outstanding = 0;
        self.stale = 0;
    }

    /// Other datagrams were sent: responses to earlier probes do not show that these were read.
    pub(super) const fn mark_stale(&mut self) {
        self.stale = self.outstanding;
    }

    /// Reads responses.
    pub(super) fn reply(&mut self) -> Reply {
        let mut reply = Reply::None;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 2_048];
        while self.socket.recv(&mut buffer).is_ok() {
            self.outstanding = self.outstanding.saturating_sub(1);
            if self.stale > 0 {
                self.stale -= 1;
                reply = Reply::Stale;
            } else {
                reply = Reply::Fresh;
            }
        }
        reply
    }
}
