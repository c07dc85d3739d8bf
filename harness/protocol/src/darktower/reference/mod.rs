//! The reference of all services, and of the client.

mod controller;
mod random;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub use controller::{Controller, ControllerSettings};
pub use sessions::{Context, Departure, SessionKey, Sessions};
pub use store::{
    MOST_STREAMS, Meeting, Memory, NotDone, NotJoined, Participant, RESUMPTION, Store, Stream,
};
pub use token::{Claims, InvalidToken, Secret, TOKEN_LIFETIME, Usage};
