/// How much names are alike of which one letter is missing, too many, another or in the wrong place.
const ONE_SLIP: f64 = 0.9;

/// The known name that was probably meant.
#[must_use]
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Without zeros before a number: `MS-W-2` is `MS-W-02`.
    let plain = |text: &str| -> String {
        let (mut plain, mut is_number) = (String::new(), false);
        let mut letters = text.chars().filter(|c| c.is_alphanumeric()).peekable();
        while let Some(letter) = letters.next().filter(|_| plain.len() < 64) {
            let is_followed = letters.peek().is_some_and(char::is_ascii_digit);
            if letter == '0' && !is_number && is_followed {
                continue;
            }
            is_number = letter.is_ascii_digit();
            plain.extend(letter.to_lowercase());
        }
        plain
    };
    let wanted = plain(name);
    let known: Vec<(&str, String)> = known
        .into_iter()
        .map(|candidate| (candidate, plain(candidate)))
        .collect();
    let scored = known.iter().map(|(candidate, letters)| {
        let is_one_slip = wanted.len() >= 3 && strsim::damerau_levenshtein(&wanted, letters) == 1;
        let alike = strsim::jaro_winkler(&wanted, letters);
        (
            alike.max(if is_one_slip { ONE_SLIP } else { 0.0 }),
            *candidate,
        )
    });
    let best = scored
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    // Whether one of its words begins so.
    let has_word = |candidate: &str| {
        let mut places = candidate.char_indices();
        places.any(|(at, first)| {
            let (before, rest) = candidate.split_at(at);
            first.is_alphanumeric()
                && !before.ends_with(char::is_alphanumeric)
                && plain(rest).starts_with(&wanted)
        })
    };
    let part = || {
        let mut known = known.iter();
        let longer = known.find(|(candidate, _)| wanted.len() >= 4 && has_word(candidate));
        longer.map(|(candidate, _)| *candidate)
    };
    best.map(|(_, candidate)| candidate).or_else(part)
}

/// Names that files used to have, and what they are called now.
const RENAMED: [(&str, &str); 9] = [
    ("go_silent", "blackhole"),
    ("speak_again", "resume"),
    ("alone", "exclusive"),
    ("lose", "drop"),
    ("twice", "duplicate"),
    ("late", "delay"),
    ("after", "reorder"),
    ("flip", "corrupt"),
    ("cut", "outage"),
];

/// The new name of one that was renamed, "did you mean ...?" if one of the known names is close, else
/// all of them.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<_> = known.into_iter().collect();
    let mut renamed = RENAMED.into_iter().filter(|(old, _)| *old == name);
    if let Some((_, new)) = renamed.find(|(_, new)| known.contains(new)) {
        return Some(format!("it is called `{new}` now"));
    }
    match closest(name, known.iter().copied()) {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there {}", one_of(&known))),
    }
}

/// What a mode, or several with commas, should have been.
#[must_use]
pub fn mode_meant(mode: &str, known: &[&str]) -> Option<String> {
    if mode.contains(',') {
        let modes = known.join(",");
        return Some(format!("several modes stand in this order: {modes}"));
    }
    did_you_mean(mode, known.iter().copied())
}

/// "did you mean ...?" for a requirement's id, else where all ids are listed.
#[must_use]
pub fn requirement_meant<'a>(id: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(id, known).map_or_else(
        || "`shakedown list requirements` shows all of them".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    )
}

/// "is `a`", "are `a`, `b` and `c`"; the tail of a long list is only counted.
#[must_use]
pub fn one_of(known: &[&str]) -> String {
    const SHOWN: usize = 16;
    let quoted: Vec<_> = known
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match quoted.split_last() {
        Some((last, [])) => format!("is {last}"),
        Some(_) if known.len() > SHOWN => {
            format!("are {} and {} more", quoted.join(", "), known.len() - SHOWN)
        }
        Some((last, rest)) => format!("are {} and {last}", rest.join(", ")),
        None => "are none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_changed_places_and_zeros_that_are_missing_are_slips() {
        assert_eq!(closest("rnu", ["report", "run", "man"]), Some("run"));
        let ids = ["MS-W-12", "MS-W-02", "MS-W-20"];
        assert_eq!(closest("MS-W-2", ids), Some("MS-W-02"));
        assert_eq!(closest("MS-W-012", ids), Some("MS-W-12"));
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let known = ["connection_id", "sequence_number", "version"];
        for slip in [
            "conection_id",
            "connectionId",
            "ConnectionID",
            "connection-id",
        ] {
            assert_eq!(closest(slip, known), Some("connection_id"), "{slip}");
        }
        assert_eq!(closest("number", known), Some("sequence_number"));
        assert_eq!(closest("colour", known), None);
        let name = "a-token-of-a-join-opens-media";
        assert_eq!(closest("opens", [name]), Some(name));
        assert_eq!(closest("nope", [name]), None);
    }

    #[test]
    fn an_old_name_leads_to_the_new_one() {
        let help = did_you_mean("alone", ["clone", "exclusive"]);
        assert_eq!(help.unwrap(), "it is called `exclusive` now");
        let help = did_you_mean("alone", ["clone"]);
        assert_eq!(help.unwrap(), "did you mean `clone`?");
    }

    #[test]
    fn without_a_close_name_all_are_told() {
        assert_eq!(did_you_mean("x", ["a"]).unwrap(), "there is `a`");
        assert_eq!(
            did_you_mean("x", ["a", "b", "c"]).unwrap(),
            "there are `a`, `b` and `c`"
        );
        assert_eq!(did_you_mean("x", []), None);
    }
}
