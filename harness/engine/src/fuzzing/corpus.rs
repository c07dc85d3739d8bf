use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Conversation, Mutator};

/// Conversations from which others are grown, by the way in which the implementation is started for them.
#[derive(Debug, Default)]
pub struct Corpus {
    groups: BTreeMap<String, Vec<Arc<Conversation>>>,
    /// What implementations have done.
    behaviours: BTreeSet<u64>,
    names: BTreeSet<String>,
}

impl Corpus {
    /// Takes a conversation. `false` if it is there already.
    pub fn add(&mut self, group: &str, conversation: Arc<Conversation>) -> bool {
        if !self.names.insert(conversation.name()) {
            return false;
        }
        self.groups
            .entry(group.to_owned())
            .or_default()
            .push(conversation);
        true
    }

    /// Whether there is a conversation of this [name](Conversation::name).
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether nobody has done this before.
    pub fn is_new(&mut self, behaviour: u64) -> bool {
        self.behaviours.insert(behaviour)
    }

    /// How many things implementations have done that differ.
    #[must_use]
    pub fn behaviours(&self) -> usize {
        self.behaviours.len()
    }

    /// How many conversations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The ways in which the implementation is started.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        self.groups.keys().cloned().collect()
    }

    /// A conversation of a group to go on from: every other time one of the newest, which did something new,
    /// and the shorter of two.
    pub fn choose(&self, group: &str, random: &mut Mutator) -> Option<Arc<Conversation>> {
        let all = self.groups.get(group).filter(|all| !all.is_empty())?;
        let newest = (all.len() / 4).max(1);
        let mut one = || {
            let place = match random.below(2) {
                0 => all.len() - 1 - random.below(newest),
                _ => random.below(all.len()),
            };
            all.get(place)
        };
        let two = [one(), one()];
        let shorter = two.into_iter().flatten().min_by_key(|one| one.text().len());
        shorter.cloned()
    }
}
