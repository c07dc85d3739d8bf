//! The reference's options: name, applicable modes, meaning for an implementation, and the flags
//! of `connect` and `serve`.

use std::time::Duration;

use super::carry::{Carry, SMALLEST_LIMIT};
use super::settings::{DEFAULT_MAX_SESSIONS, LONGEST_HINT, Settings, checked_stream};
use crate::ReferenceSettings;
use crate::mediastream::frame::MAX_DATAGRAM;
use crate::mediastream::{Mode, Modes, PROTOCOL};
use crate::requirement::Role;
use crate::setting::{ProtocolOption, keep, number, settings, span};

const HANDSHAKES: &[Mode] = &[Mode::ThreeWay, Mode::Start3];
const START3: &[Mode] = &[Mode::Start3];
const MOST_SLOTS: usize = u32::MAX as usize;

settings! { Settings, &'static [Mode] = &Mode::ALL;
    bits_per_second "N" = "400000" => |to, value| keep(&mut to.stream.bits_per_second, number(value, 1, u64::MAX)), {
        connect "Bits per second of the stream; in legacy and 3way it must be the server's"
        serve "Bits per second of the stream"
    }
    frames_per_second "N" = "50" => |to, value| keep(&mut to.stream.frames_per_second, number(value, 1, 1_000_000)), {
        connect "Frames per second of the stream; in legacy and 3way it must be the server's"
        serve "Frames per second of the stream"
    }
    seconds "N" = "2" => |to, value| keep(&mut to.stream.seconds, number(value, 1, 86_400)), {
        connect "Length of the stream in seconds; in legacy and 3way it must be the server's"
        serve "Length of the stream in seconds"
    }
    allow_legacy_start in HANDSHAKES => |to, _| keep(&mut to.allow_legacy_start, Ok(true)), {
        means "a 3way or start3 responder that serves the START token too"
        serve "Serve the START token too (3way, start3)"
    }
    optimistic_start in &[Mode::ThreeWay] => |to, _| keep(&mut to.optimistic_start, Ok(true)), {
        means "a 3way responder that streams before the ACK"
        serve "Stream before the ACK arrives, up to 64 KiB (3way)"
        alias "optimistic"
    }
    begin_immediately in START3 => |to, _| keep(&mut to.begin_immediately, Ok(true)), {
        means "a start3 responder that streams before the START_CONFIRM"
        serve "Stream before the START_CONFIRM arrives, up to 64 KiB (start3)"
    }
    fallback in HANDSHAKES => |to, _| keep(&mut to.fallback, Ok(true)), {
        means "a 3way or start3 initiator that falls back to the START token if there is no response"
        connect "Fall back to the START token when no SYN (3way) or START (start3) is answered"
    }
    fragments => |to, _| keep(&mut to.carry, Ok(Carry::Fragments)), {
        means "a sender that carries large frames as fragments with offsets"
    }
    counts_frames => |_, _| Ok(()), {
        means "a receiver that ends its session, or an upload, by the number of frames received, not at the last sequence \
               number"
    }
    slots "N" => |to, value| keep(&mut to.slots, number(value, 1, MOST_SLOTS).map(Some)), {
        means "a responder that streams to at most N peers; further START tokens are queued, SYN and START \
               refused"
        serve "Concurrent streams; further START tokens are queued, SYN and START refused [default: as many as \
               sessions]"
    }
    upload_slots "N" in &[Mode::Legacy] => |to, value| keep(&mut to.upload_slots, number(value, 1, MOST_SLOTS)), {
        means "a legacy responder that accepts N concurrent uploads (JOIN); further ones are queued"
        serve "Concurrent uploads (JOIN); further ones are queued (legacy) [default: none]"
    }
    upload in &[Mode::Legacy] => |to, _| keep(&mut to.upload, Ok(true)), {
        means "a legacy initiator that uploads the stream (JOIN) instead of receiving it"
        connect "Upload the stream to a server with upload slots instead of receiving it (legacy)"
    }
    max_datagram "BYTES" => |to, value| {
            to.tells_max_datagram = true;
            keep(&mut to.max_datagram, number(value, SMALLEST_LIMIT, MAX_DATAGRAM))
        }, {
        connect "Largest datagram to receive, in bytes; if given, announced in the SYN (3way) or START (start3)"
        serve "Largest datagram to send, in bytes [default: 1400]"
    }
    carry "WAY" => |to, value| keep(&mut to.carry, match value {
            "split" => Ok(Carry::Split),
            "fragments" => Ok(Carry::Fragments),
            _ => Err("is neither split nor fragments".into()),
        }), {
        connect "How a frame of an upload that is larger than a datagram is carried: split or fragments [default: split]"
        serve "How a frame larger than a datagram is carried: split or fragments [default: split]"
    }
    max_half_open "N" => |to, value| keep(&mut to.max_half_open, number(value, 1, DEFAULT_MAX_SESSIONS)), {
        means "a responder that keeps at most N half-open sessions"
        serve "Maximum number of half-open sessions; further SYN and START are refused [default: 1024]"
    }
    half_open_age "TIME" => |to, value| keep(&mut to.half_open_age, lasting(value)), {
        serve "Maximum lifetime of a half-open session, such as 10s [default: 10s]"
    }
    max_sessions "N" => |to, value| keep(&mut to.max_sessions, number(value, 1, 1 << 24)), {
        serve "Maximum number of sessions; further requests are refused [default: 65536]"
    }
    max_awaiting "N" => |to, value| keep(&mut to.max_awaiting, number(value, 1, 1 << 24)), {
        serve "Maximum number of requests queued for a slot; further ones are dropped [default: 1024]"
    }
    buffer_period "TIME" => |to, value| keep(&mut to.buffer_period, lasting(value)), {
        connect "How long to wait for data, such as 3s or 500ms [default: 3s]"
        serve "How long an upload may be silent before its slot is freed, such as 3s [default: 3s]"
    }
    buffer_depth "MILLISECONDS" in START3 => |to, value| {
            let depth = value.parse().ok().filter(|depth| *depth > 0);
            let fault = || "is no number of milliseconds above 0".to_owned();
            keep(&mut to.buffer_depth, depth.ok_or_else(fault).map(Some))
        }, {
        connect "Buffer to ask for, in milliseconds (start3)"
    }
    codec_hint "TEXT" in START3 => |to, value| keep(&mut to.codec_hint, match value.len() {
            1..=LONGEST_HINT => Ok(Some(value.to_owned())),
            _ => Err(format!("is not 1 to {LONGEST_HINT} bytes long")),
        }), {
        connect "Codec to ask for, 1 to 64 bytes (start3)"
    }
    no_verify => |to, _| keep(&mut to.verify, Ok(false)), {
        connect "Do not verify payloads against the counter pattern"
    }
    without "ID" => |to, value| to.without.add(value), {}
}

impl Settings {
    /// Checks what `given` says.
    ///
    /// # Errors
    /// A human-readable error that names the setting and says what would be right.
    pub(super) fn new(given: &ReferenceSettings) -> Result<Self, String> {
        let mut settings = Self::usual(given)?;
        for written in &given.options {
            let (option, number) = PROTOCOL.option(written)?;
            let set = settings.set(option.name, number.unwrap_or_default());
            set.map_err(|problem| format!("{} {problem}", option.name))?;
        }
        for (name, value) in &given.extra {
            settings
                .set(name, value)
                .map_err(|problem| format!("{name} {value:?}: {problem}"))?;
        }
        settings.stream = checked_stream(settings.stream)?;
        settings.without.change_settings(&mut settings);
        Ok(settings)
    }

    /// Sets one by its name; the value of a switch says nothing.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let row = ROWS.iter().find(|(known, ..)| *known == name);
        let (_, modes, set) = row.ok_or_else(|| {
            let names: Vec<_> = ROWS.iter().map(|(known, ..)| *known).collect();
            format!("is no setting; there are {}", names.join(", "))
        })?;
        if modes.iter().any(|mode| self.modes.contains(*mode)) {
            return set(self, value);
        }
        let modes: Vec<_> = modes.iter().map(|mode| mode.name()).collect();
        Err(format!("applies to mode {} only", modes.join(" and ")))
    }
}

/// The options of an implementation in this role that mean something in one of the modes, and nothing
/// in `legacy`.
pub(in crate::mediastream) fn options_of_handshake(role: Role, modes: Modes) -> Vec<&'static str> {
    let side = match role {
        Role::Initiator => 0,
        Role::Responder => 1,
    };
    let all = OPTIONS.iter().zip(ROWS);
    let known = all.filter(|(option, _)| option.summary.is_some() && option.help[side].is_some());
    let of_handshake = known.filter(|(_, (_, of, _))| {
        !of.contains(&Mode::Legacy) && of.iter().any(|mode| modes.contains(*mode))
    });
    of_handshake.map(|(option, _)| option.name).collect()
}

/// A time longer than 0.
fn lasting(value: &str) -> Result<Duration, String> {
    let fault = || "is no time such as 3s, 1.5s or 500ms, above 0 and up to a day".to_owned();
    let span = span(value).ok().filter(|span| !span.is_zero());
    span.ok_or_else(fault)
}
