use super::prelude::*;

/// Steps to play several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Verb for Repeat {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.not_zero(Some(u64::from(self.times)), &inside.key("times"));
        if self.steps.is_empty() {
            check.empty(&inside.key("steps"), "there is no step to repeat", None);
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        let list = inside.key("steps");
        check.follow_each(&self.steps, &list, state);
        // Again: what the first round leaves behind is where the second begins. Within a second round
        // once is enough, else each level would double the work.
        if self.times > 1 && !state.is_again {
            state.is_again = true;
            check.follow_each(&self.steps, &list, state);
            state.is_again = false;
        }
    }

    fn in_words(&self) -> String {
        format!("{} times:", self.times)
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.longest(&self.steps).saturating_mul(self.times)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        pace.shortest(&self.steps).saturating_mul(self.times)
    }

    fn inner(&self, inside: &Pointer) -> Vec<Inner<'_>> {
        vec![Inner {
            title: None,
            place: inside.key("steps"),
            steps: &self.steps,
        }]
    }
}
