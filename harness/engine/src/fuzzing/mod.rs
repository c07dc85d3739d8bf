//! Inputs for fuzzing an implementation: conversations made from scenarios, and their mutations.
//!
//! A [`Conversation`] is a [tolerant](crate::scenario::Scenario::tolerant) scenario: its steps expect nothing. A
//! [`Mutator`] changes its steps by their structure and byte by byte. [`Behaviour`] is what the implementation
//! responded, as a feature that is new or was seen before; a [`Corpus`] keeps the conversations that reached new
//! features. A [`DatagramMutator`] makes many mutated datagrams from the frames of one conversation. Everything
//! follows from seeds and nothing does I/O.

mod behaviour;
mod bytes;
mod conversation;
mod corpus;
mod datagrams;
mod http3;
mod json_values;
mod mutator;

#[cfg(test)]
mod tests;

pub use behaviour::Behaviour;
pub use conversation::Conversation;
pub use corpus::Corpus;
pub use datagrams::DatagramMutator;
pub use mutator::Mutator;
