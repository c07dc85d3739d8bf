//! QUIC in captures: its packets decrypted, and what they show given to monitors.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::quic::{Decoder, Event, Limits};
use shakedown_capture::{Capture, CaptureError, Datagram, Item};
use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Observation, StreamMonitor, UnjudgedConnection};

/// Most addresses that are known to speak QUIC; packets of further ones with short headers are not
/// read.
const MOST_ADDRESSES: usize = 65_536;

/// Reads the QUIC of a capture and shows it to monitors.
pub(crate) struct Quic {
    decoder: Decoder,
    monitors: Monitors,
    filter: Filter,
}

type Monitors = Vec<(&'static Protocol, Box<dyn StreamMonitor>)>;

/// Receives a monitor's observations.
type ObservationSink<'h> = &'h mut dyn FnMut(&'static Protocol, Observation);

/// Says which datagrams may be QUIC's: those that begin a connection, and those of addresses that
/// one was begun between.
#[derive(Debug, Default)]
pub struct Filter {
    addresses: BTreeSet<SocketAddr>,
}

impl Filter {
    /// Whether this datagram may be of QUIC version 1.
    #[inline]
    pub fn passes(&mut self, datagram: &Datagram<'_>) -> bool {
        if let [first, 0, 0, 0, 1, ..] = datagram.payload
            && first & 0x80 != 0
        {
            self.learn(datagram);
            return true;
        }
        !self.addresses.is_empty() && self.is_known(datagram)
    }

    fn is_known(&self, datagram: &Datagram<'_>) -> bool {
        let known = |address| self.addresses.contains(address);
        known(&datagram.source) || known(&datagram.destination)
    }

    fn learn(&mut self, datagram: &Datagram<'_>) {
        if self.addresses.len() < MOST_ADDRESSES {
            self.addresses.insert(datagram.source);
            self.addresses.insert(datagram.destination);
        }
    }
}

impl Quic {
    /// Knows the secrets of a key log that lies beside the capture; it may be empty.
    pub(crate) fn new(monitors: Monitors, key_log: &[u8]) -> Self {
        let mut decoder = Decoder::new(Limits::default());
        decoder.add_secrets(key_log, &mut |_| {});
        Self {
            decoder,
            monitors,
            filter: Filter::default(),
        }
    }

    pub(crate) fn key_log(&mut self, key_log: &[u8], emit: ObservationSink<'_>) {
        let mut tell = show(&mut self.monitors, emit);
        self.decoder.add_secrets(key_log, &mut tell);
    }

    #[inline]
    pub(crate) fn datagram(&mut self, datagram: &Datagram<'_>, emit: ObservationSink<'_>) {
        if self.filter.passes(datagram) {
            let mut tell = show(&mut self.monitors, emit);
            self.decoder.datagram(datagram, &mut tell);
        }
    }

    /// The capture is over at `end`. The result are the connections of which a side could not be read.
    pub(crate) fn finish(
        mut self,
        end: Duration,
        emit: ObservationSink<'_>,
    ) -> BTreeMap<UnjudgedConnection, u64> {
        self.decoder.finish(&mut show(&mut self.monitors, emit));
        let mut unjudged = BTreeMap::new();
        for (protocol, monitor) in &mut self.monitors {
            monitor.finish(end, &mut |observation| emit(protocol, observation));
            unjudged.extend(monitor.unjudged().clone());
        }
        unjudged
    }
}

/// Passes the QUIC events of a capture to `emit`, decrypted with the secrets of the capture and
/// those of a key log.
///
/// # Errors
/// [`CaptureError`] where the capture cannot be read; earlier events were passed on.
pub(crate) fn each_event<R: Read>(
    source: R,
    key_log: &[u8],
    emit: &mut dyn FnMut(&Event<'_>),
) -> Result<(), CaptureError> {
    let mut capture = Capture::open(source)?;
    let mut decoder = Decoder::new(Limits::default());
    let mut filter = Filter::default();
    decoder.add_secrets(key_log, emit);
    while let Some(item) = capture.next_item()? {
        match item {
            Item::KeyLog(key_log) => decoder.add_secrets(key_log, emit),
            Item::Datagram(datagram) if filter.passes(&datagram) => {
                decoder.datagram(&datagram, emit);
            }
            Item::Datagram(_) => {}
        }
    }
    decoder.finish(emit);
    Ok(())
}

fn show(monitors: &mut Monitors, emit: ObservationSink<'_>) -> impl FnMut(&Event<'_>) {
    move |event| {
        for (protocol, monitor) in &mut *monitors {
            monitor.event(event, &mut |observation| emit(protocol, observation));
        }
    }
}
