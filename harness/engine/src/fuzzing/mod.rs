//! Conversations grown from scenarios, to be had with an implementation that should outlive them all.
//!
//! A [`Conversation`] is a scenario whose steps want nothing any more ([`Scenario::tolerant`]): what the
//! implementation answers to garbage is its own affair. A [`Mutator`] changes what such a scenario sends, by
//! what it means and byte by byte, and the order in which it does. [`Behaviour`] is what an implementation did
//! in one, as a number that is new or was seen before; a [`Corpus`] keeps those that were new and chooses from
//! which of them to go on. A [`Volley`] follows a conversation of datagrams: thousands of others. All of it follows from seeds; whoever plays the conversations is elsewhere.
//!
//! [`Scenario::tolerant`]: crate::scenario::Scenario::tolerant

mod behaviour;
mod bytes;
mod conversation;
mod corpus;
mod mutator;
mod values;
mod volley;
mod web;

#[cfg(test)]
mod tests;

pub use behaviour::Behaviour;
pub use conversation::Conversation;
pub use corpus::Corpus;
pub use mutator::Mutator;
pub use volley::Volley;
