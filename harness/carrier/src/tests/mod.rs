//! Carriers of proton's reference machines and of peers that tests script, on a network of their own.

mod connections;
mod misbehave;
mod pair;
mod quinn;
mod sessions;
mod streams;
mod test_peer;
mod workloads;
