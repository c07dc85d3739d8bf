use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How much is kept besides what the stream itself needs: packets, and bytes of payload.
const SPARE: (u64, u64) = (100_000, 64 << 20);

/// Records the datagrams of one scenario as they leave and arrive.
#[derive(Debug)]
pub struct Recorder {
    packets: Vec<RecordedPacket>,
    comments: BTreeMap<u64, Vec<String>>,
    bytes: u64,
    most_packets: u64,
    most_bytes: u64,
    full: bool,
}

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPacket {
    /// When, since the scenario began.
    pub at: Duration,
    /// Source of the datagram.
    pub source: SocketAddr,
    /// Destination of the datagram.
    pub destination: SocketAddr,
    /// The UDP payload.
    pub payload: Vec<u8>,
}

/// All datagrams of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// In the order in which they passed; the first is packet 1.
    pub packets: Vec<RecordedPacket>,
    /// Comments by packet number.
    pub comments: BTreeMap<u64, Vec<String>>,
    /// Whether more passed than is kept.
    pub cut: bool,
}

impl Recorder {
    /// A recorder for a scenario in which the stream may need this many packets and bytes.
    #[must_use]
    pub fn new(packets: u64, bytes: u64) -> Self {
        Self {
            packets: Vec::new(),
            comments: BTreeMap::new(),
            bytes: 0,
            most_packets: packets.saturating_add(SPARE.0),
            most_bytes: bytes.saturating_add(SPARE.1),
            full: false,
        }
    }

    /// Records a datagram and gives it its number, from 1; `None` if no more is kept. Times never
    /// fall: a datagram that is read after a later one was sent stands after it.
    pub fn record(
        &mut self,
        at: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Option<u64> {
        let length = payload.len() as u64;
        self.full |= self.count() >= self.most_packets || self.bytes + length > self.most_bytes;
        if self.full {
            return None;
        }
        self.bytes += length;
        let at = self.packets.last().map_or(at, |last| last.at.max(at));
        self.packets.push(RecordedPacket {
            at,
            source,
            destination,
            payload: payload.to_vec(),
        });
        Some(self.count())
    }

    /// Adds a comment to a packet.
    pub fn comment(&mut self, packet: u64, text: String) {
        self.comments.entry(packet).or_default().push(text);
    }

    /// Packets so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Whether something was not kept because it was too much.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Everything.
    #[must_use]
    pub fn finish(self) -> Recorded {
        Recorded {
            packets: self.packets,
            comments: self.comments,
            cut: self.full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn packets_are_numbered_from_1_and_their_times_never_fall() {
        let mut recorder = Recorder::new(0, 0);
        let times = [5, 3, 9].map(Duration::from_millis);
        let numbers = times.map(|at| recorder.record(at, address(1), address(2), b"x"));
        assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
        let at: Vec<_> = recorder
            .finish()
            .packets
            .iter()
            .map(|p| p.at.as_millis())
            .collect();
        assert_eq!(at, [5, 5, 9]);
    }

    #[test]
    fn past_its_limit_nothing_is_kept_and_that_is_told() {
        let mut recorder = Recorder::new(0, 0);
        let large = vec![0; 65_000];
        let mut last = Some(0);
        for _ in 0..2_000 {
            last = recorder.record(Duration::ZERO, address(1), address(2), &large);
        }
        assert_eq!(last, None);
        let recorded = recorder.finish();
        assert!(recorded.cut);
        assert_eq!(recorded.packets.len() as u64, SPARE.1 / 65_000);
    }
}
