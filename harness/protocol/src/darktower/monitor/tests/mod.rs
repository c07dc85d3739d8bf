//! Each rule on traffic that keeps it and on traffic that breaks it.

mod media;
mod orders;
mod rig;
mod signaling;
