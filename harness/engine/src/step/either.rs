use super::prelude::*;

// Acceptable continuations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Either(pub Vec<Branch>);

/// One acceptable continuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// What it means, as a fact.
    pub title: String,
    /// Its steps; the first is `expect`, `expect_nothing`, `expect_media` or `expect_exit`, over
    /// streams one that waits.
    pub steps: Vec<Step>,
}

impl Verb for Either {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if self.0.is_empty() {
            check.empty(inside, "`either` has no branch", None);
        }
        for (index, branch) in self.0.iter().enumerate() {
            let place = inside.index(index);
            if branch.title.trim().is_empty() {
                check.at(&place.key("title"), "the title is empty", None);
            }
            first_of_branch(branch.steps.first(), check, &place.key("steps"));
            let is_same = |earlier: &&Branch| earlier.steps.first() == branch.steps.first();
            let before = self.0[..index].iter();
            if let Some((same, _)) = before.enumerate().find(|(_, earlier)| is_same(earlier))
                && !branch.steps.is_empty()
            {
                let first = |index| inside.index(index).key("steps").index(0);
                check.never_taken(&first(same), &first(index));
            }
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        let branches = self.inner(inside).into_iter().map(|branch| {
            let mut state = state.clone();
            check.follow_each(branch.steps, &branch.place, &mut state);
            state
        });
        let ends = branches.collect();
        if let Some(joined) = State::join(ends) {
            *state = joined;
        }
    }

    fn in_words(&self) -> String {
        "whichever comes first:".to_owned()
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        let branches = self.0.iter().map(|branch| pace.longest(&branch.steps));
        branches.max().unwrap_or_default()
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        let branches = self.0.iter().map(|branch| pace.shortest(&branch.steps));
        branches.min().unwrap_or_default()
    }

    fn inner(&self, inside: &Pointer) -> Vec<Inner<'_>> {
        let numbered = self.0.iter().enumerate();
        let inner = numbered.map(|(index, branch)| Inner {
            title: Some(&branch.title),
            place: inside.index(index).key("steps"),
            steps: &branch.steps,
        });
        inner.collect()
    }
}

fn first_of_branch(first: Option<&Step>, check: &mut Checker<'_>, place: &Pointer) {
    let Some(first) = first else {
        return check.empty(place, "the branch has no step", None);
    };
    if first.may_begin_branch() {
        return;
    }
    let verb = first.verb();
    let message = format!("a branch cannot begin with `{verb}`");
    let help = match check.is_over_streams() {
        true => {
            "it is chosen by what happens: begin with `read`, `expect_close` or another step that \
             waits"
        }
        false => {
            "it is chosen by what happens: begin with `expect`, `expect_nothing`, `expect_media` \
             or `expect_exit`"
        }
    };
    check.at_key(&place.index(0).key(verb), message, Some(help.to_owned()));
}
