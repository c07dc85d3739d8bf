//! QUIC read back from captures of a real client and a real server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a test may fail so, says when it is skipped, speaks QUIC over loopback, and may ask another program"
)]

mod disorder;
mod plain;
mod secrets;
mod seen;
mod session;
mod talks;
mod tools;
