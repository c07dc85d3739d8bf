//! From a capture to a ladder.

mod comment;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value};
use shakedown_capture::quic::{At, CloseCode, Event, EventKind, UnreadableReason, protocols};
use shakedown_capture::{CaptureError, Datagram};
use shakedown_engine::event::FindingEvent;

use super::{Frame, Ladder, Peer, Row, RowContent};
use crate::DecodedFrame;
use crate::dissection::{Decoded, DissectedItem, dissect, value_in_words};
use crate::text::{clean_line, fit};

/// Frames alike that follow each other faster than this, in seconds, are folded.
const SOON: f64 = 0.25;
const ALIKE: usize = 4;
/// Rows of a ladder, so that memory stays bounded.
const MOST_ROWS: usize = 5_000;
/// Bytes that are kept of a frame.
const MOST_BYTES: usize = 64;
/// Columns of a field, and of what a step says.
const MOST_WORDS: usize = 600;
/// Columns of a value that is not cut in a line, and of one that is.
const LONG: usize = 16;
const SHORT: usize = 9;

impl Ladder {
    /// Draws a capture, with the secrets in it and those of a key log, which may be empty. Given
    /// findings are drawn at their packet or time; otherwise those in the capture's comments. A
    /// damaged capture is drawn up to the damage, which is noted.
    ///
    /// # Errors
    /// [`CaptureError`] if nothing of it can be read.
    pub fn read<R: Read>(
        source: R,
        key_log: &[u8],
        findings: &[&FindingEvent],
    ) -> Result<Self, CaptureError> {
        let mut reader = Reader::default();
        for finding in findings {
            let known = finding.packet.map(|packet| (packet, sentence(finding)));
            if let Some((packet, text)) = known {
                reader.findings.entry(packet).or_default().push(text);
            }
        }
        reader.believes_comments = findings.is_empty();
        let read = dissect(source, key_log, &mut |item| reader.event(item));
        match read {
            Err(error) if reader.start.is_none() => return Err(error),
            Err(error) => reader.ladder.notes.push(error.to_string()),
            Ok(read) if read.unread > 0 => {
                let note = "some of it is encrypted, and its secrets are not in the capture";
                reader.ladder.notes.push(note.to_owned());
            }
            Ok(_) => {}
        }
        reader.fold();
        let missed = findings.iter().filter(|finding| finding.packet.is_none());
        for finding in missed {
            let mut row = Row::new(finding.time, None, RowContent::Missed);
            row.findings.push(sentence(finding));
            reader.ladder.rows.push(row);
        }
        reader.ladder.rows.sort_by(|a, b| a.time.total_cmp(&b.time));
        reader.ladder.start = reader.start.unwrap_or_default();
        Ok(reader.ladder)
    }
}

fn sentence(finding: &FindingEvent) -> String {
    let step = finding.step.as_ref();
    let step = step.map_or(String::new(), |step| format!(", step {step}"));
    clean_line(&format!(
        "{} {}{step}: {}",
        finding.requirement, finding.level, finding.message
    ))
}

/// The name and fields of a frame as text.
struct FrameLabel {
    name: String,
    /// The fields worth showing, in a line; long values are cut.
    fields: String,
    all: Vec<String>,
}

impl FrameLabel {
    /// A frame with a text in place of fields.
    fn plain(name: &str, text: String) -> Self {
        let text = fit(&clean_line(&text), MOST_WORDS);
        Self {
            name: clean_line(name),
            all: Some(text.clone())
                .filter(|text| !text.is_empty())
                .into_iter()
                .collect(),
            fields: text,
        }
    }

    fn new(name: &str, fields: &Map<String, Value>, shows: impl Fn(&str) -> bool) -> Self {
        let mut label = Self::plain(name, String::new());
        for (name, value) in fields {
            let field = format!("{name}={}", value_in_words(value));
            match shows(name) {
                true => label.add(field),
                false => label.all.push(clean_line(&field)),
            }
        }
        label
    }

    /// A field worth showing.
    fn add(&mut self, field: String) {
        let field = fit(&clean_line(&field), MOST_WORDS);
        let (name, value) = field.split_once('=').unwrap_or(("", &field));
        let value = match value.chars().count() {
            0..=LONG => value.to_owned(),
            _ => fit(value, SHORT),
        };
        let gap = if self.fields.is_empty() { "" } else { " " };
        let sign = if name.is_empty() { "" } else { "=" };
        self.fields += &format!("{gap}{name}{sign}{value}");
        self.all.push(field);
    }
}

#[derive(Default)]
struct Reader {
    ladder: Ladder,
    /// Those that name a packet, by its number.
    findings: BTreeMap<u64, Vec<String>>,
    /// Whether what comments call broken is.
    believes_comments: bool,
    start: Option<Duration>,
    /// The peer that plays a scenario, once a comment showed it.
    scripted: Option<usize>,
    /// The newest datagram: its time, number and way.
    newest: Option<(f64, u64, [usize; 2])>,
    /// Whether it is of QUIC, which says again what is lost.
    is_quic: bool,
    is_full: bool,
}

impl Reader {
    fn event(&mut self, item: DissectedItem<'_>) -> bool {
        match item {
            DissectedItem::Quic(event, meaning, frames) => self.quic(event, meaning, frames),
            DissectedItem::Datagram(datagram, decoded) => self.datagram(datagram, decoded),
            DissectedItem::Comment(comment) => self.comment(&clean_line(comment)),
            DissectedItem::Secrets => {}
        }
        if self.ladder.rows.len() >= MOST_ROWS && !self.is_full {
            self.is_full = true;
            let note = format!("only the first {MOST_ROWS} lines are drawn");
            self.ladder.notes.push(note);
        }
        !self.is_full
    }

    fn datagram(&mut self, datagram: &Datagram<'_>, decoded: Decoded) {
        let way = [datagram.source, datagram.destination].map(|address| self.place(address));
        let time = self.seconds(datagram.time);
        self.newest = Some((time, datagram.number, way));
        self.is_quic = matches!(decoded, Decoded::Quic);
        let label = match decoded {
            Decoded::Frame(protocol, frame) => {
                let shows = |name: &str| protocol.vocabulary.shows(&frame, name);
                FrameLabel::new(frame.frame, &frame.fields, shows)
            }
            Decoded::Malformed(error) => FrameLabel::plain("malformed", error),
            Decoded::Unknown => FrameLabel::plain("unknown", format!("{} bytes", datagram.length)),
            // Its contents were drawn before. A packet without contents is drawn if a step or
            // finding refers to it.
            Decoded::Quic => {
                if self.findings.contains_key(&datagram.number) {
                    self.row_of_newest();
                }
                return;
            }
        };
        self.frame(time, datagram.number, way, label, datagram.payload);
    }

    fn quic(&mut self, event: &Event<'_>, meaning: Option<&str>, frames: Vec<DecodedFrame>) {
        if let EventKind::ConnectionOpened { client, server, .. } = event.kind {
            for (address, is) in [(client, "client"), (server, "server")] {
                let place = self.place(address);
                self.ladder.peers[place].is.get_or_insert(is);
            }
        }
        let At {
            number,
            time,
            source,
            destination,
        } = event.at;
        let time = self.seconds(time);
        let way = [source, destination].map(|address| self.place(address));
        let bytes = match event.kind {
            EventKind::StreamBytes { bytes, .. } | EventKind::DatagramFrame { bytes, .. } => bytes,
            _ => &[],
        };
        if frames.is_empty()
            && let Some(label) = label(event.kind, meaning)
        {
            let (name, fields) = label;
            self.frame(time, number, way, FrameLabel::plain(name, fields), bytes);
        }
        for DecodedFrame {
            stream,
            in_datagram,
            frame,
            ..
        } in frames
        {
            let carrier = if in_datagram { "session" } else { "stream" };
            let mut label = match frame {
                Ok(frame) => FrameLabel::new(frame.frame, &frame.fields, |_| true),
                Err(error) => FrameLabel::plain("malformed", error),
            };
            label.add(format!("{carrier}={stream}"));
            self.frame(time, number, way, label, bytes);
        }
    }

    fn frame(
        &mut self,
        time: f64,
        packet: u64,
        [from, to]: [usize; 2],
        label: FrameLabel,
        bytes: &[u8],
    ) {
        self.fold();
        let frame = Frame {
            from,
            to,
            name: label.name,
            fields: label.fields,
            all: label.all,
            bytes: bytes[..bytes.len().min(MOST_BYTES)].to_vec(),
            lost: false,
            count: 1,
            lasts: 0.0,
        };
        let mut row = Row::new(time, Some(packet), RowContent::Frame(frame));
        row.findings = self.findings.remove(&packet).unwrap_or_default();
        self.ladder.rows.push(row);
    }

    /// The row of the newest datagram, which is made if it has none.
    fn row_of_newest(&mut self) -> Option<&mut Row> {
        let (time, packet, way) = self.newest?;
        // What was lost behind it has no packet.
        let rows = self.ladder.rows.iter();
        let last = rows.rev().find_map(|row| row.packet);
        if last != Some(packet) {
            self.frame(
                time,
                packet,
                way,
                FrameLabel::plain("QUIC", String::new()),
                &[],
            );
        }
        let mut rows = self.ladder.rows.iter_mut().rev();
        rows.find(|row| row.packet == Some(packet))
    }

    /// Folds the newest row into those before if they are alike.
    fn fold(&mut self) {
        let rows = &mut self.ladder.rows;
        let Some((newest, before)) = rows.split_last() else {
            return;
        };
        let Some(last) = before.last() else {
            return;
        };
        let many = matches!(&last.what, RowContent::Frame(frame) if frame.count > 1);
        let alike = match many {
            true => 1,
            false => ALIKE - 1,
        };
        let start = before.len().saturating_sub(alike);
        let run = &rows[start..];
        if run.len() <= alike || !run.windows(2).all(|two| are_alike(&two[0], &two[1])) {
            return;
        }
        let (end, packets) = (newest.time, run.len() as u64 - 1);
        let steps: Vec<String> = run[1..].iter().flat_map(|row| row.steps.clone()).collect();
        rows.truncate(start + 1);
        if let Some(Row {
            time,
            what: RowContent::Frame(frame),
            steps: told,
            ..
        }) = rows.last_mut()
        {
            frame.count += packets;
            frame.lasts = end - *time;
            told.extend(steps);
            told.truncate(ALIKE);
        }
    }

    fn place(&mut self, address: SocketAddr) -> usize {
        let peers = &mut self.ladder.peers;
        if let Some(known) = peers.iter().position(|peer| peer.address == address) {
            return known;
        }
        if peers.len() < Ladder::MOST_PEERS {
            peers.push(Peer {
                address,
                is: None,
                and_others: false,
            });
        } else if let Some(last) = peers.last_mut() {
            last.and_others = true;
        }
        peers.len() - 1
    }

    /// Seconds from the first datagram, which may be later if the capture's clock stepped back.
    fn seconds(&mut self, time: Duration) -> f64 {
        let start = *self.start.get_or_insert(time);
        time.as_secs_f64() - start.as_secs_f64()
    }
}

/// Whether `next` can be folded into `row`.
fn are_alike(row: &Row, next: &Row) -> bool {
    let (RowContent::Frame(frame), RowContent::Frame(other)) = (&row.what, &next.what) else {
        return false;
    };
    row.findings.is_empty()
        && next.findings.is_empty()
        && (frame.from, frame.to, &frame.name, frame.lost)
            == (other.from, other.to, &other.name, other.lost)
        && next.time - (row.time + frame.lasts) < SOON
}

/// What QUIC itself says, as the name and fields of a frame; `None` for what stands in a packet
/// besides, such as acknowledgements.
fn label(kind: EventKind<'_>, meaning: Option<&str>) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::ClientHello { alpn, .. } => {
            let offered = alpn.into_iter().flat_map(protocols);
            let offered: Vec<_> = offered.map(String::from_utf8_lossy).collect();
            ("ClientHello", offered.join(" "))
        }
        EventKind::ServerHandshake { alpn, .. } => {
            let alpn = alpn.map(String::from_utf8_lossy);
            ("ServerHello", alpn.unwrap_or_default().into_owned())
        }
        EventKind::Retry => ("Retry", String::new()),
        EventKind::VersionNegotiation { .. } => ("Version Negotiation", String::new()),
        EventKind::AddressChanged { from, to, .. } => ("moved", format!("from {from} to {to}")),
        EventKind::StreamBytes { stream, bytes, .. } => {
            ("STREAM", format!("stream={stream} {} bytes", bytes.len()))
        }
        EventKind::StreamFin { stream, .. } => ("FIN", format!("stream={stream}")),
        EventKind::StreamReset { stream, code, .. } => {
            ("RESET_STREAM", format!("stream={stream} code={code}"))
        }
        EventKind::StopSending { stream, code, .. } => {
            ("STOP_SENDING", format!("stream={stream} code={code}"))
        }
        EventKind::StreamLost { stream, offset, .. } => (
            "STREAM",
            format!("stream={stream} unreadable from offset {offset} on"),
        ),
        EventKind::DatagramFrame { bytes, .. } => ("DATAGRAM", format!("{} bytes", bytes.len())),
        EventKind::ConnectionClosed { code, reason, .. } => {
            let code = match code {
                CloseCode::Application { code } => format!("code={code}"),
                CloseCode::Transport { code, .. } => format!("code={code:#x} of QUIC"),
            };
            let reason = String::from_utf8_lossy(reason);
            let label = [code.as_str(), meaning.unwrap_or_default(), &reason].into_iter();
            let label: Vec<_> = label.filter(|label| !label.is_empty()).collect();
            ("CONNECTION_CLOSE", label.join(" "))
        }
        EventKind::StatelessReset { .. } => ("stateless reset", String::new()),
        EventKind::Malformed { error, .. } => ("malformed", error.to_string()),
        EventKind::UnknownFrame { frame_type, .. } => {
            ("unknown frame", format!("type={frame_type:#x}"))
        }
        EventKind::Unreadable(unreadable) if unreadable.why != UnreadableReason::NotQuic => {
            ("encrypted", String::new())
        }
        EventKind::ConnectionOpened { .. }
        | EventKind::CipherSuite(_)
        | EventKind::HandshakeDone
        | EventKind::KeyUpdated { .. }
        | EventKind::StreamOpened { .. }
        | EventKind::StreamFrame { .. }
        | EventKind::Flow { .. }
        | EventKind::Packet(_)
        | EventKind::Unreadable(_)
        | EventKind::Forgotten => return None,
    })
}
