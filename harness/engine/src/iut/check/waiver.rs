use crate::document::Pointer;
use crate::iut::Waiver;

/// Something that is wrong: where, what, and what would be right.
type Wrong = (Pointer, String, Option<&'static str>);

/// What is wrong with a waiver of this protocol that stands at `place`, after those `before` that count for the same
/// implementation, besides its requirement.
pub(in crate::iut) fn wrong<'a>(
    waiver: &Waiver,
    protocol: &str,
    mut before: impl Iterator<Item = &'a Waiver>,
    place: &Pointer,
) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    if before.any(|earlier| earlier.overlaps(waiver)) {
        let message = format!("{} is waived twice", waiver.requirement);
        wrong.push((place.key("requirement"), message, None));
    }
    let folder = format!("{protocol}/");
    if let Some(scenario) = waiver
        .scenario
        .as_ref()
        .filter(|id| !id.starts_with(&folder))
    {
        let message = format!("{scenario:?} is no scenario of {protocol}");
        let help = "write its whole id, as `shakedown list scenarios` shows it";
        wrong.push((place.key("scenario"), message, Some(help)));
    }
    if waiver.because.trim().is_empty() {
        let help = "say why it is known and who will see to it";
        let message = "no reason is given".to_owned();
        wrong.push((place.key("because"), message, Some(help)));
    }
    if let Err(error) = waiver.last_day() {
        let message = format!("{:?} is no date: {error}", waiver.until);
        let help = "write year, month and day: 2027-03-01";
        wrong.push((place.key("until"), message, Some(help)));
    }
    wrong
}
