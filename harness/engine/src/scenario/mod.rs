//! Scenario files: what is tested, the scripted peer's steps, what must hold.

pub(crate) mod check;
mod computed;
mod library;
mod load;
pub(crate) mod matcher;
mod model;
mod other;
mod select;
mod signed;
mod span;
mod token;
mod walk;
pub(crate) mod words;
mod write;

pub(crate) use computed::{
    CLAIM, FILLED, JOIN, JWT, LONGER, NOW, OTHER_CASE, SHORTER, SUM, computed,
};
pub use library::{Library, LibraryError};
pub use load::Loaded;
pub use model::*;
pub use select::{Selection, SelectionError, Shard};
pub(crate) use span::LENGTH;
pub use span::{Environment, Span};
pub use walk::each_step;
pub use words::Line;
pub use write::to_text;

pub use crate::step::*;
