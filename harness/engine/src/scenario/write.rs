use serde_json::Value;

/// The text of a scenario's file as people write it: a line for each member, and for each step.
#[must_use]
pub fn to_text(scenario: &Value) -> String {
    let Value::Object(members) = scenario else {
        return format!("{}\n", inline(scenario));
    };
    let lines: Vec<_> = members
        .iter()
        .map(|(name, value)| match (name.as_str(), value) {
            ("steps", Value::Array(steps)) => format!("  \"steps\": {}", listed(steps, 2)),
            (_, value) => format!("  {}: {}", Value::from(name.as_str()), inline(value)),
        })
        .collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// Steps, each on a line of its own; those within others are indented by 4 more.
fn listed(steps: &[Value], indent: usize) -> String {
    if steps.is_empty() {
        return "[]".to_owned();
    }
    let lines: Vec<_> = steps
        .iter()
        .map(|step| format!("{:indent$}  {}", "", on_lines(step, indent + 2)))
        .collect();
    format!("[\n{}\n{:indent$}]", lines.join(",\n"), "")
}

/// A step or a branch: on one line unless it holds steps.
fn on_lines(value: &Value, indent: usize) -> String {
    let holds_steps = |value: &Value| value.get("steps").is_some_and(Value::is_array);
    match value {
        Value::Object(members) if holds_steps(value) => {
            let members = members.iter().map(|(name, value)| match value {
                Value::Array(steps) if name == "steps" => {
                    format!("\"steps\": {}", listed(steps, indent))
                }
                value => format!("{}: {}", Value::from(name.as_str()), inline(value)),
            });
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let text = match value {
                    Value::Array(branches) if branches.iter().any(holds_steps) => {
                        listed(branches, indent)
                    }
                    value if holds_steps(value) => on_lines(value, indent),
                    value => inline(value),
                };
                format!("{}: {text}", Value::from(name.as_str()))
            });
            spaced('{', members.collect(), '}')
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            inline(value)
        }
    }
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), inline(value)));
            spaced('{', members.collect(), '}')
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(inline).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn spaced(open: char, parts: Vec<String>, close: char) -> String {
    match parts.is_empty() {
        true => format!("{open}{close}"),
        false => format!("{open} {} {close}", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scenario_is_written_with_each_step_on_a_line_and_is_the_same_when_read() {
        let scenario = json!({
            "id": "a/b", "requirements": ["X", "Y"], "let": { "id": { "uuid": {} } },
            "steps": [
                { "send": { "frame": "SYN", "fields": { "connection_id": "$id" } } },
                { "repeat": { "times": 2, "steps": [{ "wait": { "for": "1s" } }] } },
                { "either": [{ "title": "A \"b\"", "steps": [{ "restart_iut": {} }] }] },
            ],
        });
        let text = to_text(&scenario);
        let expected = "{\n  \"id\": \"a/b\",\n  \"requirements\": [\"X\", \"Y\"],\n  \
            \"let\": { \"id\": { \"uuid\": {} } },\n  \"steps\": [\n    \
            { \"send\": { \"frame\": \"SYN\", \"fields\": { \"connection_id\": \"$id\" } } },\n    \
            { \"repeat\": { \"times\": 2, \"steps\": [\n      { \"wait\": { \"for\": \"1s\" } }\n    \
            ] } },\n    { \"either\": [\n      { \"title\": \"A \\\"b\\\"\", \"steps\": [\n        \
            { \"restart_iut\": {} }\n      ] }\n    ] }\n  ]\n}\n";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), scenario);
    }
}
