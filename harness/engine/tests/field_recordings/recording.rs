//! A recording as a list of datagrams that can be taken apart and judged again.

use std::net::SocketAddr;
use std::ops::RangeBounds;
use std::path::PathBuf;
use std::time::Duration;

use shakedown_capture::{
    Capture, DataLink, Endianness, Packets, PcapFileWriter, PcapLayout, Tap, WriterSettings,
};
use shakedown_engine::check::{CheckSettings, check};
use shakedown_engine::event::{Event, SessionEvent};
use shakedown_protocol::monitor::Vantage;
use shakedown_protocol::requirement::Level;
use shakedown_protocol::{MonitorSettings, PROTOCOLS, StreamParameters};

#[derive(Debug, Clone)]
pub(crate) struct Recording {
    sent: Vec<Sent>,
    snap: Option<usize>,
}

#[derive(Debug, Clone)]
struct Sent {
    /// Seconds since 1970.
    time: f64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// The header of a data datagram.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) number: u64,
    pub(crate) qpc: u64,
    pub(crate) qpf: u64,
}

/// What a check told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) findings: Vec<String>,
    pub(crate) doubts: Vec<String>,
    pub(crate) sessions: Vec<SessionEvent>,
}

/// The stream that the programs were told to send.
pub(crate) fn stream(name: &str) -> StreamParameters {
    match name {
        "legacy-single" => StreamParameters {
            bits_per_second: 400_000,
            frames_per_second: 50,
            seconds: 2,
        },
        _ => StreamParameters {
            bits_per_second: 5_280_000,
            frames_per_second: 10,
            seconds: 1,
        },
    }
}

/// Both recordings side by side.
pub(crate) fn pair() -> Recording {
    let mut one = Recording::read("legacy-single");
    let mut other = Recording::read("legacy-split-frames");
    let shift = one.sent[0].time - other.sent[0].time;
    for sent in &mut other.sent {
        sent.time += shift;
    }
    one.sent.append(&mut other.sent);
    one.sent.sort_by(|a, b| a.time.total_cmp(&b.time));
    one
}

impl Recording {
    pub(crate) fn read(name: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let path = root
            .join("../../pcaps/field")
            .join(name)
            .with_extension("pcap");
        let file = std::fs::read(path).unwrap();
        let mut capture = Capture::open(&file[..]).unwrap();
        let mut sent = Vec::new();
        while let Some(datagram) = capture.next_datagram().unwrap() {
            sent.push(Sent {
                time: datagram.time.as_secs_f64(),
                from: datagram.source,
                to: datagram.destination,
                bytes: datagram.payload.to_vec(),
            });
        }
        Self { sent, snap: None }
    }

    pub(crate) fn without(mut self, place: usize) -> Self {
        self.sent.remove(place);
        self
    }

    /// Swaps two datagrams; the times stay.
    pub(crate) fn swap(mut self, one: usize, other: usize) -> Self {
        self.sent.swap(one, other);
        let time = self.sent[one].time;
        self.sent[one].time = self.sent[other].time;
        self.sent[other].time = time;
        self
    }

    /// Sends the datagram at `place` again, before the one at `target`, right after what is there.
    pub(crate) fn copy_to(mut self, place: usize, target: usize) -> Self {
        let time = self.sent[target - 1].time + 0.000_1;
        let copy = Sent {
            time,
            ..self.sent[place].clone()
        };
        self.sent.insert(target, copy);
        self
    }

    pub(crate) fn on(mut self, place: usize, change: impl Fn(&mut Vec<u8>)) -> Self {
        change(&mut self.sent[place].bytes);
        self
    }

    /// Changes the headers of the data datagrams at these places.
    pub(crate) fn on_data(
        mut self,
        places: impl RangeBounds<usize>,
        change: impl Fn(&mut Data),
    ) -> Self {
        for (place, sent) in self.sent.iter_mut().enumerate() {
            if !places.contains(&place) {
                continue;
            }
            let field = |at: usize| u64::from_le_bytes(sent.bytes[at..at + 8].try_into().unwrap());
            let mut data = Data {
                number: field(2),
                qpc: field(10),
                qpf: field(18),
            };
            change(&mut data);
            for (at, value) in [(2, data.number), (10, data.qpc), (18, data.qpf)] {
                sent.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        self
    }

    /// From `place` on, the capture's clock is this much ahead.
    pub(crate) fn shift(mut self, place: usize, seconds: f64) -> Self {
        for sent in &mut self.sent[place..] {
            sent.time += seconds;
        }
        self
    }

    /// The capture's clock runs faster.
    pub(crate) fn stretch(mut self, factor: f64) -> Self {
        let start = self.sent[0].time;
        for sent in &mut self.sent {
            sent.time = start + (sent.time - start) * factor;
        }
        self
    }

    /// From `place` on, everything happens later, on the sender's clock too.
    pub(crate) fn pause(self, place: usize, seconds: f64) -> Self {
        let ticks = (seconds * 1e7) as u64;
        self.shift(place, seconds)
            .on_data(place.., |data| data.qpc += ticks)
    }

    /// Everything takes longer, on the sender's clock too.
    pub(crate) fn slower(self, factor: f64) -> Self {
        let base = u64::from_le_bytes(self.sent[2].bytes[10..18].try_into().unwrap());
        let slow = |qpc: u64| base + ((qpc - base) as f64 * factor) as u64;
        self.stretch(factor)
            .on_data(2.., |data| data.qpc = slow(data.qpc))
    }

    /// The capture keeps so many bytes of each packet, from the Ethernet header on.
    pub(crate) fn snap(mut self, length: usize) -> Self {
        self.snap = Some(length);
        self
    }

    pub(crate) fn judge(&self, vantage: Vantage, stream: Option<StreamParameters>) -> Heard {
        let settings = CheckSettings {
            monitor: MonitorSettings {
                vantage,
                stream,
                ..MonitorSettings::default()
            },
            level: Level::Should,
            protocols: PROTOCOLS.to_vec(),
            key_log: Vec::new(),
        };
        let mut heard = Heard::default();
        let mut tell = |event| match event {
            Event::Session(session) => heard.sessions.push(session),
            Event::Finding(finding) => heard.findings.push(finding.requirement),
            _ => {}
        };
        let summary = check("recording", &self.file()[..], &settings, &mut tell).unwrap();
        let doubts = summary
            .notes
            .iter()
            .filter_map(|note| note.split_once(" was not judged"));
        heard.doubts = doubts.map(|(id, _)| id.to_owned()).collect();
        heard
    }

    fn file(&self) -> Vec<u8> {
        let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).unwrap();
        for sent in &self.sent {
            let time = Duration::from_secs_f64(sent.time);
            tap.record(time, sent.from, sent.to, &sent.bytes).unwrap();
        }
        let file = tap.into_inner();
        let Some(snap) = self.snap else { return file };
        let layout = PcapLayout {
            link: DataLink::ETHERNET,
            endianness: Endianness::Big,
            nanoseconds: true,
        };
        let mut writer = PcapFileWriter::new(Vec::new(), layout).unwrap();
        let mut packets = Packets::open(&file[..]).unwrap();
        while let Some(packet) = packets.next_packet().unwrap() {
            let data = &packet.data[..packet.data.len().min(snap)];
            writer
                .write_packet(packet.time, data, packet.wire_length as usize)
                .unwrap();
        }
        writer.into_inner()
    }
}
