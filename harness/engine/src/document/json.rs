use std::ops::Range;

use indexmap::IndexMap;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};
use serde::de::IgnoredAny;
use serde_json::{Number, Value};

use super::read::MAX_DEPTH;
use super::{Kind, Member, Node, Problem};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Parses strict JSON. Every key that stands twice is a problem of its own.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    if let Some(problem) = too_deep(text) {
        return Err(vec![problem]);
    }
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &STRICT);
    let value = match parsed {
        Ok(parsed) => parsed.value,
        Err(error) => {
            let range = error.range();
            let message = format!("this is not JSON: {}", lower(&error.kind().to_string()));
            return Err(vec![Problem::new(range.start..range.end, message)]);
        }
    };
    let Some(value) = value else {
        return Err(vec![Problem::new(0..0, "the file is empty")]);
    };
    // The tree parser accepts input that is not JSON, such as control characters in strings.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| vec![second_opinion(text, &error)])?;
    let mut problems = Vec::new();
    let node = convert(&value, &mut problems);
    if problems.is_empty() {
        Ok(node)
    } else {
        Err(problems)
    }
}

/// Both parsers recurse: nesting is bounded before they run.
fn too_deep(text: &str) -> Option<Problem> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (offset, byte) in text.bytes().enumerate() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
        if depth > MAX_DEPTH {
            let message = format!("objects and arrays are nested deeper than {MAX_DEPTH} levels");
            return Some(Problem::new(offset..offset + 1, message));
        }
    }
    None
}

fn second_opinion(text: &str, error: &serde_json::Error) -> Problem {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let mut offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let width = text[offset..].chars().next().map_or(0, char::len_utf8);
    let message = format!("this is not JSON: {}", placeless(error));
    Problem::new(offset..offset + width, message)
}

/// serde's error without its position, which is rendered by us.
#[must_use]
pub fn placeless(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn convert(value: &ast::Value<'_>, problems: &mut Vec<Problem>) -> Node {
    let kind = match value {
        ast::Value::Object(object) => Kind::Object(members(object, problems)),
        ast::Value::Array(array) => {
            let elements = array.elements.iter();
            Kind::Array(elements.map(|element| convert(element, problems)).collect())
        }
        ast::Value::StringLit(literal) => Kind::Scalar(Value::String(literal.value.to_string())),
        ast::Value::NumberLit(literal) => {
            let number = serde_json::from_str::<Number>(literal.value);
            if number.is_err() {
                let message = format!("{} is no number that can be kept", literal.value);
                problems.push(Problem::new(bytes(value), message));
            }
            Kind::Scalar(number.map_or(Value::Null, Value::Number))
        }
        ast::Value::BooleanLit(literal) => Kind::Scalar(Value::Bool(literal.value)),
        ast::Value::NullKeyword(_) => Kind::Scalar(Value::Null),
    };
    Node {
        range: bytes(value),
        kind,
    }
}

fn members(object: &ast::Object<'_>, problems: &mut Vec<Problem>) -> Vec<Member> {
    let mut members = IndexMap::<String, Member>::new();
    for property in &object.properties {
        let key = property.name.as_str().to_owned();
        let key_range = bytes(&property.name);
        let value = convert(&property.value, problems);
        if let Some(first) = members.get(&key) {
            let problem = Problem::new(key_range, format!("the key `{key}` stands twice"))
                .label("again here")
                .related(first.key_range.clone(), "first here")
                .help("remove one of them".to_owned());
            problems.push(problem);
        } else {
            let member = Member {
                key: key.clone(),
                key_range,
                value,
            };
            members.insert(key, member);
        }
    }
    members.into_values().collect()
}

fn bytes(ranged: &impl Ranged) -> Range<usize> {
    let range = ranged.range();
    range.start..range.end
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}
