//! A live capture beside the tap: the same packets as the kernel saw them.
//!
//! The tap numbers the packets while the scenario runs. Afterwards the live capture takes its
//! place, in the tap's numbering, if it holds every datagram of the tap; else the tap's capture
//! stays, which lacks nothing that went through our sockets.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::Path;

use shakedown_capture::{Capture, CaptureWriter, WriterSettings, correspond, select};

use tempfile::tempfile_in;

use crate::file;
use crate::live::{LiveCapture, LiveError, LiveSettings};

/// A live capture during a scenario. Its file has no name and is gone when it is dropped,
/// however the program ends.
#[derive(Debug)]
pub struct ParallelCapture {
    capture: Option<LiveCapture<File>>,
    interface: String,
    file: File,
    required: bool,
}

impl ParallelCapture {
    /// Starts a live capture of traffic from and to `port`, for the scenario whose capture
    /// will be at `path`, whose stream has this many bytes. Where it is `required`, a capture
    /// without it is not complete.
    ///
    /// # Errors
    /// [`LiveError`], if it cannot begin.
    pub fn start(
        path: &Path,
        interface: &str,
        port: u16,
        required: bool,
        stream_bytes: u64,
    ) -> Result<Self, LiveError> {
        let failed = |source| LiveError::System {
            interface: interface.into(),
            source,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = tempfile_in(folder).map_err(failed)?;
        let live = file.try_clone().map_err(failed)?;
        let settings = LiveSettings {
            interface: interface.into(),
            ports: vec![port],
            writer: WriterSettings {
                // What does not fit into the tap's has nothing to take its place.
                limit: super::record::limit(stream_bytes),
                ..WriterSettings::default()
            },
            ..LiveSettings::default()
        };
        let mut beside = Self {
            capture: None,
            interface: interface.into(),
            file: live,
            required,
        };
        beside.capture = Some(LiveCapture::start(&settings, file)?);
        Ok(beside)
    }

    pub(super) const fn is_required(&self) -> bool {
        self.required
    }

    /// Captures one more port from now on. If that fails, packets are missing, which is reported
    /// at the end.
    pub(super) fn watch(&mut self, port: u16) {
        if let Some(Err(error)) = self.capture.as_mut().map(|capture| capture.watch(port)) {
            tracing::debug!("port {port} is not captured: {error}");
        }
    }

    /// Ends the live capture and puts it in the place of the tap's at `path`. Takes 2 s at most
    /// besides the copying.
    ///
    /// # Errors
    /// Why the tap's capture stays, in words that go on a sentence.
    pub(super) fn replace(mut self, path: &Path) -> Result<(), String> {
        let Some(capture) = self.capture.take() else {
            return Err("the live capture has ended already".into());
        };
        let (_, statistics) = capture.stop().map_err(|error| error.to_string())?;
        let mut tap = open(path)?;
        let mut live = read(self.file()?)?;
        let found = correspond(&mut tap, &mut live).map_err(|error| error.to_string())?;
        if !found.missing.is_empty() {
            let missing = found.missing.len();
            return Err(match statistics.is_complete() {
                true => format!("the live capture lacks {missing} datagrams of our sockets"),
                false => format!("the live capture lacks {missing} datagrams: {statistics}"),
            });
        }
        if live.statistics().fragments.pieces > 0 {
            return Err("datagrams went over the wire in pieces".into());
        }
        let order: Vec<u64> = found.numbers.into_values().collect();
        let new = path.with_extension("pcapng.new");
        self.select(&order, &new)
            .and_then(|()| std::fs::rename(&new, path).map_err(|error| error.to_string()))
            .inspect_err(|_| {
                // The rest is useless; the earlier error is reported.
                let _ = std::fs::remove_file(&new);
            })
    }

    /// What was captured, from its beginning.
    fn file(&self) -> Result<File, String> {
        let mut file = self.file.try_clone().map_err(|error| error.to_string())?;
        file.rewind().map_err(|error| error.to_string())?;
        Ok(file)
    }

    fn select(&self, order: &[u64], new: &Path) -> Result<(), String> {
        let settings = WriterSettings {
            interface: self.interface.clone(),
            comment: Some("a live capture".into()),
            limit: u64::MAX,
            ..WriterSettings::default()
        };
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let live = self.file()?;
        let copy = file::create(new).map_err(|error| text(&error))?;
        let mut copy =
            CaptureWriter::new(BufWriter::new(copy), &settings).map_err(|error| text(&error))?;
        select(order, BufReader::new(live), &mut copy).map_err(|error| text(&error))?;
        copy.into_inner().flush().map_err(|error| text(&error))
    }
}

fn open(path: &Path) -> Result<Capture<File>, String> {
    let file = File::open(path).map_err(|error| error.to_string());
    let opened = file.and_then(read);
    opened.map_err(|why| format!("{} cannot be read: {why}", path.display()))
}

fn read(file: File) -> Result<Capture<File>, String> {
    Capture::open(file).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::path::PathBuf;
    use std::time::Duration;

    use shakedown_capture::{Packets, Tap};

    use super::*;

    /// Both captures of three datagrams; `None` where live capture is not permitted.
    fn captured(
        folder: &Path,
        in_tap: &[&[u8]],
        seen: &[&[u8]],
    ) -> Option<(ParallelCapture, PathBuf)> {
        let path = folder.join("scenario.pcapng");
        let one = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let two = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (from, to) = (
            one.local_addr().expect("an address"),
            two.local_addr().expect("an address"),
        );
        let beside = match ParallelCapture::start(&path, "lo", from.port(), false, 0) {
            Ok(beside) => beside,
            Err(LiveError::NotPermitted { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let file = File::create(&path).expect("a file");
        let mut tap = Tap::new(file, &WriterSettings::default()).expect("written");
        for payload in seen {
            one.send_to(payload, to).expect("sent");
        }
        for payload in in_tap {
            tap.record(Duration::ZERO, from, to, payload)
                .expect("recorded");
        }
        Some((beside, path))
    }

    fn payloads(path: &Path) -> Vec<(u64, Vec<u8>)> {
        let mut capture = open(path).expect("a capture");
        let mut all = Vec::new();
        while let Some(datagram) = capture.next_datagram().expect("undamaged") {
            all.push((datagram.number, datagram.payload.to_vec()));
        }
        all
    }

    #[test]
    fn the_live_capture_takes_the_place_and_the_numbers_of_the_tap_s() {
        let folder = tempfile::tempdir().expect("a folder");
        let seen: [&[u8]; 4] = [b"a", b"b", b"nobody read this", b"c"];
        // The tap has seen two of them the other way round.
        let Some((beside, path)) = captured(folder.path(), &[b"b", b"a", b"c"], &seen) else {
            return;
        };
        beside.replace(&path).expect("replaced");
        let expected = [(1, b"b".to_vec()), (2, b"a".to_vec()), (3, b"c".to_vec())];
        assert_eq!(payloads(&path), expected);
        let mut packets = Packets::open(File::open(&path).expect("a file")).expect("a capture");
        let first = packets.next_packet().expect("undamaged");
        assert!(first.expect("a packet").time > Duration::from_secs(1_000_000_000));
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1
        );
    }

    #[test]
    fn a_live_capture_that_lacks_something_leaves_the_tap_s() {
        let folder = tempfile::tempdir().expect("a folder");
        let Some((beside, path)) = captured(folder.path(), &[b"a", b"b"], &[b"a"]) else {
            return;
        };
        let why = beside.replace(&path).expect_err("not replaced");
        assert_eq!(why, "the live capture lacks 1 datagrams of our sockets");
        assert_eq!(payloads(&path).len(), 2);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1
        );
    }
}
