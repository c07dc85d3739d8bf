//! `shakedown dissect CAPTURE`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anstream::eprintln;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use shakedown_capture::quic::{Decoder, Event, EventKind, Limits, Why};
use shakedown_capture::{Capture, Datagram, Item};
use shakedown_engine::quic::Filter;
use shakedown_protocol::PROTOCOLS;
use shakedown_report::hexdump::{ROW, row};
use shakedown_report::text::{clean_line, count};

use super::check::{key_log, open};
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::quic_lines;
use crate::quic_words::{Conversations, StreamWord};

/// What a datagram of QUIC is called, as encrypted as it is.
const QUIC: &str = "QUIC";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shakedown dissect recording.pcapng
  shakedown dissect --keylog keys.txt proton.pcapng
  shakedown dissect --hex recording.pcapng | less
  shakedown dissect --format json recording.pcapng")]
pub(crate) struct Args {
    /// The capture, pcap or pcapng; - for standard input
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// The bytes of each datagram too
    #[arg(long)]
    hex: bool,

    /// Secrets of TLS sessions beside the capture, as `SSLKEYLOGFILE` has them, for QUIC
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,

    /// One line for people, or one JSON object, for each datagram
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a datagram is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for people
    Text,
    /// One JSON object a line
    Json,
}

impl Args {
    /// Writes each datagram; of a damaged capture those before the damage.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let mut out = anstream::stdout().lock();
        let source = open(&self.capture).map_err(|error| self.wrong(&error))?;
        let mut capture = Capture::open(source).map_err(|error| self.wrong(&error))?;
        let mut decoder = Decoder::new(Limits::default());
        decoder.add_secrets(&key_log(self.keylog.as_deref())?, &mut |_| {});
        let mut filter = Filter::default();
        let mut words = Conversations::default();
        let mut start = None;
        loop {
            let mut quic = String::new();
            let mut newest = Quic::No;
            let mut tell = |event: &Event<'_>| quic.push_str(&self.event(event, &mut words));
            let datagram = match capture.next_item() {
                Ok(Some(Item::Datagram(datagram))) => datagram,
                Ok(Some(Item::KeyLog(key_log))) => {
                    decoder.add_secrets(key_log, &mut tell);
                    out.write_all(quic.as_bytes())?;
                    continue;
                }
                Ok(None) => break,
                Err(error) => {
                    out.flush()?;
                    return Err(self.wrong(&error));
                }
            };
            let start = *start.get_or_insert(datagram.time);
            if filter.passes(&datagram) {
                newest = Quic::Yes;
                decoder.datagram(&datagram, &mut |event| {
                    if event.at.number == datagram.number {
                        newest = newest.and(event);
                    }
                    tell(event);
                });
            }
            let decoded = decode(datagram.payload, newest);
            let text = match self.format {
                Format::Text => self.line(&datagram, decoded, start),
                Format::Json => self.object(&datagram, decoded, start),
            };
            out.write_all(text.as_bytes())?;
            out.write_all(quic.as_bytes())?;
        }
        let mut rest = String::new();
        decoder.finish(&mut |event| rest.push_str(&self.event(event, &mut words)));
        out.write_all(rest.as_bytes())?;
        out.flush()?;
        if words.unread() > 0 {
            let connections = count(words.unread() as u64, "connection");
            eprintln!(
                "warning: no secrets in the capture for {connections} of QUIC; a key log file \
                 (--keylog) may have them"
            );
        }
        if capture.statistics().datagrams == 0 {
            let read = capture.statistics().to_string();
            return Err(self.wrong(&format!("there is no UDP datagram in it: {read}")));
        }
        Ok(Exit::Success)
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> Failure {
        usage(format!("{}: {why}", self.capture.display()))
    }

    /// What a packet of QUIC says, below its datagram, and the words that it completes.
    fn event(&self, event: &Event<'_>, words: &mut Conversations) -> String {
        let said = words.hear(event);
        let meaning = words.code(event);
        let mut lines = String::new();
        if let Some(text) = quic_lines::line(event, meaning) {
            let mut facts = Map::new();
            if let Some(meaning) = meaning {
                facts.insert("meaning".to_owned(), json!(meaning));
            }
            lines.push_str(&self.below(event, &text, facts));
        }
        for one in said {
            let (text, facts) = told(one);
            let connection = event.connection.unwrap_or_default();
            lines.push_str(&self.below(event, &format!("quic {connection} {text}"), facts));
        }
        lines
    }

    /// A line of what a packet says; in JSON with facts besides.
    fn below(&self, event: &Event<'_>, text: &str, facts: Map<String, Value>) -> String {
        let text = clean_line(text);
        match self.format {
            Format::Text => format!("{:>6} {:>12} {text}\n", event.at.number, ""),
            Format::Json => {
                let (packet, connection) = (event.at.number, event.connection);
                let mut object = Map::new();
                object.insert("type".to_owned(), json!("quic"));
                object.insert("packet".to_owned(), json!(packet));
                object.insert("connection".to_owned(), json!(connection));
                object.insert("text".to_owned(), json!(text));
                object.extend(facts);
                format!("{}\n", Value::Object(object))
            }
        }
    }

    fn line(&self, datagram: &Datagram<'_>, decoded: Decoded, start: Duration) -> String {
        let decoded = match decoded {
            Decoded::Frame(frame, fields) => named(frame, &fields),
            Decoded::Quic => QUIC.to_owned(),
            Decoded::Malformed(error) => format!("malformed: {error}"),
            Decoded::Unknown => "unknown".to_owned(),
        };
        let cut = match datagram.length - datagram.payload.len() {
            0 => String::new(),
            _ => format!(" (cut to {})", datagram.payload.len()),
        };
        let mut text = format!(
            "{:>6} {:>12.6} {} > {} {} bytes{cut} {}\n",
            datagram.number,
            seconds(datagram.time, start),
            datagram.source,
            datagram.destination,
            datagram.length,
            clean_line(&decoded),
        );
        if self.hex {
            dump(&mut text, datagram.payload);
        }
        text
    }

    fn object(&self, datagram: &Datagram<'_>, decoded: Decoded, start: Duration) -> String {
        let mut object = json!({
            "type": "datagram",
            "packet": datagram.number,
            "time": seconds(datagram.time, start),
            "source": datagram.source.to_string(),
            "destination": datagram.destination.to_string(),
            "length": datagram.length,
            "captured": datagram.payload.len(),
        });
        match decoded {
            Decoded::Quic => object["frame"] = json!(QUIC),
            Decoded::Frame(frame, fields) => {
                object["frame"] = json!(frame);
                object["fields"] = Value::Object(fields);
            }
            Decoded::Malformed(error) => object["error"] = json!(error),
            Decoded::Unknown => object["frame"] = Value::Null,
        }
        if self.hex {
            object["bytes"] = json!(hex::encode(datagram.payload));
        }
        format!("{object}\n")
    }
}

enum Decoded {
    Frame(&'static str, Map<String, Value>),
    Quic,
    Malformed(String),
    Unknown,
}

/// Whether a datagram is QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quic {
    No,
    /// It is between addresses that speak QUIC, but of no connection that is known.
    Maybe,
    Yes,
}

impl Quic {
    const fn and(self, event: &Event<'_>) -> Self {
        let EventKind::Unreadable(unreadable) = event.kind else {
            return self;
        };
        match unreadable.why {
            Why::NotQuic => Self::No,
            Why::UnknownConnection => Self::Maybe,
            Why::NoSecrets
            | Why::NoHandshake
            | Why::UnsupportedSuite(_)
            | Why::CannotDecrypt
            | Why::Cut
            | Why::OtherVersion(_)
            | Why::EarlyDataRejected => self,
        }
    }
}

/// The first protocol over datagrams that knows the form decides.
fn decode(payload: &[u8], quic: Quic) -> Decoded {
    if quic == Quic::Yes {
        return Decoded::Quic;
    }
    let mut malformed = None;
    for protocol in PROTOCOLS {
        if protocol.transport.is_some() {
            continue;
        }
        match protocol.vocabulary.decode(payload) {
            Ok(Some(described)) => return Decoded::Frame(described.frame, described.fields),
            Ok(None) => {}
            Err(error) => malformed = malformed.or(Some(error.to_string())),
        }
    }
    match (malformed, quic) {
        (Some(error), _) => Decoded::Malformed(error),
        (None, Quic::Maybe | Quic::Yes) => Decoded::Quic,
        (None, Quic::No) => Decoded::Unknown,
    }
}

/// A word on a stream as text, and its facts.
fn told(said: StreamWord) -> (String, Map<String, Value>) {
    let StreamWord { stream, by, word } = said;
    let mut facts = Map::new();
    facts.insert("stream".to_owned(), json!(stream));
    facts.insert("by".to_owned(), json!(by.to_string()));
    let text = match word {
        Ok(described) => {
            let text = named(described.frame, &described.fields);
            facts.insert("frame".to_owned(), json!(described.frame));
            facts.insert("fields".to_owned(), Value::Object(described.fields));
            text
        }
        Err(error) => {
            facts.insert("error".to_owned(), json!(error));
            format!("malformed: {error}")
        }
    };
    (format!("{by}: stream {stream} {text}"), facts)
}

/// A frame with its fields.
fn named(frame: &str, fields: &Map<String, Value>) -> String {
    let fields = fields.iter();
    fields.fold(frame.to_owned(), |text, (name, value)| {
        text + &format!(" {name}={}", short(value))
    })
}

/// A value in a few characters; text without quotes where it needs none.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"']) => text.clone(),
        Value::Object(object) => match object.iter().next() {
            Some((key, Value::Number(number))) if object.len() == 1 => format!("{key}({number})"),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

fn dump(text: &mut String, payload: &[u8]) {
    for (number, bytes) in payload.chunks(ROW).enumerate() {
        let _ = writeln!(text, "       {}", row(number * ROW, bytes));
    }
}

/// Seconds from the first datagram, which may be later if the capture's clock stepped back.
fn seconds(time: Duration, start: Duration) -> f64 {
    time.as_secs_f64() - start.as_secs_f64()
}
