//! What the decoder tells of a capture.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shakedown_capture::quic::{
    CloseCode, Decoder, Event, EventKind, Limits, Lost, QuicStatistics, Role, TransportParameters,
    UnreadableReason, protocols,
};
use shakedown_capture::{Capture, Item};

use super::session::Recording;

/// A direction of a stream: its connection, its id, and who sends.
pub(crate) type Half = (u64, u64, Role);

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) opened: Vec<(SocketAddr, SocketAddr)>,
    pub(crate) streams: BTreeMap<Half, Vec<u8>>,
    pub(crate) fins: BTreeMap<Half, u64>,
    pub(crate) resets: BTreeMap<Half, (u64, u64)>,
    pub(crate) stops: BTreeMap<Half, u64>,
    pub(crate) lost: BTreeMap<Half, (u64, Lost)>,
    pub(crate) datagrams: Vec<(Role, Vec<u8>)>,
    pub(crate) closes: Vec<(u64, Role, CloseCode, Vec<u8>)>,
    pub(crate) unreadable: Vec<(Option<u64>, UnreadableReason)>,
    pub(crate) updates: Vec<(Role, u64)>,
    pub(crate) moves: Vec<(Role, SocketAddr, SocketAddr)>,
    pub(crate) offered: Vec<Vec<u8>>,
    pub(crate) hellos: usize,
    pub(crate) chosen: Vec<u8>,
    pub(crate) server_name: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) client_parameters: Option<TransportParameters>,
    pub(crate) server_parameters: Option<TransportParameters>,
    /// Names of everything else.
    pub(crate) others: Vec<String>,
    pub(crate) statistics: QuicStatistics,
}

impl Seen {
    pub(crate) fn of(recording: &Recording) -> Self {
        Self::of_file(&recording.pcapng(Some(0)), "", Limits::default())
    }

    /// Reads a capture, with a key log beside it.
    pub(crate) fn of_file(file: &[u8], key_log: &str, limits: Limits) -> Self {
        let mut seen = Self::default();
        let mut decoder = Decoder::new(limits);
        let mut tell = |event: &Event<'_>| seen.hear(event);
        decoder.add_secrets(key_log.as_bytes(), &mut tell);
        let mut capture = Capture::open(file).expect("a capture");
        while let Some(item) = capture.next_item().expect("undamaged") {
            match item {
                Item::KeyLog(key_log) => decoder.add_secrets(key_log, &mut tell),
                Item::Datagram(datagram) => decoder.datagram(&datagram, &mut tell),
            }
        }
        decoder.finish(&mut tell);
        assert_eq!(decoder.secrets().malformed(), 0);
        seen.statistics = *decoder.statistics();
        seen
    }

    fn hear(&mut self, event: &Event<'_>) {
        let connection = event.connection;
        let half = |stream, by| (connection.expect("of a connection"), stream, by);
        match event.kind {
            EventKind::ConnectionOpened { client, server, .. } => {
                self.opened.push((client, server));
                assert_eq!(connection, Some(self.opened.len() as u64));
            }
            EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            } => {
                let half = half(stream, by);
                assert!(!self.lost.contains_key(&half) && !self.fins.contains_key(&half));
                let all = self.streams.entry(half).or_default();
                assert_eq!(offset, all.len() as u64);
                assert!(!bytes.is_empty());
                all.extend_from_slice(bytes);
            }
            EventKind::StreamFin {
                stream,
                by,
                final_size,
            } => {
                let all = self.streams.entry(half(stream, by)).or_default();
                assert_eq!(final_size, all.len() as u64);
                assert_eq!(self.fins.insert(half(stream, by), final_size), None);
            }
            EventKind::StreamReset {
                stream,
                by,
                code,
                final_size,
            } => {
                self.resets.insert(half(stream, by), (code, final_size));
            }
            EventKind::StopSending { stream, by, code } => {
                self.stops.insert(half(stream, by), code);
            }
            EventKind::StreamLost {
                stream,
                by,
                offset,
                why,
            } => {
                let before = self.lost.insert(half(stream, by), (offset, why));
                assert_eq!(before, None);
            }
            EventKind::DatagramFrame { by, bytes } => self.datagrams.push((by, bytes.to_vec())),
            EventKind::ConnectionClosed { by, code, reason } => {
                let connection = connection.expect("of a connection");
                self.closes.push((connection, by, code, reason.to_vec()));
            }
            EventKind::Unreadable(it) => self.unreadable.push((connection, it.why)),
            EventKind::KeyUpdated { by, count } => self.updates.push((by, count)),
            EventKind::AddressChanged { by, from, to } => self.moves.push((by, from, to)),
            EventKind::ClientHello {
                alpn,
                server_name,
                parameters,
            } => {
                self.hellos += 1;
                let offered = alpn.into_iter().flat_map(protocols);
                self.offered = offered.map(<[u8]>::to_vec).collect();
                self.server_name = server_name.unwrap_or_default().to_vec();
                self.client_parameters = parameters.cloned();
            }
            EventKind::CipherSuite(suite) => self.suites.push(suite),
            EventKind::ServerHandshake { alpn, parameters } => {
                self.chosen = alpn.unwrap_or_default().to_vec();
                self.server_parameters = parameters.cloned();
            }
            EventKind::StreamOpened { .. }
            | EventKind::StreamFrame { .. }
            | EventKind::Flow { .. }
            | EventKind::Packet(_) => {}
            kind @ (EventKind::Retry
            | EventKind::VersionNegotiation { .. }
            | EventKind::HandshakeDone
            | EventKind::StatelessReset { .. }
            | EventKind::Malformed { .. }
            | EventKind::UnknownFrame { .. }
            | EventKind::Forgotten) => self.others.push(format!("{kind:?}")),
        }
    }

    /// All packets were read, each once.
    pub(crate) fn assert_all_read(&self) {
        assert_eq!(self.unreadable, [], "{}", self.statistics);
        assert_eq!(self.statistics.read, self.statistics.packets);
        assert_eq!(self.statistics.malformed, 0, "{:?}", self.others);
        assert_eq!(self.statistics.trailing_bytes, 0);
        assert!(self.lost.is_empty(), "{:?}", self.lost);
    }

    /// What was read of the streams is a beginning of what was sent.
    pub(crate) fn assert_beginning_of(&self, whole: &Self) {
        for (half, bytes) in &self.streams {
            let sent = whole.streams.get(half);
            let sent = sent.unwrap_or_else(|| panic!("{half:?} was never sent"));
            assert!(sent.starts_with(bytes), "{half:?}");
        }
        for (half, size) in &self.fins {
            assert_eq!(whole.fins.get(half), Some(size), "{half:?}");
        }
    }
}
