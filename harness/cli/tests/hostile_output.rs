//! What an implementation prints acts on no terminal and in no report.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod support;

use std::fs;
use std::path::Path;

use support::shakedown;

/// Says SYN with a wrong flag. Erases the screen, names the window, overwrites its line, ends an element and a command of a runner.
const DESCRIPTION: &str = r#"
name = "evil \u001b[31m\u202e"
protocol = "mediastream"
role = "initiator"
modes = ["3way"]
[start]
command = ["sh", "-c", "printf '\\033[2J\\033]0;owned\\007over\\rwritten ]]></failure><script>alert(1)</script>\\n::error::mine\\nok 1\\n'; exec \"$0\" connect mediastream --mode 3way --without MS-W-12/accept \"$1\"", "{shakedown}", "{peer}"]
[stream]
bits_per_second = 6400
frames_per_second = 25
seconds = 2
"#;

/// A character that does something where it is shown.
fn acting(text: &str) -> Option<char> {
    let acts = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
    text.chars().find(acts)
}

#[test]
fn escape_sequences_of_an_implementation_reach_no_report() {
    let project = tempfile::tempdir().expect("a directory can be made");
    let iut = project.path().join("evil.toml");
    fs::write(&iut, DESCRIPTION).expect("it can be written");
    let out = project.path().join("out");
    let said = |arguments: &[&str], paths: &[&Path]| {
        let output = shakedown(arguments).args(paths).output();
        let output = output.expect("the program starts");
        let both = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(both).expect("text"))
    };
    let scenario = "mediastream/3way/initiator/a-repeated-syn-ack-gets-the-same-ack";
    let first = ["run", scenario, "--iut"];
    let mut told = vec![said(&first, &[&iut, Path::new("--out"), &out])];
    for format in ["terminal", "json", "tap", "sarif", "github", "markdown"] {
        told.push(said(&["report", "--format", format], &[&out]));
    }
    for (exit, text) in told {
        assert_eq!((exit, acting(&text)), (Some(1), None), "{text}");
        assert!(
            !text.lines().any(|line| line.starts_with("::error::mine")),
            "{text}"
        );
    }
    let mut showing = 0;
    for file in ["events.jsonl", "junit.xml", "summary.md", "report.html"] {
        let text = fs::read_to_string(out.join(file)).expect("a report");
        assert_eq!(acting(&text), None, "{file}: {text}");
        let is_markup = file != "events.jsonl";
        assert!(
            !is_markup || !text.contains("<script>alert"),
            "{file}: {text}"
        );
        showing += usize::from(text.contains("owned"));
    }
    assert!(showing >= 3, "the output is told");
}
