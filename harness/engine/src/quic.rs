//! QUIC in captures: its packets decrypted, and what they show given to the monitor of `proton`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::Datagram;
use shakedown_capture::quic::{
    self, CloseCode, Decoder, EventKind, Flow, Level, Limits, Unreadable, Why,
};
use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Observation, StreamMonitor};
use shakedown_protocol::proton::ALPN;
use shakedown_protocol::proton::monitor::{Blind, Code, Event, Numbers, Unread, What};
use shakedown_protocol::requirement::Role;

use crate::judge::MonitorReport;

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

    /// Further secrets. `start` is the time of the capture's first datagram.
    pub(crate) fn key_log(
        &mut self,
        key_log: &[u8],
        start: Duration,
        hear: &mut dyn FnMut(MonitorReport<'_>),
    ) {
        let mut tell = show(&mut self.monitors, start, hear);
        self.decoder.add_secrets(key_log, &mut tell);
    }

    #[inline]
    pub(crate) fn datagram(
        &mut self,
        datagram: &Datagram<'_>,
        start: Duration,
        hear: &mut dyn FnMut(MonitorReport<'_>),
    ) {
        if self.filter.passes(datagram) {
            let mut tell = show(&mut self.monitors, start, hear);
            self.decoder.datagram(datagram, &mut tell);
        }
    }

    /// The capture is over. The result are the connections of which a side could not be read.
    pub(crate) fn finish(
        mut self,
        start: Duration,
        hear: &mut dyn FnMut(MonitorReport<'_>),
    ) -> BTreeMap<Blind, u64> {
        self.decoder
            .finish(&mut show(&mut self.monitors, start, hear));
        let mut blind = BTreeMap::new();
        for (protocol, monitor) in &mut self.monitors {
            monitor.finish(&mut |observation| hear(report(protocol, observation, start)));
            blind.extend(monitor.blind().clone());
        }
        blind
    }
}

/// Gives each event that is of a connection and means something to the monitors.
fn show(
    monitors: &mut Monitors,
    start: Duration,
    hear: &mut dyn FnMut(MonitorReport<'_>),
) -> impl FnMut(&quic::Event<'_>) {
    move |event| {
        let Some((connection, what)) = event.connection.zip(what(&event.kind)) else {
            return;
        };
        let event = Event {
            connection,
            number: event.at.number,
            time: event.at.time,
            what,
        };
        for (protocol, monitor) in &mut *monitors {
            monitor.event(&event, &mut |observation| {
                hear(report(protocol, observation, start));
            });
        }
    }
}

/// Packets are encrypted, and so say nothing to anybody: they do not go with what is said of them.
const fn report<'a>(
    protocol: &'static Protocol,
    observation: Observation,
    start: Duration,
) -> MonitorReport<'a> {
    MonitorReport {
        protocol,
        observation,
        payload: None,
        start,
    }
}

const fn role(role: quic::Role) -> Role {
    match role {
        quic::Role::Client => Role::Initiator,
        quic::Role::Server => Role::Responder,
    }
}

const fn unread(why: Why) -> Unread {
    match why {
        Why::NoSecrets => Unread::NoSecrets,
        Why::CannotDecrypt => Unread::WrongKeys,
        Why::NoHandshake
        | Why::UnsupportedSuite(_)
        | Why::UnknownConnection
        | Why::Cut
        | Why::OtherVersion(_)
        | Why::NotQuic
        | Why::EarlyDataRejected => Unread::Form,
    }
}

/// What a frame of flow control says of the bytes that may be sent.
const fn limit<'a>(by: Role, flow: Flow) -> Option<What<'a>> {
    let (raised, stream, limit) = match flow {
        Flow::MaxData(limit) => (true, None, limit),
        Flow::MaxStreamData { stream, maximum } => (true, Some(stream), maximum),
        Flow::DataBlocked(limit) => (false, None, limit),
        Flow::StreamDataBlocked { stream, limit } => (false, Some(stream), limit),
        Flow::MaxStreams { .. } | Flow::StreamsBlocked { .. } => return None,
    };
    Some(match raised {
        true => What::Raised { by, stream, limit },
        false => What::Blocked { by, stream, limit },
    })
}

fn what<'a>(kind: &EventKind<'a>) -> Option<What<'a>> {
    Some(match *kind {
        EventKind::ConnectionOpened { client, server, .. } => What::Opened { client, server },
        EventKind::ClientHello { alpn, .. } => What::Offered(
            alpn.is_some_and(|all| quic::protocols(all).any(|one| one == ALPN.as_bytes())),
        ),
        EventKind::ServerHandshake { alpn, .. } => What::Agreed(alpn),
        EventKind::StreamOpened {
            stream,
            by,
            unidirectional,
        } => What::Stream {
            stream,
            by: role(by),
            unidirectional,
        },
        EventKind::StreamBytes {
            stream, by, bytes, ..
        } => What::Bytes {
            stream,
            by: role(by),
            bytes,
        },
        EventKind::StreamFin { stream, by, .. } => What::Fin {
            stream,
            by: role(by),
        },
        EventKind::StreamReset { stream, by, .. } | EventKind::StopSending { stream, by, .. } => {
            What::Broken {
                stream,
                by: role(by),
            }
        }
        EventKind::StreamLost { stream, by, .. } => What::Lost {
            stream,
            by: role(by),
        },
        EventKind::DatagramFrame { by, .. } => What::Datagram { by: role(by) },
        EventKind::ConnectionClosed { by, code, .. } => What::Closed {
            by: role(by),
            code: match code {
                CloseCode::Application { code } => Code::Application(code),
                CloseCode::Transport { code, .. } => Code::Transport(code),
            },
        },
        EventKind::StatelessReset { by } => What::Closed {
            by: role(by),
            code: Code::StatelessReset,
        },
        EventKind::Packet {
            by,
            level,
            packet_number,
            ack_eliciting,
            acknowledges,
        } => What::Packet {
            by: role(by),
            numbers: matches!(level, Level::ZeroRtt | Level::OneRtt).then(|| Numbers {
                own: packet_number,
                ack_eliciting,
                acknowledged: acknowledges.map(|acknowledged| acknowledged.largest),
                unseen: acknowledges.is_some_and(|acknowledged| acknowledged.unseen),
            }),
        },
        EventKind::Flow { by, flow } => return limit(role(by), flow),
        EventKind::Unreadable(Unreadable { why, by, .. }) => What::Unreadable {
            by: by.map(role),
            why: unread(why),
        },
        EventKind::Malformed { by, .. } | EventKind::UnknownFrame { by, .. } => What::Unreadable {
            by: Some(role(by)),
            why: Unread::Form,
        },
        EventKind::Retry
        | EventKind::VersionNegotiation { .. }
        | EventKind::CipherSuite(_)
        | EventKind::HandshakeDone
        | EventKind::KeyUpdated { .. }
        | EventKind::AddressChanged { .. }
        | EventKind::Forgotten => return None,
    })
}
