use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read::MAX_DEPTH;
use super::{Kind, Member, Node, Problem};

/// With more syntax errors than this a file is taken for something else than TOML.
const MOST_ERRORS: usize = 10;

/// Parses TOML. Dates become strings.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // All that follows an array without an end follows from that.
    let start = |error: &toml::de::Error| error.span().unwrap_or_default().start;
    let unclosed = errors
        .first()
        .and_then(|error| unclosed(text, start(error)));
    if let Some((bracket, at)) = unclosed {
        let message = format!("this is not TOML: this `{bracket}` is not closed");
        return Err(vec![Problem::new(at..at + 1, message)]);
    }
    if errors.len() > MOST_ERRORS {
        let first = errors.first().and_then(toml::de::Error::span);
        let message = format!(
            "this is no TOML file: it has {} syntax errors",
            errors.len()
        );
        return Err(vec![Problem::new(first.unwrap_or_default(), message)]);
    }
    if !errors.is_empty() {
        let errors = errors.iter().map(|error| {
            let range = error.span().unwrap_or_default();
            Problem::new(range, format!("this is not TOML: {}", error.message()))
        });
        return Err(errors.collect());
    }
    let mut problems = Vec::new();
    let kind = Kind::Object(members(table.get_ref(), 1, &mut problems));
    if problems.is_empty() {
        Ok(Node { range: 0..0, kind })
    } else {
        Err(problems)
    }
}

/// The bracket of an array that is open at the end of a line before `place`, where a new key or table begins there.
fn unclosed(text: &str, place: usize) -> Option<(char, usize)> {
    let before = text.get(..place)?;
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let rest = text.get(line..)?.lines().next()?;
    let key = rest.split_once('=').map(|(key, _)| key.trim());
    let is_key = key.is_some_and(|key| {
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        !key.is_empty() && key.bytes().all(is_bare)
    });
    let is_table = rest.starts_with('[');
    let mut open = Vec::new();
    let (mut quote, mut is_comment) = (None, false);
    for (at, letter) in text.get(..line)?.char_indices() {
        match (letter, quote) {
            ('\n', _) => (quote, is_comment) = (None, false),
            _ if is_comment => {}
            (letter, Some(ending)) if letter == ending => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('#', None) => is_comment = true,
            ('[', None) => open.push((letter, at)),
            (']', None) => drop(open.pop()),
            _ => {}
        }
    }
    open.pop().filter(|_| is_key || is_table)
}

fn convert(value: &Spanned<DeValue<'_>>, depth: usize, problems: &mut Vec<Problem>) -> Node {
    let range = value.span();
    if depth > MAX_DEPTH {
        let message = format!("tables and arrays are nested deeper than {MAX_DEPTH} levels");
        problems.push(Problem::new(range.clone(), message));
        return Node {
            range,
            kind: Kind::Scalar(Value::Null),
        };
    }
    let kind = match value.get_ref() {
        DeValue::Table(table) => Kind::Object(members(table, depth + 1, problems)),
        DeValue::Array(array) => {
            let elements = array.iter();
            Kind::Array(
                elements
                    .map(|element| convert(element, depth + 1, problems))
                    .collect(),
            )
        }
        DeValue::String(text) => Kind::Scalar(Value::String(text.to_string())),
        DeValue::Boolean(value) => Kind::Scalar(Value::Bool(*value)),
        DeValue::Datetime(date) => Kind::Scalar(Value::String(date.to_string())),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            Kind::Scalar(number.map_or_else(
                |_| {
                    problems.push(Problem::new(range.clone(), "this number is too large"));
                    Value::Null
                },
                |number| Value::Number(number.into()),
            ))
        }
        DeValue::Float(float) => {
            let number = float
                .as_str()
                .parse::<f64>()
                .ok()
                .and_then(Number::from_f64);
            Kind::Scalar(number.map_or_else(
                || {
                    problems.push(Problem::new(range.clone(), "this is no finite number"));
                    Value::Null
                },
                Value::Number,
            ))
        }
    };
    Node { range, kind }
}

/// In the file's order, which the table itself does not keep.
fn members(table: &DeTable<'_>, depth: usize, problems: &mut Vec<Problem>) -> Vec<Member> {
    let mut members: Vec<_> = table
        .iter()
        .map(|(key, value)| Member {
            key: key.get_ref().to_string(),
            key_range: key.span(),
            value: convert(value, depth, problems),
        })
        .collect();
    members.sort_by_key(|member| member.key_range.start);
    members
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::before_a_key("modes = [\"3way\"\nstart = { command = [\"x\"] }\n", Some(8))]
    #[case::before_a_table("modes = [\"3way\",\n  'start3]'\n[start]\nx = 1\n", Some(8))]
    #[case::inner("a = [[1], [2] # ]\nb = 1\n", Some(4))]
    #[case::something_else("a = [1 2]\n", None)]
    #[case::a_word("name = x\n", None)]
    fn one_error_is_told_at_the_bracket_that_is_not_closed(
        #[case] text: &str,
        #[case] bracket: Option<usize>,
    ) {
        let problems = parse(text).err().unwrap();
        let problem = problems.first().unwrap();
        assert!(bracket.is_none() || problems.len() == 1, "{problems:?}");
        let is_bracket = problem.message == "this is not TOML: this `[` is not closed";
        assert_eq!(
            is_bracket.then_some(problem.range.start),
            bracket,
            "{problem:?}"
        );
    }
}
