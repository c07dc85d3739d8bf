//! What the pages in `docs/` show is true: examples load, the table of requirements is whole.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    reason = "an example is run as a process, and helpers of tests may panic"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use serde_json::{Value, json};
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Loaded;
use shakedown_protocol::mediastream::PROTOCOL;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::read_to_string(path.join(name)).expect("the page is there")
}

/// The fenced blocks of a page that begin with this word.
fn blocks<'a>(page: &'a str, kind: &'a str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let starts = page.split(fence.as_str()).skip(1);
    starts
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_protocol_that_is_shown_has_every_field() {
    let page = page("new-protocol.md");
    let shown = blocks(&page, "rust").concat();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src/protocol.rs");
    let source = std::fs::read_to_string(source).expect("the source is there");
    let fields = source.split("pub struct Protocol {").nth(1);
    let fields = fields.and_then(|rest| rest.split("\n}").next());
    let fields = fields.expect("a struct").lines();
    let names = fields.filter_map(|line| line.strip_prefix("    pub ")?.split(':').next());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 20, "{names:?}");
    let has = |name: &&str| shown.contains(&format!("\n    {name}: "));
    let missing: Vec<_> = names.into_iter().filter(|name| !has(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_scenarios_that_are_shown_load() {
    let page = page("scenarios.md");
    let blocks = blocks(&page, "json scenario");
    assert_eq!(blocks.len(), 2);
    for text in blocks {
        let value: Value = serde_json::from_str(text).expect("the example is JSON");
        let id = value["id"].as_str().expect("the example has an id");
        load(id, text);
    }
}

#[test]
fn the_steps_that_are_shown_load_in_a_scenario() {
    let page = page("scenarios.md");
    let blocks = blocks(&page, "json steps");
    assert_eq!(blocks.len(), 5);
    for text in blocks {
        let shown: Vec<Value> = serde_json::from_str(text).expect("the example is JSON");
        let mut steps = vec![
            json!({ "send": { "frame": "SYN", "fields": { "connection_id": "$wish" } } }),
            json!({ "expect": { "frame": "SYN-ACK", "within": "1s",
                                "bind": { "id": "connection_id" } } }),
        ];
        steps.extend(shown);
        // Every socket that is declared is used.
        steps.push(json!({ "expect_nothing": { "for": "1ms", "at": "other" } }));
        let id = "mediastream/3way/responder/an-example";
        let scenario = json!({
            "id": id,
            "title": "An example",
            "requirements": ["MS-H-05", "MS-D-01", "MS-H-16"],
            "iut": { "role": "responder", "mode": "3way", "options": ["optimistic_start"] },
            "let": { "wish": { "uuid": {} } },
            "sockets": { "other": { "other_port": {} } },
            "steps": steps,
        });
        load(id, &scenario.to_string());
    }
}

#[test]
fn the_steps_over_streams_that_are_shown_load_in_a_scenario() {
    let page = page("scenarios.md");
    let blocks = blocks(&page, "json streams");
    assert_eq!(blocks.len(), 3);
    for text in blocks {
        let shown: Vec<Value> = serde_json::from_str(text).expect("the example is JSON");
        let mut steps = vec![
            json!({ "connect": {} }),
            json!({ "expect_connected": { "within": "5s" } }),
            json!({ "open": { "stream": "event" } }),
        ];
        steps.extend(shown);
        let id = "proton/any/server/an-example";
        let mut scenario = json!({
            "id": id,
            "title": "An example",
            "requirements": ["PR-C-03"],
            "iut": { "role": "server", "mode": "any" },
            "steps": steps,
        });
        if text.contains("$id") {
            scenario["let"] = json!({ "id": { "value": 7 } });
        }
        load(id, &scenario.to_string());
    }
}

#[test]
fn the_steps_over_http_3_that_are_shown_load_in_a_scenario() {
    let page = page("scenarios.md");
    let blocks = blocks(&page, "json web");
    assert_eq!(blocks.len(), 1);
    for text in blocks {
        let shown: Vec<Value> = serde_json::from_str(text).expect("the example is JSON");
        let mut steps = vec![
            json!({ "connect": {} }),
            json!({ "expect_connected": { "within": "5s" } }),
        ];
        steps.extend(shown);
        let id = "darktower/gc,mc/server/an-example";
        let scenario = json!({
            "id": id,
            "title": "An example",
            "requirements": ["DT-G-01"],
            "iut": { "role": "server", "mode": "gc,mc" },
            "let": { "bearer": { "value": "a token" } },
            "steps": steps,
        });
        load(id, &scenario.to_string());
    }
}

#[test]
fn the_impairment_that_is_shown_loads_and_is_the_one_of_the_command_line() {
    let page = page("scenarios.md");
    let blocks = blocks(&page, "json impair");
    assert_eq!(blocks.len(), 1);
    for text in blocks {
        let impair: Impairment = serde_json::from_str(text).expect("the example is an impairment");
        assert_eq!(impair.problems(Some(PROTOCOL.vocabulary)), []);
        let line = page.lines().find(|line| line.starts_with("`drop="));
        let line = line.expect("the command line is shown");
        let line = line.trim_end_matches('.').trim_matches('`');
        assert_eq!(line.parse(), Ok(impair));
    }
}

fn load(id: &str, text: &str) {
    let name = id.rsplit('/').next().unwrap_or_default();
    if let Err(problems) = Loaded::parse(&format!("{name}.json"), text) {
        panic!("{}", problems.render(false));
    }
}

#[rstest]
#[case("iut.md", 8)]
#[case("darktower.md", 3)]
#[case("../README.md", 2)]
fn the_descriptions_that_are_shown_load(#[case] name: &str, #[case] number: usize) {
    let page = page(name);
    let blocks = blocks(&page, "toml");
    assert_eq!(blocks.len(), number);
    for text in blocks {
        if let Err(problems) = Iut::parse(name, text) {
            panic!("{}", problems.render(false));
        }
    }
}

#[rstest]
fn links_between_pages_lead_somewhere(
    #[files("../../*.md")]
    #[files("../../docs/**/*.md")]
    #[files("../../pcaps/**/*.md")]
    #[files("../../reports/*.md")]
    path: PathBuf,
) {
    let page = std::fs::read_to_string(&path).expect("the page is there");
    for rest in page.split("](").skip(1) {
        let target = rest.split(')').next().unwrap_or_default();
        if target.contains("://") {
            continue;
        }
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let there = match file {
            "" => path.clone(),
            file => path.with_file_name("").join(file),
        };
        assert!(there.exists(), "{} links to {target}", path.display());
        if !heading.is_empty() {
            let page = std::fs::read_to_string(&there).expect("the page is there");
            let mut headings = page.lines().filter(|line| line.starts_with('#'));
            assert!(
                headings.any(|line| anchor(line) == heading),
                "{} links to {target}",
                path.display()
            );
        }
    }
}

/// The name by which a link finds a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let words = words.replace(' ', "-");
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
        .collect()
}

#[test]
fn the_python_example_passes_the_vectors_and_fails_without_its_length_rule() {
    let page = page("vectors.md");
    let blocks = blocks(&page, "python");
    let [example] = blocks[..] else {
        panic!("one example");
    };
    assert!(example.lines().count() <= 40);
    let run = |program: &str| {
        Command::new("python3")
            .args(["-c", program, "../../vectors"])
            .output()
    };
    let Ok(passed) = run(example) else {
        eprintln!("python3 is not installed; the example of docs/vectors.md was NOT run");
        return;
    };
    assert_eq!(
        String::from_utf8_lossy(&passed.stdout),
        "37 vectors\n",
        "{passed:?}"
    );
    let faulty = example.replace(">= 27", ">= 26");
    let failed = run(&faulty).expect("it ran before");
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(said.contains("AssertionError: mediastream/data/"), "{said}");
}

#[rstest]
#[case("docs/examples/ci/github.yml")]
#[case("docs/examples/ci/gitlab.yml")]
#[case("docs/examples/ci/kubernetes.yaml")]
#[case(".github/actions/shakedown/action.yml")]
fn a_shell_understands_the_calls_of_the_examples_for_ci_and_the_program_knows_their_flags(
    #[case] file: &str,
) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(file)).expect("the example is there");
    // A folded line of YAML goes on in the next.
    let text = text.replace("\n              --", " --");
    let calls = text.lines().filter_map(|line| {
        let call = [
            "shakedown run --",
            "shakedown report parts",
            "shakedown report reports",
        ];
        let begins = call.iter().find_map(|call| line.find(call))?;
        Some(&line[begins..])
    });
    let mut played = 0;
    for call in calls {
        let shell = format!("shakedown() {{ \"$PROGRAM\" \"$@\" --help; }}; {call}");
        let output = Command::new("sh")
            .args(["-euc", &shell])
            .env("PROGRAM", env!("CARGO_BIN_EXE_shakedown"))
            .envs([
                ("IUT", "iut.toml"),
                ("OUT", "out"),
                ("ARGUMENTS", "--shard 1/3"),
            ])
            .envs([
                ("CI_NODE_INDEX", "1"),
                ("CI_NODE_TOTAL", "3"),
                ("JOB_COMPLETION_INDEX", "0"),
            ])
            .output()
            .expect("there is a shell");
        assert!(output.status.success(), "{call}: {output:?}");
        played += 1;
    }
    assert!(played > 0, "{file} has no call");
}
