//! The protocols that Shakedown knows: one folder each, and one list of them.
//!
//! A protocol is frames (borrowed decode, exact encode), reference machines for both roles, a
//! passive monitor, the requirements that they cite, and the vocabulary by which a scenario names
//! its frames and fields. Everything here is without I/O: [`machine`] says how time and input come
//! in and output goes out. This crate depends on `shakedown-wire` alone and must not touch
//! sockets, processes, threads or clocks.

pub mod event_loop;
pub mod exploration;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod hex;
pub mod machine;
pub mod media;
pub mod monitor;
pub mod pair;
pub mod pattern;
pub mod requirement;
pub mod stream_decoder;
pub mod streams;
pub mod vocabulary;
pub mod web;
pub mod wireshark;

mod protocol;
mod sealed;
mod sending;
mod setting;
mod specification;
mod tolerance;
mod twin;

pub use protocol::{
    Forked, GivenValue, Hello, MonitorSettings, Protocol, ProtocolMonitor, RandomRuns,
    ReceiveTimeout, Reference, ReferenceSettings, StreamParameters, Transport, ValueForm, protocol,
};
pub use sealed::{SEALED, Sealed};
pub use setting::ProtocolOption;
pub use specification::Specification;
pub use tolerance::Tolerance;
pub use twin::Twin;

/// Declares the module of each protocol, and lists them.
macro_rules! protocols {
    ($($name:ident,)*) => {
        $(pub mod $name;)*

        /// Every protocol, in the order in which they are listed.
        pub static PROTOCOLS: [&Protocol; [$(stringify!($name)),*].len()] =
            [$(&$name::PROTOCOL),*];
    };
}

protocols! {
    mediastream,
    proton,
    darktower,
}
