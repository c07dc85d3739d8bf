/// What a command may contain in braces.
pub(super) const KNOWN: [&str; 9] = [
    "address",
    "port",
    "peer",
    "mode",
    "seed",
    "bits_per_second",
    "frames_per_second",
    "seconds",
    "shakedown",
];

/// The names in braces within a word; `{{` and `}}` stand for braces.
pub(super) fn names(word: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = word;
    while let Some(open) = rest.find('{') {
        let after = &rest[open + 1..];
        match (after.strip_prefix('{'), after.split_once('}')) {
            (Some(doubled), _) => rest = doubled,
            (None, Some((name, behind))) => {
                names.push(name);
                rest = behind;
            }
            (None, None) => break,
        }
    }
    names
}

/// Whether one of the words has one of these names in braces.
pub(super) fn any<'a>(words: impl IntoIterator<Item = &'a str>, wanted: &[&str]) -> bool {
    let mut found = words.into_iter().flat_map(names);
    found.any(|name| wanted.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_braces_are_no_placeholder() {
        assert_eq!(names("--at={address}:{port}"), ["address", "port"]);
        assert_eq!(names("{{mode}} {mode}"), ["mode"]);
        assert_eq!(names("no { end"), Vec::<&str>::new());
    }
}
