//! Descriptions of implementations under test: how to start or reach one, and what it claims.

mod model;

pub use model::*;
