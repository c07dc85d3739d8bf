use super::prelude::*;

/// Time to let go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
}

impl Verb for Wait {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.lasts(&self.span, &inside.key("for"));
    }

    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        state.heard = true;
    }

    fn in_words(&self) -> String {
        format!("let {} go by", self.span)
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.stretched(&self.span)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        pace.exactly(&self.span)
    }
}
