//! Carriers of proton's reference machines and of puppets, on a network of their own.

mod connections;
mod errands;
mod misbehave;
mod quinn;
mod sessions;
mod streams;
mod test_peer;
mod world;
