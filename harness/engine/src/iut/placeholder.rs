/// What a command may contain in braces.
pub(super) const KNOWN: [&str; 12] = [
    "address",
    "port",
    "peer",
    "mode",
    "seed",
    "bits_per_second",
    "frames_per_second",
    "seconds",
    "shakedown",
    "counters",
    "certificate",
    "certificate_file",
];

/// A part of a word of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// It stands for itself.
    Text(&'a str),
    /// A name in braces.
    Name(&'a str),
}

/// The parts of a word, in their order. `{{` and `}}` stand for braces, and a brace that opens or
/// closes nothing stands for itself.
#[must_use]
pub fn pieces(word: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, braces) = rest.split_at(at);
        pieces.push(Piece::Text(text));
        let name = braces
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'));
        let (piece, length) = match name {
            _ if braces.starts_with("{{") || braces.starts_with("}}") => {
                (Piece::Text(&braces[..1]), 2)
            }
            Some((name, _)) => (Piece::Name(name), name.len() + 2),
            None => (Piece::Text(&braces[..1]), 1),
        };
        pieces.push(piece);
        rest = &braces[length..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The names in braces within a word.
pub(super) fn names(word: &str) -> Vec<&str> {
    let names = pieces(word).into_iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    });
    names.collect()
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
