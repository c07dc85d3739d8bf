//! Media in datagrams, as scripts need it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::vocabulary::WordError;

/// The fields of a frame by name.
type Fields = Map<String, Value>;

/// How a protocol carries media.
#[derive(Debug, Clone, Copy)]
pub struct Media {
    /// Bytes of the smallest datagram with media: its header and a byte.
    pub smallest: usize,
    /// Bytes of the largest datagram.
    pub largest: usize,
    /// The field that numbers frames of media.
    pub number: &'static str,
    /// The datagrams of one frame, its payload the counter pattern.
    ///
    /// # Errors
    /// [`WordError`] if a value does not fit into its field.
    pub datagrams: fn(&MediaFrame) -> Result<Vec<Vec<u8>>, WordError>,
    /// What a datagram is of a frame of media; `None` if it is none. A frame that is not
    /// fragmented has this many bytes.
    pub piece: fn(frame: &str, &Fields, datagram: &[u8], frame_bytes: u64) -> Option<Piece>,
}

/// A frame of media to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaFrame {
    pub number: u64,
    /// When it leaves, as its sender counts time.
    pub time: Duration,
    /// Its bytes, headers included.
    pub bytes: u64,
    /// How it is carried.
    pub carry: Carry,
}

/// How a frame of media is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// In one datagram; split where it does not fit.
    Whole,
    /// In several datagrams with one number, without positions.
    Split,
    /// In fragments with positions.
    Fragments,
}

/// What a datagram has of a frame of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub number: u64,
    /// Its bytes that are here.
    pub bytes: u64,
    /// Bytes that the frame has.
    pub need: u64,
}
