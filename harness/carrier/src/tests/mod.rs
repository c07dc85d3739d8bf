//! Carriers of proton's reference machines, on a network of their own.

mod errands;
mod world;
