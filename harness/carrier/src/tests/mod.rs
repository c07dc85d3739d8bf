//! Carriers of proton's reference machines and of puppets, on a network of their own.

mod connections;
mod errands;
mod misbehave;
mod puppet;
mod quinn;
mod sessions;
mod streams;
mod world;
