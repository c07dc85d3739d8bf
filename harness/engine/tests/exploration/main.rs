//! Exploration of the reference and of its faulty twins.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod exhaustive;
mod streams;
mod swarm;
