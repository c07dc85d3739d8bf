//! `shakedown dissect CAPTURE`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anstream::eprintln;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use shakedown_capture::Datagram;
use shakedown_capture::quic::{self, Event};
use shakedown_report::dissection::{Decoded, DissectedItem, dissect, fields_in_words};
use shakedown_report::hexdump::{ROW, row};
use shakedown_report::text::{clean_line, count};
use shakedown_report::{DecodedFrame, Ladder};

use super::check::{key_log, open};
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::reports;

/// What a datagram of QUIC is called, as encrypted as it is.
const QUIC: &str = "QUIC";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shakedown dissect recording.pcapng
  shakedown dissect --keylog keys.txt proton.pcapng
  shakedown dissect --ladder recording.pcapng
  shakedown dissect --hex recording.pcapng | less
  shakedown dissect --format json recording.pcapng")]
pub(crate) struct Args {
    /// The capture, pcap or pcapng; - for standard input
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// Also print the bytes of each datagram
    #[arg(long)]
    hex: bool,

    /// Draw a sequence diagram instead: time down, peers across, arrows for frames
    #[arg(long, conflicts_with_all = ["hex", "format"])]
    ladder: bool,

    /// Key log file with TLS secrets, in the format of `SSLKEYLOGFILE`, for QUIC
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,

    /// Text or JSON lines, one for each datagram
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a datagram is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Human-readable lines
    Text,
    /// JSON lines
    Json,
}

impl Args {
    /// Writes each datagram; of a damaged capture those before the damage.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let mut out = anstream::stdout().lock();
        let source = open(&self.capture).map_err(|error| self.wrong(&error))?;
        let key_log = key_log(self.keylog.as_deref())?;
        if self.ladder {
            let ladder = Ladder::read(source, &key_log, &[]).map_err(|error| self.wrong(&error))?;
            if ladder.is_empty() {
                return Err(self.wrong(&"there is nothing in it to be drawn"));
            }
            out.write_all(ladder.text(reports::width()).as_bytes())?;
            return Ok(Exit::Success);
        }
        let mut start = None;
        let mut newest = 0;
        // What QUIC says stands below the datagram that completes it.
        let mut below = String::new();
        let mut written = Ok(());
        let read = dissect(source, &key_log, &mut |item| {
            let (first, then) = match item {
                DissectedItem::Quic(event, meaning, frames) => {
                    below.push_str(&self.event(event, meaning, frames));
                    return true;
                }
                DissectedItem::Datagram(datagram, decoded) => {
                    let start = *start.get_or_insert(datagram.time);
                    newest = datagram.number;
                    let text = match self.format {
                        Format::Text => self.line(datagram, decoded, start),
                        Format::Json => self.object(datagram, decoded, start),
                    };
                    (text, std::mem::take(&mut below))
                }
                DissectedItem::Secrets => (String::new(), std::mem::take(&mut below)),
                DissectedItem::Comment(comment) => (self.comment(newest, comment), String::new()),
            };
            let both = out.write_all(first.as_bytes());
            written = both.and_then(|()| out.write_all(then.as_bytes()));
            written.is_ok()
        });
        written?;
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                out.flush()?;
                return Err(self.wrong(&error));
            }
        };
        out.write_all(below.as_bytes())?;
        out.flush()?;
        if read.unread > 0 {
            let connections = count(read.unread as u64, "connection");
            eprintln!(
                "warning: no secrets in the capture for {connections} of QUIC; a key log file \
                 (--keylog) may have them"
            );
        }
        match read.statistics.datagrams {
            0 => Err(self.wrong(&format!(
                "there is no UDP datagram in it: {}",
                read.statistics
            ))),
            _ => Ok(Exit::Success),
        }
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> Failure {
        usage(format!("{}: {why}", self.capture.display()))
    }

    /// A QUIC event, below its datagram, and the frames that it completes.
    fn event(&self, event: &Event<'_>, meaning: Option<&str>, frames: Vec<DecodedFrame>) -> String {
        let mut lines = String::new();
        if let Some(text) = quic::line(event, meaning) {
            let mut facts = Map::new();
            if let Some(meaning) = meaning {
                facts.insert("meaning".to_owned(), json!(meaning));
            }
            lines.push_str(&self.below(event, &text, facts));
        }
        for one in frames {
            let (text, facts) = frame_text(one);
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

    fn comment(&self, packet: u64, comment: &str) -> String {
        let text = clean_line(comment);
        match self.format {
            Format::Text => format!("{packet:>6} {:>12} # {text}\n", ""),
            Format::Json => {
                let object = json!({ "type": "comment", "packet": packet, "text": text });
                format!("{object}\n")
            }
        }
    }

    fn line(&self, datagram: &Datagram<'_>, decoded: Decoded, start: Duration) -> String {
        let decoded = match decoded {
            Decoded::Frame(_, frame) => named(frame.frame, &frame.fields),
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
            Decoded::Frame(_, described) => {
                object["frame"] = json!(described.frame);
                object["fields"] = Value::Object(described.fields);
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

/// A frame on a stream as text, and its JSON members.
fn frame_text(decoded: DecodedFrame) -> (String, Map<String, Value>) {
    let DecodedFrame {
        stream,
        by,
        in_datagram,
        frame,
    } = decoded;
    let mut facts = Map::new();
    let (place, carrier) = match in_datagram {
        true => ("session", "datagram of session"),
        false => ("stream", "stream"),
    };
    facts.insert(place.to_owned(), json!(stream));
    facts.insert("by".to_owned(), json!(by.to_string()));
    let text = match frame {
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
    (format!("{by}: {carrier} {stream} {text}"), facts)
}

fn named(frame: &str, fields: &Map<String, Value>) -> String {
    format!("{frame} {}", fields_in_words(fields))
        .trim_end()
        .to_owned()
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
