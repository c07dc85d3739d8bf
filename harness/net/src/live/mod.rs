//! Live capture: the packets of a network interface as the kernel sees them.
//!
//! pnet binds the interface and receives. Before each packet is received it is peeked at for what
//! pnet does not expose: the kernel's time stamp, and how many packets the kernel dropped so far.
//! Without that a capture that lost packets would look like an implementation that did not send
//! them.

mod filter;
mod link;
mod pieces;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shakedown_capture::{CaptureWriter, DataLink, WriteError, WriterSettings};

use self::link::{Filter, Link};
use self::pieces::Pieces;

/// How long the end of a capture is waited for, at most.
const END: Duration = Duration::from_secs(2);
/// How long packets that come after the end are taken, at most.
const AFTERMATH: Duration = Duration::from_millis(100);
/// How long the thread sleeps at most before it looks whether it should end.
const NAP: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSettings {
    /// Name of the interface: `lo`.
    pub interface: String,
    /// UDP ports of which the packets are kept, as source or destination. With none, or with more
    /// than 32, all UDP is kept.
    pub ports: Vec<u16>,
    /// Bytes that the kernel keeps for us while we are not reading.
    pub buffer: usize,
    /// What the capture says of itself; its interface and link type come from the interface.
    pub writer: WriterSettings,
}

/// The loopback interface and all its UDP, with a buffer of 64 MiB: more than 20,000 datagrams of
/// 1,000 bytes, as the kernel counts their memory.
impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            interface: "lo".into(),
            ports: Vec::new(),
            buffer: 64 << 20,
            writer: WriterSettings::default(),
        }
    }
}

/// Why a live capture could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// This user may not. The tap records the same packets from our own sockets.
    #[error(
        "live capture on {interface} is not permitted: it needs the capability CAP_NET_RAW \
         (`sudo setcap cap_net_raw+ep` on the program); the tap needs none"
    )]
    NotPermitted { interface: String },
    /// There is no such interface.
    #[error("there is no interface {interface}; there are: {known}")]
    NoInterface {
        interface: String,
        /// Names of those that there are.
        known: String,
    },
    /// Packets of this interface are no Ethernet frames.
    #[error("live capture on {interface} is not supported: its packets are no Ethernet frames")]
    NotEthernet { interface: String },
    #[error("live capture on {interface} failed: {source}")]
    System {
        interface: String,
        source: io::Error,
    },
    /// The capture could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A running capture in its own thread. Dropped without [`LiveCapture::stop`], it
/// ends all the same.
pub struct LiveCapture<W> {
    thread: Option<JoinHandle<Result<CaptureResult<W>, LiveError>>>,
    ending: Arc<AtomicBool>,
    marker: Option<Marker>,
    filter: Filter,
    interface: String,
}

/// What a live capture saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveStatistics {
    /// Packets in the file.
    pub packets: u64,
    /// Packets that the kernel dropped because we did not read fast enough. A few of our own that
    /// mark the end may be among them.
    pub dropped: u64,
    /// Why more packets may be missing, in a sentence, if they may.
    pub problem: Option<String>,
}

impl LiveStatistics {
    /// Whether the file holds every packet. If not, what it lacks proves nothing: verdicts about
    /// the wire are inconclusive.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.dropped == 0 && self.problem.is_none()
    }
}

/// For people, in the report.
impl fmt::Display for LiveStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets", self.packets)?;
        if self.dropped > 0 {
            write!(f, ", {} dropped by the kernel", self.dropped)?;
        }
        if let Some(problem) = &self.problem {
            write!(f, "; {problem}")?;
        }
        Ok(())
    }
}

/// Whether a live capture could begin on this interface.
///
/// # Errors
/// [`LiveError`], if it could not.
pub fn probe(interface: &str) -> Result<(), LiveError> {
    Link::open(interface, &[], 1).map(drop)
}

/// What the thread leaves.
struct CaptureResult<W> {
    writer: CaptureWriter<W>,
    statistics: LiveStatistics,
}

/// A datagram that we send to ourselves: when it arrives, everything before has.
#[derive(Debug)]
struct Marker {
    socket: UdpSocket,
    port: u16,
}

impl<W: Write + Send + 'static> LiveCapture<W> {
    /// Begins. Every packet that passes the interface after this returns is captured, or counted
    /// as dropped.
    ///
    /// # Errors
    /// [`LiveError`]; `NotPermitted` is the one to be ready for.
    pub fn start(settings: &LiveSettings, writer: W) -> Result<Self, LiveError> {
        let interface = &settings.interface;
        let marker = Marker::new();
        let mut ports = settings.ports.clone();
        if let Some(marker) = &marker
            && !ports.is_empty()
        {
            ports.push(marker.port);
        }
        let link = Link::open(interface, &ports, settings.buffer)?;
        let filter = link
            .filter(&ports)
            .map_err(|source| link::refused(interface, source))?;
        let marker = marker.filter(|_| link.is_loopback());
        let settings = WriterSettings {
            interface: interface.clone(),
            link: DataLink::ETHERNET,
            ..settings.writer.clone()
        };
        let writer = CaptureWriter::new(writer, &settings)?;
        let ending = Arc::new(AtomicBool::new(false));
        let receiver = Receiver {
            link,
            writer,
            ending: Arc::clone(&ending),
            marker: marker.as_ref().map(|marker| marker.port),
            pieces: Pieces::default(),
            dropped: 0,
            problem: None,
            latest: Duration::ZERO,
        };
        let name = interface.clone();
        let thread = std::thread::Builder::new()
            .name("live capture".into())
            .spawn(move || receiver.run(name))
            .map_err(|source| LiveError::System {
                interface: interface.clone(),
                source,
            })?;
        Ok(Self {
            thread: Some(thread),
            ending,
            marker,
            filter,
            interface: interface.clone(),
        })
    }

    /// Keeps packets of one more port from now on; beyond 32 all UDP is kept.
    ///
    /// # Errors
    /// The system's; packets of this port are then not captured.
    pub fn watch(&mut self, port: u16) -> io::Result<()> {
        self.filter.add(port)
    }

    /// Ends, after every packet that passed before this call was read; gives the writer back.
    /// Takes 2 s at most.
    ///
    /// # Errors
    /// [`LiveError::System`] if receiving failed. The file is readable up to there.
    pub fn stop(mut self) -> Result<(W, LiveStatistics), LiveError> {
        self.ending.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else {
            return Err(self.broken());
        };
        // One may be lost where the buffer is full, and then the next is not.
        while !thread.is_finished() {
            if let Some(marker) = &self.marker {
                marker.send();
            }
            std::thread::park_timeout(NAP / 4);
        }
        let ended = thread.join().map_err(|_| self.broken())??;
        Ok((ended.writer.into_inner(), ended.statistics))
    }

    fn broken(&self) -> LiveError {
        LiveError::System {
            interface: self.interface.clone(),
            source: io::Error::other("the receiving thread is gone"),
        }
    }
}

impl<W> Drop for LiveCapture<W> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        if let Some(marker) = &self.marker {
            marker.send();
        }
    }
}

impl<W> fmt::Debug for LiveCapture<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCapture")
            .field("interface", &self.interface)
            .finish_non_exhaustive()
    }
}

struct Receiver<W> {
    link: Link,
    writer: CaptureWriter<W>,
    ending: Arc<AtomicBool>,
    /// Port of the marker, on loopback.
    marker: Option<u16>,
    pieces: Pieces,
    dropped: u64,
    problem: Option<String>,
    latest: Duration,
}

impl<W: Write> Receiver<W> {
    fn run(mut self, interface: String) -> Result<CaptureResult<W>, LiveError> {
        let failed = |source| LiveError::System {
            interface: interface.clone(),
            source,
        };
        // When the end was asked for, and until when packets are taken after it.
        let mut ending: Option<Instant> = None;
        let mut until: Option<Instant> = None;
        loop {
            if ending.is_none() && self.ending.load(Ordering::Acquire) {
                let now = Instant::now();
                ending = Some(now);
                if self.marker.is_none() {
                    until = Some(now + END);
                }
            }
            let nap = if until.is_some() { Duration::ZERO } else { NAP };
            let waiting = self.link.wait(nap).map_err(failed)?;
            if let Some(until) = until
                && (!waiting || Instant::now() > until)
            {
                break;
            }
            if let Some(ending) = ending
                && until.is_none()
                && ending.elapsed() > END
            {
                let problem = "the end of the capture was not seen";
                self.problem.get_or_insert_with(|| problem.into());
                break;
            }
            if !waiting {
                continue;
            }
            let (stamp, frame) = self.link.receive().map_err(failed)?;
            self.dropped = self.dropped.max(stamp.dropped);
            if self.marker.is_some_and(|port| is_beacon(frame, port)) {
                if until.is_none() && self.ending.load(Ordering::Acquire) {
                    until = Some(Instant::now() + AFTERMATH);
                }
                continue;
            }
            // Elsewhere than on loopback a later piece may come before the first.
            if self.marker.is_some() && !self.pieces.keep(frame) {
                continue;
            }
            // The system's clock may be set back; packets stay in their order.
            self.latest = self.latest.max(stamp.time);
            let written = self
                .writer
                .write_packet(self.latest, frame, frame.len(), &[]);
            if let Err(error) = written {
                self.problem.get_or_insert_with(|| error.to_string());
            }
        }
        let statistics = LiveStatistics {
            packets: self.writer.packets(),
            dropped: self.dropped,
            problem: self.problem,
        };
        Ok(CaptureResult {
            writer: self.writer,
            statistics,
        })
    }
}

impl Marker {
    /// Without IPv4 there is none, and the end of a capture is when nothing comes.
    fn new() -> Option<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = socket.local_addr().ok()?.port();
        Some(Self { socket, port })
    }

    /// If it cannot be sent, the end is not seen, which is reported.
    fn send(&self) {
        let _ = self.socket.send_to(&[], (Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Whether a frame is a marker: an empty datagram from this port of IPv4 loopback to itself. The
/// port is ours, so no other process sends one.
fn is_beacon(frame: &[u8], port: u16) -> bool {
    let [high, low] = port.to_be_bytes();
    frame.len() == 42 && frame[12..14] == [8, 0] && frame[34..38] == [high, low, high, low]
}
