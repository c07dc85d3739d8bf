//! The reference machines: an initiator and a responder that follow every requirement.
//!
//! What the specification leaves open is decided here:
//!
//! - **Assigned ids are fresh and random**, whatever id a SYN wishes. A spoofed SYN must not let
//!   its sender know the id that an ACK needs (MS-H-22), and a restart has another id (MS-H-23).
//! - **A SYN beyond the bound of half-open sessions is rejected** (Accept=0 with a Diagnostic)
//!   and nothing is kept. Dropping the oldest instead would break the promise of its Accept=1: its
//!   peer would confirm into the void and one side would believe in a session that the other side
//!   does not know (MS-H-25). An established session that a SYN would restart at the bound goes on.
//! - **A SYN with another wished id while the tuple is half-open replaces the half-open session**
//!   under another id, with new timers and in the same slot: the peer has begun again, and nothing
//!   was streaming that could be harmed.
//! - **A START on a half-open tuple** (a peer that fell back) starts a legacy session in its place;
//!   if the half-open session streams optimistically, it confirms it, and numbers go on (MS-L-04).
//! - **A refusal that would read as the end of the session that the tuple has is not sent**: a
//!   START that is malformed or of another version, but bears the StreamId and the Nonce of that
//!   session, is counted and dropped (MS-S-07, MS-S-17).
//! - **A handshake of the other kind on one tuple**: a SYN restarts whatever is there (MS-H-23), a
//!   START (0x0200) changes nothing and gets one ERROR 7 (MS-S-17); an ACK completes no session of
//!   `start3`, a START_CONFIRM no other one.
//! - **Nothing is kept of a session that ended**, but what an unconfirmed one sent (MS-H-22): a
//!   later SYN or START from its tuple begins anew, a later ACK is a stray one (MS-H-13).
//! - **An initiator that receives a connection-id datagram with another id** than the assigned one
//!   takes no media until its own id is sent again (MS-H-17, MS-D-10).
//! - **After falling back to START a late SYN-ACK or START_ACK is not answered**: the START ended
//!   the handshake.
//! - **Media that overtakes its START_ACK is taken if that says BEGIN_IMMEDIATELY**: without it,
//!   nothing was confirmed, and what came is of another stream (MS-S-04).
//! - **A Receiver answers a START or START_CONFIRM with its own StreamId by nothing**: an ERROR 7
//!   with that StreamId would end the stream that MS-S-17 protects.

mod carry;
mod counters;
mod deviation;
mod initiator;
mod options;
mod outputs;
mod pacing;
#[cfg(test)]
mod pair;
mod random;
mod receive;
mod responder;
mod server;
mod settings;
mod start3;
mod timers;
mod timing;
mod uploader;

use std::net::SocketAddr;

use crate::ReferenceSettings;
use crate::machine::{Fork, Machine};
use crate::mediastream::Mode;
use crate::requirement::Role;

pub(super) use deviation::TWINS;
pub(super) use options::{OPTIONS, options_of_handshake};
use settings::Settings;

/// A reference machine in the role that the settings name.
///
/// Further settings by name: `max_datagram` (bytes), `carry` (`split` or `fragments`),
/// `max_half_open` and `max_sessions` (sessions), `max_awaiting` (requests), `half_open_age` and
/// `buffer_period` (times such as `3s` or `500ms`), `buffer_depth` (milliseconds) and `codec_hint`
/// (text) of `start3`, `verify` (`true` or `false`), and `without` (the id of a requirement) for a
/// twin with that fault. What the role has no use for is ignored.
///
/// # Errors
/// A human-readable error if the settings do not go together.
pub fn new(settings: &ReferenceSettings) -> Result<Box<dyn Machine>, String> {
    let told = Settings::new(settings)?;
    Ok(match settings.role {
        Role::Responder if has_slots(&told) => Box::new(server::Server::of(told)),
        Role::Responder => Box::new(responder::Responder::new(told)),
        Role::Initiator => {
            let (mode, peer) = asks(settings, &told)?;
            if told.upload {
                Box::new(uploader::Uploader::new(told, peer))
            } else {
                Box::new(initiator::Initiator::new(told, mode, peer))
            }
        }
    })
}

/// The machine that [`new`] makes, so that its future can branch.
///
/// # Errors
/// A human-readable error if the settings do not go together, or if they ask for slots or an
/// upload.
pub fn forked(settings: &ReferenceSettings) -> Result<Box<dyn Fork>, String> {
    let told = Settings::new(settings)?;
    if told.upload || has_slots(&told) {
        return Err("machines with slots, and uploads, cannot be forked".into());
    }
    Ok(match settings.role {
        Role::Responder => Box::new(responder::Responder::new(told)),
        Role::Initiator => {
            let (mode, peer) = asks(settings, &told)?;
            Box::new(initiator::Initiator::new(told, mode, peer))
        }
    })
}

const fn has_slots(told: &Settings) -> bool {
    told.slots.is_some() || told.upload_slots > 0
}

/// How and whom an initiator asks.
fn asks(settings: &ReferenceSettings, told: &Settings) -> Result<(Mode, SocketAddr), String> {
    let peer = settings
        .peer
        .ok_or("an initiator needs the responder's address")?;
    let mode = told.modes.only().ok_or_else(|| {
        let modes = told.modes;
        format!("an initiator speaks one mode, not {modes}")
    })?;
    Ok((mode, peer))
}
