//! Scenario files: what is tested, the scripted peer's steps, what must hold.

mod model;
mod span;

pub use model::*;
pub use span::{Environment, Span};
