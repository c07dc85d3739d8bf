use std::sync::{Arc, OnceLock};

use rstest::rstest;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Scenario;

use super::*;
use crate::launch::Launcher;
use crate::run::Target;

const SCENARIO: &str = r#"{
  "id": "mediastream/legacy/responder/x", "title": "X", "requirements": ["MS-D-08"],
  "iut": { "role": "responder", "mode": "legacy" },
  "inside": [{ "counter": "duplicates", "is": 3, "requirement": "MS-D-08" }],
  "steps": [{ "send": { "frame": "JOIN token" } }]
}"#;

const IUT: &str = r#"
name = "x"
protocol = "mediastream"
role = "responder"
modes = ["legacy"]
[start]
command = ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", "{address}"]
ready = { line = "ready" }
[reach]
address = "127.0.0.1:{port}"
[stream]
bits_per_second = 400000
frames_per_second = 50
seconds = 2
[observe]
counters = { duplicates = "/rx/dup" }
"#;

fn job(how: &str) -> Job {
    let iut = Iut::parse("x.toml", &(IUT.to_owned() + how)).unwrap();
    let launcher = Arc::new(Launcher::new(Arc::new(iut), 1, String::new()));
    let target = Target {
        protocol: &shakedown_protocol::mediastream::PROTOCOL,
        launcher: Arc::clone(&launcher),
        is_full: true,
        gone: OnceLock::new(),
    };
    Job {
        target: Arc::new(target),
        launcher,
        scenario: Arc::new(serde_json::from_str::<Scenario>(SCENARIO).unwrap()),
        group: None,
        spoilt: 0,
        plays: 0,
    }
}

/// What it counted, as a run finds it out.
async fn read(how: &str) -> Counter {
    let job = job(how);
    let found = Instance::found(([127, 0, 0, 1], 4_444).into());
    let asked = job.asked(Some(&found), false).await;
    let mut counters = match asked {
        Some(counters) => counters,
        None => job.left(Some(&found), Duration::ZERO).await,
    };
    counters.remove("duplicates").unwrap()
}

fn why(counter: Counter) -> String {
    match counter {
        Counter::Unreadable(why) => why,
        Counter::Is(_) | Counter::Unseen(_) => panic!("it was read: {counter:?}"),
    }
}

#[tokio::test]
async fn a_command_and_a_file_give_the_same_counters() {
    let printed = read(r#"command = ["echo", '{{ "rx": {{ "dup": 3 }} }}']"#).await;
    assert_eq!(printed, Counter::Is(3));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("4444"), r#"{"rx": {"dup": 3}}"#).unwrap();
    let file = format!("file = \"{}/{{port}}\"", folder.path().display());
    assert_eq!(read(&file).await, Counter::Is(3));
}

#[tokio::test]
async fn a_command_is_asked_again_until_what_has_arrived_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    // One more each time, and one call that fails among them.
    let script = format!(
        r#"echo >>{0}; n=$(wc -l <{0}); test $n != 2 && echo "{{{{ \"rx\": {{{{ \"dup\": $n }} }}""#,
        seen.display()
    );
    let how = format!("command = [\"sh\", \"-c\", '''{script}''']\nwithin = \"20s\"");
    assert_eq!(read(&how).await, Counter::Is(3));
}

#[tokio::test]
async fn what_a_command_says_at_last_counts() {
    let how =
        r#"command = ["echo", '{{ "rx": {{ "dup": 2 }} }}']"#.to_owned() + "\nwithin = \"200ms\"";
    assert_eq!(read(&how).await, Counter::Is(2));
}

#[rstest]
#[case::no_json(r#"["echo", "rx 3"]"#, "it gives no JSON")]
#[case::nothing(r#"["true"]"#, "it gives no JSON")]
#[case::elsewhere(
    r#"["echo", '{{ "dup": 3 }}']"#,
    "nothing is there; numbers are at \"/dup\""
)]
#[case::a_fraction(
    r#"["echo", '{{ "rx": {{ "dup": 3.5 }} }}']"#,
    "there is 3.5: no whole number"
)]
#[case::negative(
    r#"["echo", '{{ "rx": {{ "dup": -3 }} }}']"#,
    "there is -3: no whole number"
)]
#[case::text(
    r#"["echo", '{{ "rx": {{ "dup": "3" }} }}']"#,
    "there is \"3\": no whole number"
)]
#[case::too_large(
    r#"["echo", '{{ "rx": {{ "dup": 99999999999999999999 }} }}']"#,
    "no whole number"
)]
#[case::it_fails(r#"["false"]"#, "exit status: 1; it is to end with 0")]
#[case::it_hangs(r#"["sh", "-c", "sleep 60 & sleep 60"]"#, "it did not end within")]
#[case::no_program(
    r#"["/no/such/program"]"#,
    "it cannot be started: there is no such program"
)]
#[case::huge(
    r#"["head", "-c", "2000000", "/dev/zero"]"#,
    "it gives more than 1048576 bytes"
)]
#[case::endless(r#"["yes"]"#, "it gives more than 1048576 bytes")]
#[tokio::test]
async fn a_command_that_gives_no_counters_is_told(#[case] command: &str, #[case] told: &str) {
    let how = format!("command = {command}\nwithin = \"300ms\"");
    let why = why(read(&how).await);
    assert!(why.contains(told), "{why}");
}

#[rstest]
#[case::missing("/no/such/folder", "it cannot be read")]
#[case::a_folder("/", "it is no file")]
#[case::a_device("/dev/zero", "it is no file")]
#[tokio::test]
async fn what_is_no_file_is_told_and_not_opened(#[case] path: &str, #[case] told: &str) {
    let found = Instance::found(([127, 0, 0, 1], 4_444).into());
    let why = whole(Path::new(path), &found, UNIX_EPOCH)
        .await
        .unwrap_err();
    assert!(why.contains(told), "{why}");
}

#[tokio::test]
async fn a_file_from_before_the_scenario_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old");
    std::fs::write(&path, "{}").unwrap();
    let found = Instance::found(([127, 0, 0, 1], 4_444).into());
    let later = SystemTime::now() + Duration::from_secs(1);
    let why = whole(&path, &found, later).await.unwrap_err();
    assert!(why.contains("was not written since"), "{why}");
}

#[tokio::test]
async fn a_process_that_could_not_write_in_the_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counters");
    let job = job("file = \"{port}\"");
    for (kill, is_read) in [(false, true), (true, false)] {
        let instance = job.launcher.responder(&job.scenario.iut).await.unwrap();
        let process = instance.process.as_ref().unwrap();
        std::fs::write(&path, "{}").unwrap();
        match kill {
            true => drop(process.kill().await),
            false => drop(process.stop().await),
        }
        let read = whole(&path, &instance, UNIX_EPOCH).await;
        assert_eq!(read.is_ok(), is_read, "{read:?}");
        assert!(is_read || read.unwrap_err().contains("killed by signal 9"));
    }
}

#[tokio::test]
async fn where_nobody_says_how_or_others_are_counted_too_nothing_is_seen() {
    let found = Instance::found(([127, 0, 0, 1], 4_444).into());
    let mut job = job("file = \"{port}\"");
    let shared = job.asked(Some(&found), true).await.unwrap();
    assert_eq!(
        shared["duplicates"],
        Counter::Unseen("its process counts other scenarios, too".to_owned())
    );
    let mut iut = (*job.launcher.iut).clone();
    iut.observe = None;
    job.launcher = Arc::new(Launcher::new(Arc::new(iut), 1, String::new()));
    let silent = job.asked(Some(&found), false).await.unwrap();
    assert_eq!(
        silent["duplicates"],
        Counter::Unseen("the description has no [observe]".to_owned())
    );
}
