//! A question that an implementation answers at once, to know that it has read what was sent before.

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

/// How often the question must be answered at once before it is relied upon.
const TRIES: usize = 5;
/// What "at once" is.
const AT_ONCE: Duration = Duration::from_millis(200);
/// How much quicker than media an answer must be, in the middle.
const QUICK: Duration = Duration::from_millis(4);

/// Opens a socket of the scripted peer.
pub(super) fn open(ip: IpAddr) -> io::Result<Socket> {
    bind_peer(|port| socket::bind(SocketAddr::new(ip, port)))
}

/// The frame by which an initiator begins, asked again and again from one socket.
#[derive(Debug)]
pub(super) struct Question {
    socket: Socket,
    bytes: Vec<u8>,
    /// Questions without an answer, and how many of them were asked before something else was sent.
    open: u32,
    stale: u32,
}

/// What came to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    None,
    /// An answer to a question that was asked too early.
    Stale,
    /// All that was sent before has been read.
    Fresh,
}

impl Question {
    /// A question to whoever is at `address`; `None` if there is none that it answers at once however
    /// often it is asked.
    ///
    /// # Errors
    /// The system's, if there is no socket.
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
        // The system tells then that nobody is there.
        socket.connect(&address.into())?;
        let mut question = Self {
            socket,
            bytes,
            open: 0,
            stale: 0,
        };
        let mut took = Vec::new();
        for _ in 0..TRIES {
            let begun = Instant::now();
            question.ask();
            while question.reply() != Reply::Fresh {
                if begun.elapsed() > AT_ONCE {
                    return Ok(None);
                }
                let mut ready = [PollFd::new(question.fd(), PollFlags::POLLIN)];
                poll(&mut ready, PollTimeout::from(20_u8)).map_err(io::Error::from)?;
            }
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        let middle = took.get(took.len() / 2).copied().unwrap_or_default();
        Ok((middle < QUICK).then_some(question))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn ask(&mut self) {
        // What does not leave is not answered, and is asked again.
        let _ = self.socket.send(&self.bytes);
        self.open += 1;
    }

    /// What was not answered by now is lost.
    pub(super) const fn renew(&mut self) {
        self.open = 0;
        self.stale = 0;
    }

    /// Something else was sent: answers to what was asked before say nothing of it.
    pub(super) const fn forget(&mut self) {
        self.stale = self.open;
    }

    /// What came, if anything did.
    pub(super) fn reply(&mut self) -> Reply {
        let mut reply = Reply::None;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 2_048];
        while self.socket.recv(&mut buffer).is_ok() {
            self.open = self.open.saturating_sub(1);
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
