use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Conversation, Mutator};

/// Conversations to mutate, in groups: each needs the implementation started with other arguments.
#[derive(Debug, Default)]
pub struct Corpus {
    groups: BTreeMap<String, Vec<Arc<Conversation>>>,
    behaviours: BTreeSet<u64>,
    names: BTreeSet<String>,
}

impl Corpus {
    /// Adds a conversation. `false` if it is known.
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

    /// Adds a feature. `false` if it is known.
    pub fn add_behaviour(&mut self, behaviour: u64) -> bool {
        self.behaviours.insert(behaviour)
    }

    /// Number of distinct features.
    #[must_use]
    pub fn behaviours(&self) -> usize {
        self.behaviours.len()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        self.groups.keys().cloned().collect()
    }

    /// Chooses a conversation to mutate: half of the time among the newest quarter, and the shorter of two candidates.
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
