use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shakedown_capture::{Tap, WriteError, WriterSettings, annotate_with_key_log};

use super::ParallelCapture;
use crate::clock::Clock;
use crate::file;

/// How large a capture may become, in bytes, besides what the stream itself needs.
const SPARE: u64 = 64 << 20;

/// Records the datagrams of one scenario in its capture, as they leave and arrive.
#[derive(Debug)]
pub struct Recorder {
    tap: Option<Tap<File>>,
    live: Option<ParallelCapture>,
    path: PathBuf,
    clock: Clock,
    key_log: String,
    comments: BTreeMap<u64, Vec<String>>,
    latest: Duration,
    problem: Option<String>,
    full: bool,
}

#[derive(Debug)]
pub struct Recorded {
    /// The capture, without comments so far.
    pub path: PathBuf,
    pub packets: u64,
    /// Comments by packet number.
    pub comments: BTreeMap<u64, Vec<String>>,
    /// The secrets of its TLS sessions, a line for each; they are not in it so far.
    pub key_log: String,
    /// Why packets are missing, in a sentence, if some are.
    pub problem: Option<String>,
    live: Option<ParallelCapture>,
}

impl Recorded {
    pub(super) fn lost(problem: String) -> Self {
        Self {
            path: PathBuf::new(),
            packets: 0,
            comments: BTreeMap::new(),
            key_log: String::new(),
            problem: Some(problem),
            live: None,
        }
    }

    /// Puts the secrets before the first packet, and on packets these comments. The file is whole at
    /// every moment.
    ///
    /// # Errors
    /// A human-readable error; the capture is then as it was.
    pub fn complete(&self, comments: &BTreeMap<u64, Vec<String>>) -> Result<(), String> {
        if (comments.is_empty() && self.key_log.is_empty()) || !self.path.exists() {
            return Ok(());
        }
        let new = self.path.with_extension("pcapng.new");
        let written = self
            .write_completed(&new, comments)
            .and_then(|()| std::fs::rename(&new, &self.path).map_err(|error| error.to_string()));
        written.map_err(|why| {
            // The rest is useless; the earlier error is reported.
            let _ = std::fs::remove_file(&new);
            let path = self.path.display();
            format!("nothing could be added to {path}: {why}")
        })
    }

    fn write_completed(
        &self,
        new: &Path,
        comments: &BTreeMap<u64, Vec<String>>,
    ) -> Result<(), String> {
        let source = File::open(&self.path).map_err(|error| error.to_string())?;
        let copy = file::create(new).map_err(|error| error.to_string())?;
        let mut copy = BufWriter::new(copy);
        let key_log = self.key_log.as_bytes();
        annotate_with_key_log(BufReader::new(source), &mut copy, comments, key_log)
            .map_err(|error| error.to_string())?;
        copy.flush().map_err(|error| error.to_string())
    }

    /// Puts the live capture, if there was one, in the place of the tap's. Blocks for 2 s at most
    /// besides the copying.
    ///
    /// # Errors
    /// Why the tap's capture stays, in words that go on a sentence.
    pub fn settle(&mut self) -> Result<(), String> {
        let Some(live) = self.live.take() else {
            return Ok(());
        };
        if self.packets == 0 || self.problem.is_some() {
            // What the tap could not record would be missing in the selection of the other, too.
            return Ok(());
        }
        let required = live.is_required();
        live.replace(&self.path).inspect_err(|why| {
            if required {
                self.problem = Some(format!("there is no complete live capture: {why}"));
            }
        })
    }
}

impl Recorder {
    /// Starts the capture of a scenario whose stream has this many bytes. A write error is
    /// reported at the end; the scenario runs all the same.
    #[must_use]
    pub fn create(path: &Path, clock: Clock, stream_bytes: u64) -> Self {
        let settings = WriterSettings {
            limit: limit(stream_bytes),
            ..WriterSettings::default()
        };
        let created = create(path)
            .and_then(|file| Tap::new(file, &settings).map_err(|error| error.to_string()));
        let (tap, problem) = match created {
            Ok(tap) => (Some(tap), None),
            Err(why) => (
                None,
                Some(format!("{} cannot be written: {why}", path.display())),
            ),
        };
        Self {
            tap,
            live: None,
            path: path.to_owned(),
            clock,
            key_log: String::new(),
            comments: BTreeMap::new(),
            latest: Duration::ZERO,
            problem,
            full: false,
        }
    }

    /// The same with a live capture beside the tap.
    #[must_use]
    pub fn with_live(mut self, live: Option<ParallelCapture>) -> Self {
        self.live = live;
        self
    }

    /// Adds secrets of TLS sessions, lines in the format of `SSLKEYLOGFILE`.
    pub fn secrets(&mut self, lines: &str) {
        self.key_log.push_str(lines);
    }

    /// A socket was opened at this port.
    pub fn opened(&mut self, port: u16) {
        if let Some(live) = &mut self.live {
            live.watch(port);
        }
    }

    /// Records a datagram and gives it its number, from 1; `None` if it could not be recorded.
    /// Times never fall: a datagram that is read after a later one was sent stands after it.
    pub fn record(
        &mut self,
        at: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Option<u64> {
        if self.full {
            return None;
        }
        self.latest = self.latest.max(at);
        let wall = self.clock.wall(self.latest);
        match self
            .tap
            .as_mut()?
            .record(wall, source, destination, payload)
        {
            Ok(number) => Some(number),
            Err(error) => {
                self.full |= matches!(error, WriteError::Full { .. });
                self.problem.get_or_insert_with(|| error.to_string());
                None
            }
        }
    }

    /// Adds a comment to a packet.
    pub fn comment(&mut self, packet: u64, text: String) {
        self.comments.entry(packet).or_default().push(text);
    }

    #[must_use]
    pub fn packets(&self) -> u64 {
        self.tap.as_ref().map_or(0, Tap::packets)
    }

    /// Whether more came than any stream that was asked for has.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    #[must_use]
    pub fn finish(self) -> Recorded {
        Recorded {
            packets: self.packets(),
            path: self.path,
            comments: self.comments,
            key_log: self.key_log,
            problem: self.problem,
            live: self.live,
        }
    }
}

/// The size limit of the capture of a scenario whose stream has this many bytes.
/// Headers, repetitions and a second session may double it, and that is no flood.
pub(super) const fn limit(stream_bytes: u64) -> u64 {
    stream_bytes.saturating_mul(4).saturating_add(SPARE)
}

fn create(path: &Path) -> Result<File, String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("the folder {}: {error}", folder.display()))?;
    }
    file::create(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use shakedown_capture::{Capture, Item};

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn packets_are_numbered_from_1_and_their_times_never_fall() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/in/it.pcapng");
        let mut recorder = Recorder::create(&path, Clock::start(), 0);
        let times = [5, 3, 9].map(Duration::from_millis);
        let numbers = times.map(|at| recorder.record(at, address(1), address(2), b"x"));
        assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
        let mut capture = Capture::open(File::open(&path).unwrap()).unwrap();
        let mut read = Vec::new();
        while let Some(datagram) = capture.next_datagram().unwrap() {
            read.push(datagram.time);
        }
        let since_first: Vec<_> = read
            .iter()
            .map(|time| (*time - read[0]).as_millis())
            .collect();
        assert_eq!(since_first, [0, 0, 4]);
    }

    #[test]
    fn secrets_that_are_learnt_after_the_first_packets_stand_before_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.pcapng");
        let mut recorder = Recorder::create(&path, Clock::start(), 0);
        recorder.record(Duration::ZERO, address(1), address(2), b"x");
        let secrets = "CLIENT_TRAFFIC_SECRET_0 01 02\n";
        recorder.secrets(secrets);
        let recorded = recorder.finish();
        recorded.complete(&recorded.comments).unwrap();
        let mut capture = Capture::open(File::open(&path).unwrap()).unwrap();
        let Some(Item::KeyLog(key_log)) = capture.next_item().unwrap() else {
            panic!("no secrets");
        };
        assert_eq!(key_log, secrets.as_bytes());
        assert!(matches!(capture.next_item(), Ok(Some(Item::Datagram(_)))));
        assert!(matches!(capture.next_item(), Ok(None)));
    }

    #[test]
    fn a_capture_that_nothing_can_be_added_to_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.pcapng");
        let mut recorder = Recorder::create(&path, Clock::start(), 0);
        let packet = recorder.record(Duration::ZERO, address(1), address(2), b"x");
        recorder.comment(packet.unwrap(), "it".to_owned());
        let recorded = recorder.finish();
        let before = std::fs::read(&path).unwrap();
        std::fs::create_dir(path.with_extension("pcapng.new")).unwrap();
        let why = recorded.complete(&recorded.comments).unwrap_err();
        assert!(why.contains("nothing could be added to"), "{why}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn past_its_limit_nothing_is_kept_and_that_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(&folder.path().join("it"), Clock::start(), 0);
        let large = vec![0; 65_000];
        while recorder
            .record(Duration::ZERO, address(1), address(2), &large)
            .is_some()
        {
            assert!(recorder.packets() * 65_000 <= SPARE);
        }
        assert!(recorder.is_full());
        assert!(
            recorder
                .finish()
                .problem
                .unwrap()
                .contains("the capture is full")
        );
    }

    #[test]
    fn a_full_disk_and_a_folder_that_is_a_file_are_told() {
        let full = Recorder::create(Path::new("/dev/full"), Clock::start(), 0);
        assert!(!full.is_full());
        let problem = full.finish().problem.unwrap();
        assert!(problem.contains("No space left on device"), "{problem}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let inside = Recorder::create(&file.path().join("it"), Clock::start(), 0);
        let problem = inside.finish().problem.unwrap();
        assert!(problem.contains("File exists"), "{problem}");
    }
}
