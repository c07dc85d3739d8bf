//! Colours, and what they mean.

use anstyle::{AnsiColor, Effects, Style};
use shakedown_engine::interop::Standing;
use shakedown_engine::verdict::Verdict;

/// Headings, and the one thing in a line that matters.
pub(crate) const BOLD: Style = Style::new().effects(Effects::BOLD);
/// What is needed only by those who look for it.
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
/// What the rule wanted.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What was seen instead.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// The bytes that matter.
pub(crate) const MARK: Style = AnsiColor::Red
    .on_default()
    .effects(Effects::INVERT.insert(Effects::BOLD));

/// The colour of a verdict.
pub(crate) const fn of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => AnsiColor::Green.on_default(),
        Verdict::NotObserved | Verdict::NotApplicable => Style::new().effects(Effects::DIMMED),
        Verdict::Advice | Verdict::Waived | Verdict::Inconclusive => AnsiColor::Yellow.on_default(),
        Verdict::Error => AnsiColor::Magenta.on_default().effects(Effects::BOLD),
        Verdict::Fail => AnsiColor::Red.on_default().effects(Effects::BOLD),
    }
}

/// The colour of a pair.
pub(crate) const fn of_standing(standing: Standing) -> Style {
    match standing {
        Standing::AsDemanded => of(Verdict::Pass),
        Standing::LeftOpen | Standing::Excused | Standing::Inconclusive => {
            of(Verdict::Inconclusive)
        }
        Standing::Error => of(Verdict::Error),
        Standing::Breaks | Standing::NotAsDemanded => of(Verdict::Fail),
    }
}

/// `text` in `style`; nothing is written for an empty text.
pub(crate) fn paint(style: Style, text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("{style}{text}{style:#}"),
    }
}

/// The verdict as a word of at most 12 letters that stands out.
pub(crate) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Advice => "ADVICE",
        Verdict::Waived => "WAIVED",
        Verdict::NotObserved => "NOT OBSERVED",
        Verdict::NotApplicable => "N/A",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Error => "ERROR",
        Verdict::Fail => "FAIL",
    }
}
