//! The key log format of NSS, which `SSLKEYLOGFILE` names a file of.

use std::collections::BTreeMap;
use std::fmt;

use super::keys::TrafficSecret;
use super::protect::OpenPlain;

/// Most TLS sessions whose secrets are kept.
const MAX_SESSIONS: usize = 65_536;
/// Most complaints that are kept; all are counted.
const MAX_COMPLAINTS: usize = 16;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    ClientEarly,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
}

/// Labels that are used here.
const LABELS: [(&str, Label); 5] = [
    ("CLIENT_EARLY_TRAFFIC_SECRET", Label::ClientEarly),
    ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", Label::ClientHandshake),
    ("SERVER_HANDSHAKE_TRAFFIC_SECRET", Label::ServerHandshake),
    ("CLIENT_TRAFFIC_SECRET_0", Label::ClientTraffic),
    ("SERVER_TRAFFIC_SECRET_0", Label::ServerTraffic),
];

/// The TLS secrets of sessions, by the random bytes of their ClientHello.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    sessions: BTreeMap<[u8; 32], [Option<TrafficSecret>; LABELS.len()]>,
    lines: u64,
    malformed: u64,
    complaints: Vec<SkippedLine>,
    /// Packets have no protection, and are opened by this.
    pub(super) plain: Option<OpenPlain>,
}

/// A line of a key log that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedLine {
    /// Its number, from 1, over all key logs that were given.
    pub line: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// With the line and what would be right.
impl fmt::Display for SkippedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {} of the key log was skipped: {}; a line is a label, 64 hexadecimal digits of \
             the client's random, and the secret in hexadecimal",
            self.line, self.what
        )
    }
}

impl Secrets {
    /// Whether there are no secrets that QUIC can use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Lines that were skipped because they are malformed.
    #[must_use]
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The first of the malformed lines.
    #[must_use]
    pub fn complaints(&self) -> &[SkippedLine] {
        &self.complaints
    }

    /// Takes the secrets of a key log. Comments, empty lines and labels that QUIC does not need
    /// are passed over; malformed lines are counted and skipped. The first secret for a label and
    /// a session stays.
    pub fn add(&mut self, key_log: &[u8]) {
        self.take(key_log, |_| ());
    }

    /// As [`Self::add`]; says the client's random of each secret that is new.
    pub(super) fn take(&mut self, key_log: &[u8], mut new: impl FnMut([u8; 32])) {
        let lines = key_log.strip_suffix(b"\n").unwrap_or(key_log);
        for line in lines.split(|byte| *byte == b'\n') {
            self.lines += 1;
            match self.line(line) {
                Ok(random) => {
                    random.map(&mut new);
                }
                Err(what) => {
                    self.malformed += 1;
                    if self.complaints.len() < MAX_COMPLAINTS {
                        let line = self.lines;
                        self.complaints.push(SkippedLine { line, what });
                    }
                }
            }
        }
    }

    pub(super) fn get(&self, random: &[u8; 32], label: Label) -> Option<TrafficSecret> {
        self.sessions.get(random)?[label as usize]
    }

    /// Gives the client's random if the line has a new secret.
    fn line(&mut self, line: &[u8]) -> Result<Option<[u8; 32]>, &'static str> {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            return Ok(None);
        }
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let (Some(label), Some(random), Some(secret), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("it has not three words");
        };
        let known = LABELS.iter().find(|(name, _)| name.as_bytes() == label);
        let Some((_, label)) = known else {
            let is_label =
                |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'0'..=b'9' | b'_');
            return if label.iter().all(is_label) {
                Ok(None)
            } else {
                Err("it does not begin with a label")
            };
        };
        let mut client = [0; 32];
        if hex::decode_to_slice(random, &mut client).is_err() {
            return Err("the client's random has not 32 bytes");
        }
        let secret = hex::decode(secret)
            .ok()
            .and_then(|bytes| TrafficSecret::new(&bytes));
        let Some(secret) = secret else {
            return Err("the secret has neither 32 nor 48 bytes");
        };
        if self.sessions.len() >= MAX_SESSIONS && !self.sessions.contains_key(&client) {
            return Err("there are secrets of 65536 sessions already");
        }
        let known = &mut self.sessions.entry(client).or_default()[*label as usize];
        match known {
            Some(known) if *known != secret => Err("another secret was given for this before"),
            Some(_) => Ok(None),
            None => {
                *known = Some(secret);
                Ok(Some(client))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, random: &str, secret: &str) -> String {
        format!("{label} {} {}\n", random.repeat(32), secret)
    }

    #[test]
    fn lines_are_read_with_any_ending_and_in_any_case() {
        let mut secrets = Secrets::default();
        let text = "# a comment\r\n\r\nCLIENT_TRAFFIC_SECRET_0 ".to_owned()
            + &"Ab".repeat(32)
            + " "
            + &"cD".repeat(32)
            + "\r\nEXPORTER_SECRET 00 11\n"
            + &line("SERVER_TRAFFIC_SECRET_0", "ab", &"01".repeat(48));
        secrets.add(text.trim_end().as_bytes());
        assert_eq!(secrets.malformed(), 0);
        let random = [0xab; 32];
        assert_eq!(
            secrets.get(&random, Label::ClientTraffic),
            TrafficSecret::new(&[0xcd; 32])
        );
        assert_eq!(
            secrets.get(&random, Label::ServerTraffic),
            TrafficSecret::new(&[1; 48])
        );
        assert_eq!(secrets.get(&random, Label::ClientEarly), None);
    }

    #[test]
    fn malformed_lines_are_counted_with_their_numbers_over_all_key_logs() {
        let mut secrets = Secrets::default();
        let good = line("CLIENT_TRAFFIC_SECRET_0", "00", &"11".repeat(32));
        secrets.add(good.as_bytes());
        let other = line("CLIENT_TRAFFIC_SECRET_0", "00", &"12".repeat(32));
        let short = line("CLIENT_TRAFFIC_SECRET_0", "00", &"11".repeat(31));
        let odd = line("CLIENT_TRAFFIC_SECRET_0", "0", &"11".repeat(32));
        let text = format!("{good}{other}{short}{odd}one two\n\u{fffd} x y\nLABEL x y z\n");
        secrets.add(text.as_bytes());
        let lines: Vec<_> = secrets.complaints().iter().map(|it| it.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8]);
        assert_eq!(secrets.malformed(), 6);
        insta::assert_snapshot!(secrets.complaints()[1], @"line 4 of the key log was skipped: the secret has neither 32 nor 48 bytes; a line is a label, 64 hexadecimal digits of the client's random, and the secret in hexadecimal");
        assert_eq!(
            secrets.get(&[0; 32], Label::ClientTraffic),
            TrafficSecret::new(&[0x11; 32])
        );
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let mut secrets = Secrets::default();
        secrets.add(line("CLIENT_TRAFFIC_SECRET_0", "00", &"7b".repeat(32)).as_bytes());
        let text = format!("{secrets:?}");
        assert!(!text.contains("7b") && !text.contains("123"), "{text}");
    }
}
