use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read::MAX_DEPTH;
use super::{Kind, Member, Node, Problem};

/// Parses TOML. Dates become strings.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
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
