//! The scenarios of this repository are in order, and together they cover the specification.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

use rstest::rstest;
use shakedown_engine::document::{Pointer, check_text};
use shakedown_engine::scenario::{Library, Loaded, Selection, SelectionError, each_step};
use shakedown_protocol::requirement::{Role, Seen};
use shakedown_protocol::{PROTOCOLS, Protocol};

fn committed() -> Library {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    Library::read(&[folder]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_committed_scenario_loads() {
    assert!(committed().scenarios().len() >= 400);
}

#[rstest]
fn a_bad_scenario_is_refused_with_line_and_suggestion(
    #[files("tests/bad-scenarios/*.json")] path: PathBuf,
) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let shown = format!("bad-scenarios/{name}");
    let problems = match check_text(&shown, std::fs::read(&path).unwrap()) {
        Ok(text) => Loaded::parse(&shown, &text).unwrap_err(),
        Err(problems) => problems,
    };
    insta::with_settings!({ snapshot_path => "bad-scenarios/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name.trim_end_matches(".json"), problems.to_string());
    });
}

#[test]
fn only_among_the_vectors_the_path_gives_the_id() {
    let text = include_str!(
        "bad-scenarios/../../../../vectors/mediastream/scenarios/legacy/responder/a-start-token-starts-the-whole-stream.json"
    );
    assert!(Loaded::parse("base.json", text).is_ok());
    let path = "vectors/mediastream/scenarios/legacy/responder/base.json";
    let problems = Loaded::parse(path, text).unwrap_err().to_string();
    assert!(
        problems.contains("write `mediastream/legacy/responder/base`, or move the file"),
        "{problems}"
    );
}

#[test]
fn a_file_without_end_is_refused_and_not_read_to_its_end() {
    let problems = Loaded::read(Path::new("/dev/zero")).unwrap_err();
    assert!(
        problems.to_string().contains("larger than 1024 KiB"),
        "{problems}"
    );
}

#[test]
fn a_large_file_on_one_line_gets_a_short_message() {
    let steps = r#"{"wait":{"for":"1s"}},"#.repeat(10_000);
    let text = format!(r#"{{"id":7,"steps":[{steps}{{"wiat":{{}}}}]}}"#);
    let problems = Loaded::parse("large.json", &text).unwrap_err().to_string();
    assert!(problems.contains("did you mean `wait`?"), "{problems}");
    assert!(problems.len() < 4_000, "{} bytes", problems.len());
}

#[test]
fn a_file_that_is_wrong_everywhere_is_told_in_bounded_time_and_space() {
    let steps = r#"{"wiat":{}},"#.repeat(10_000);
    let text = format!(r#"{{"steps":[{steps}7]}}"#);
    let problems = Loaded::parse("wrong.json", &text).unwrap_err().to_string();
    assert!(
        problems.contains("more problems in wrong.json"),
        "{problems}"
    );
}

#[test]
fn deep_nesting_in_every_shape_is_an_error_and_no_crash() {
    for text in [
        "[",
        "{\"a\":",
        "{\"steps\":[{\"repeat\":{\"times\":1,\"steps\":[",
    ] {
        let text = text.repeat(50_000);
        let problems = Loaded::parse("deep.json", &text).unwrap_err().to_string();
        assert!(
            problems.contains("nested deeper than 64 levels"),
            "{problems}"
        );
    }
}

#[test]
fn media_that_do_not_come_break_no_rule_about_how_datagrams_look() {
    const LOOKS: [&str; 7] = [
        "MS-D-02", "MS-D-03", "MS-D-04", "MS-R-01", "MS-W-09", "MS-W-10", "MS-W-12",
    ];
    let library = committed();
    for Loaded { scenario, .. } in library.scenarios() {
        let first = scenario.requirements.first();
        each_step(&scenario.steps, &Pointer::root(), &mut |step, _| {
            let step = serde_json::to_value(step).unwrap();
            let Some(media) = step.get("expect_media") else {
                return;
            };
            let own = media.get("requirement").and_then(|id| id.as_str());
            let judged = own.or(first.map(String::as_str)).unwrap();
            assert!(!LOOKS.contains(&judged), "{}: {judged}", scenario.id);
        });
    }
}

#[test]
fn a_cause_is_a_requirement_and_nothing_is_its_own_cause() {
    for protocol in PROTOCOLS {
        // Taken away are those all of whose causes are gone; a circle stays.
        let mut left: Vec<_> = (protocol.requirements)().iter().collect();
        loop {
            let ids: Vec<_> = left.iter().map(|rule| rule.id.as_str()).collect();
            let before = left.len();
            left.retain(|rule| {
                rule.follows_from
                    .iter()
                    .any(|id| ids.contains(&id.as_str()))
            });
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "{left:#?}");
        let causes = (protocol.requirements)()
            .iter()
            .flat_map(|rule| &rule.follows_from);
        for cause in causes {
            assert!(protocol.requirement(cause).is_some(), "there is no {cause}");
        }
    }
}

/// A capture or a stimulus can show it, so some scenario must: for every role that it binds, in
/// every mode in which it applies.
#[test]
fn every_requirement_that_can_be_seen_has_a_scenario_for_each_role_and_mode() {
    let library = committed();
    let by_requirement = library.by_requirement();
    let mut missing = Vec::new();
    for protocol in PROTOCOLS {
        let requirements = (protocol.requirements)().iter();
        for requirement in requirements.filter(|one| one.seen != [Seen::Inner]) {
            for (role, mode) in requirement.roles.iter().flat_map(|role| {
                requirement
                    .modes_of(*role)
                    .iter()
                    .map(move |mode| (*role, mode))
            }) {
                let naming = by_requirement.get(requirement.id.as_str());
                let is_tested = naming.into_iter().flatten().any(|loaded| {
                    let needs = &loaded.scenario.iut;
                    let is_any = needs.mode == Protocol::ANY_MODE;
                    needs.role == role && (is_any || needs.mode.split(',').any(|one| one == mode))
                });
                if !is_tested {
                    missing.push(format!("{} {mode} {role}", requirement.id));
                }
            }
        }
    }
    assert!(missing.is_empty(), "no scenario for {missing:#?}");
}

#[test]
fn one_id_in_two_files_is_an_error_that_names_both() {
    let library = committed();
    let one = &library.scenarios()[0];
    let texts = [("a.json", &one.text), ("b.json", &one.text)];
    let name = one.scenario.id.rsplit('/').next().unwrap();
    let texts = texts.map(|(folder, text)| (format!("{folder}/{name}.json"), text));
    let error = Library::from_texts(texts).unwrap_err().to_string();
    assert!(error.contains("have the same id"), "{error}");
    assert!(
        error.contains("a.json/") && error.contains("b.json/"),
        "{error}"
    );
}

#[test]
fn folders_that_are_empty_or_missing_are_errors() {
    let empty = tempfile::tempdir().unwrap();
    let error = Library::read(&[empty.path()]).unwrap_err().to_string();
    assert!(error.contains("no scenario is in this folder"), "{error}");
    let missing = empty.path().join("missing.json");
    let error = Library::read(&[missing]).unwrap_err().to_string();
    assert!(error.contains("cannot be opened"), "{error}");
}

#[test]
fn of_a_folder_scenarios_are_taken_and_the_rest_is_told() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let name = "a-start-token-starts-the-whole-stream.json";
    let scenario = vectors
        .join("mediastream/scenarios/legacy/responder")
        .join(name);
    put(name, &std::fs::read_to_string(scenario).unwrap());
    assert_eq!(Library::read(&[folder.path()]).unwrap().left(), None);
    put(
        "package.json",
        "{ \"name\": \"x\", // of another program\n }",
    );
    let left = Library::read(&[folder.path()]).unwrap().left().unwrap();
    assert!(
        left.starts_with("1 JSON file is no scenario: ") && left.ends_with("package.json"),
        "{left}"
    );
    (0..9).for_each(|number| put(&format!("{number}.json"), "[1]"));
    let left = Library::read(&[folder.path()]).unwrap().left().unwrap();
    assert!(
        left.starts_with("10 JSON files are no scenarios: ") && left.ends_with("4.json, 5 more"),
        "{left}"
    );
    // One that is meant as a scenario is not left, whatever is wrong with it.
    put("wrong.json", "{ \"iut\": {}, \"steps\": [}");
    let error = Library::read(&[folder.path()]).unwrap_err().to_string();
    assert!(error.contains("wrong.json:1:"), "{error}");
}

#[test]
fn what_is_given_as_a_scenario_and_is_something_else_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let committed = |path: &str| std::fs::read_to_string(vectors.join(path)).unwrap();
    let told = |text: &str| {
        let path = folder.path().join("x.json");
        std::fs::write(&path, text).unwrap();
        Library::read(&[path]).unwrap_err().to_string()
    };
    let trace = r#"{"version": 1, "protocol": "mediastream", "initiator": {}, "responder": {}, "events": []}"#;
    let events = "{\"type\": \"run-started\"}\n{\"type\": \"verdict\"}\n";
    let frame = committed("mediastream/frames/error/code-256-is-unknown.json");
    let sequence = committed("mediastream/sequences/a-fragment-again.json");
    let schema = committed("schema/scenario.schema.json");
    for (text, what, command) in [
        (trace, "a trace of an exploration", "shakedown shrink"),
        (events, "events of a run", "shakedown report"),
        (&frame, "a vector of frames", "docs/vectors.md"),
        (&sequence, "a vector of frames", "docs/vectors.md"),
        (&schema, "a schema", "shakedown schema"),
    ] {
        let error = told(text);
        assert!(
            error.contains(&format!("this is {what}, and no scenario")),
            "{error}"
        );
        assert!(error.contains(command), "{error}");
    }
}

#[test]
fn a_scenario_of_another_library_stands_in_for_the_one_of_the_same_id() {
    let library = committed();
    let count = library.scenarios().len();
    let one = library.scenarios()[0].clone();
    let name = one.scenario.id.rsplit('/').next().unwrap();
    let text = one.text.replace(&one.scenario.title, "Another title");
    let other = Library::from_texts([(format!("{name}.json"), text)]).unwrap();
    let both = library.overridden_by(other);
    assert_eq!(both.scenarios().len(), count);
    assert_eq!(
        both.get(&one.scenario.id).unwrap().scenario.title,
        "Another title"
    );
}

#[test]
fn a_selection_keeps_what_every_part_of_it_wants() {
    let library = committed();
    let select = |selection: Selection| library.select(&selection).map(|found| found.len());
    let names = |names: &[&str]| Selection {
        names: names.iter().map(ToString::to_string).collect(),
        ..Selection::default()
    };
    let all = library.scenarios().len();
    assert_eq!(select(Selection::default()), Ok(all));
    let legacy = select(names(&["mediastream/legacy"])).unwrap();
    let three_way = select(names(&["mediastream/3way/"])).unwrap();
    let start3 = select(names(&["mediastream/start3"])).unwrap();
    let several = select(names(&["mediastream/3way,start3"])).unwrap();
    let proton = select(names(&["proton/any", "proton/push", "proton/pull"])).unwrap();
    let darktower = select(names(&["darktower"])).unwrap();
    assert_eq!(
        legacy + three_way + start3 + several + proton + darktower,
        all
    );
    assert_eq!(
        select(names(&[
            "mediastream/legacy/*",
            "mediastream/*",
            "proton/*",
            "darktower/*"
        ])),
        Ok(all)
    );
    let both = Selection {
        mode: Some("legacy".to_owned()),
        role: Some(Role::Initiator),
        ..names(&["*"])
    };
    assert_eq!(
        select(both).unwrap(),
        select(names(&["mediastream/legacy/initiator"])).unwrap()
    );
    assert!(matches!(
        select(names(&["mediastream/legacy", "no-such-name"])),
        Err(SelectionError::NoSuchScenario { name, .. }) if name == "no-such-name"
    ));
    let contradiction = Selection {
        mode: Some("3way".to_owned()),
        ..names(&["mediastream/legacy"])
    };
    assert!(matches!(
        select(contradiction),
        Err(SelectionError::Nothing { .. })
    ));
    let shard = Selection {
        shard: Some(format!("{0}/{0}", all + 1).parse().unwrap()),
        ..Selection::default()
    };
    assert!(matches!(select(shard), Err(SelectionError::Nothing { .. })));
}
