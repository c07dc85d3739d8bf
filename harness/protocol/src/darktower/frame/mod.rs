//! What stands on a media stream: one file each, all integers big-endian (specification, section 3).

mod frame_header;
mod stream_header;

pub use frame_header::{FrameHeader, MAX_PAYLOAD};
pub use stream_header::StreamHeader;

pub(super) use frame_header::FRAME;
pub(super) use stream_header::STREAM_HEADER;
