//! What steps that wait have in common: when, and the requirement by which they are judged.

use std::time::Duration;

use super::Pace;
use crate::document::Pointer;
use crate::scenario::Span;
use crate::scenario::check::Checker;

/// What a step demands of the implementation besides what it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub(crate) time: Option<Time<'a>>,
    pub(crate) requirement: Option<&'a str>,
}

/// When something must come, or how long it must last.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Time<'a> {
    /// Not before the first, if there is one, and not later than the second.
    Within(Option<&'a Span>, &'a Span),
    For(&'a Span),
}

/// A step that may demand something.
pub(crate) trait Demands {
    /// When what it waits for must come, and by which requirement it is judged.
    fn demand(&self) -> Option<Demand<'_>> {
        None
    }
}

impl Demand<'_> {
    pub(crate) fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.judged_by(self.requirement, inside);
        match self.time {
            Some(Time::Within(after, within)) => check.window(after, within, inside),
            Some(Time::For(span)) => check.lasts(span, &inside.key("for")),
            None => {}
        }
    }

    pub(super) fn longest(&self, pace: &Pace<'_>) -> Duration {
        match self.time {
            Some(Time::Within(_, span) | Time::For(span)) => pace.stretched(span),
            None => Duration::ZERO,
        }
    }

    pub(super) fn shortest(&self, pace: &Pace<'_>) -> Duration {
        match self.time {
            Some(Time::Within(Some(span), _) | Time::For(span)) => pace.exactly(span),
            Some(Time::Within(None, _)) | None => Duration::ZERO,
        }
    }
}

/// Makes a form of a struct's own members: with the window in which what it waits for must come, and
/// the requirement.
macro_rules! within {
    ($(#[$about:meta])* pub struct $Form:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $Form {
            $($own)*
            /// Not before this long after the step before; 50 ms are taken off, over streams the tolerance, too.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub after: Option<Span>,
            /// Not later than this long after the step before; the tolerance is added.
            pub within: Span,
            /// The requirement by which this step is judged.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub requirement: Option<String>,
        }

        impl $Form {
            fn when(&self) -> String {
                words::window(self.after.as_ref(), &self.within)
            }

        }

        impl Demands for $Form {
            fn demand(&self) -> Option<Demand<'_>> {
                Some(Demand {
                    time: Some(Time::Within(self.after.as_ref(), &self.within)),
                    requirement: self.requirement.as_deref(),
                })
            }
        }
    };
}

/// The same with how long something must last.
macro_rules! lasting {
    ($(#[$about:meta])* pub struct $Form:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $Form {
            /// How long.
            #[serde(rename = "for")]
            pub span: Span,
            $($own)*
            /// The requirement by which this step is judged.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub requirement: Option<String>,
        }

        impl Demands for $Form {
            fn demand(&self) -> Option<Demand<'_>> {
                Some(Demand {
                    time: Some(Time::For(&self.span)),
                    requirement: self.requirement.as_deref(),
                })
            }
        }
    };
}

pub(super) use {lasting, within};
