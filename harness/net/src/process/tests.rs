use std::path::Path;

use super::*;

fn shell(script: &str) -> Vec<OsString> {
    ["/bin/sh", "-c", script].map(OsString::from).to_vec()
}

fn start(script: &str) -> Process {
    start_with_grace(script, Duration::from_millis(200))
}

fn start_with_grace(script: &str, grace: Duration) -> Process {
    let here = ProcessEnvironment::default();
    Process::start(&shell(script), &here, Some("ready"), grace, None).unwrap()
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.unwrap()
}

/// Waits until no process of the group is left; a zombie that nobody has collected is none.
async fn gone(group: i32) {
    bounded(async {
        while lives(group) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn lives(group: i32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let Some((_, fields)) = stat.rsplit_once(") ") else {
            return false;
        };
        let fields: Vec<_> = fields.split(' ').collect();
        fields[0] != "Z" && fields[2] == group.to_string()
    })
}

#[tokio::test]
async fn a_process_that_exits_tells_its_status_and_its_last_words() {
    let process = start("echo out; echo err >&2; exit 3");
    let ended = bounded(process.wait()).await;
    assert_eq!(ended.to_string(), "exit status 3");
    let output = process.output().tail();
    assert!(
        output.contains("out\n") && output.contains("err\n"),
        "{output}"
    );
}

#[tokio::test]
async fn a_process_that_a_signal_ends_tells_the_signal() {
    let process = start("kill -ABRT $$");
    assert_eq!(
        bounded(process.wait()).await.to_string(),
        "killed by signal 6 (SIGABRT)"
    );
}

#[tokio::test]
async fn a_process_that_ends_on_sigterm_is_not_killed() {
    let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let process = start_with_grace(script, Duration::from_secs(8));
    bounded(process.output().wait_for_line()).await;
    let stopped = bounded(process.stop()).await;
    assert_eq!((stopped.ended.code, stopped.forced), (Some(0), false));
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_after_the_grace() {
    let process = start("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    bounded(process.output().wait_for_line()).await;
    let group = process.group().unwrap();
    let stopped = bounded(process.stop()).await;
    assert_eq!((stopped.ended.signal, stopped.forced), (Some(9), true));
    gone(group).await;
}

#[tokio::test]
async fn what_a_process_leaves_behind_is_ended_with_it() {
    let process = start("sleep 60 & exit 0");
    let group = process.group().unwrap();
    assert_eq!(bounded(process.wait()).await.code, Some(0));
    gone(group).await;
}

#[tokio::test]
async fn a_process_that_is_dropped_is_gone_with_its_children() {
    let process = start("sleep 60 & echo ready; wait");
    bounded(process.output().wait_for_line()).await;
    let group = process.group().unwrap();
    assert!(lives(group));
    drop(process);
    gone(group).await;
}

#[tokio::test]
async fn a_process_that_prints_megabytes_does_not_wait_for_us() {
    let process = start("yes 0123456789abcdef | head -c 8000000; exit 4");
    assert_eq!(bounded(process.wait()).await.code, Some(4));
    assert!(process.output().tail().len() < 20_000);
}

#[tokio::test]
async fn a_program_that_is_not_there_or_no_program_is_said_so() {
    let here = ProcessEnvironment::default();
    let missing = Process::start(
        &["/nowhere/server".into()],
        &here,
        None,
        Duration::ZERO,
        None,
    );
    assert_eq!(
        missing.unwrap_err().to_string(),
        "/nowhere/server cannot be started: there is no such program"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Path::exists(file.path()));
    let text = Process::start(&[file.path().into()], &here, None, Duration::ZERO, None);
    assert!(
        text.unwrap_err()
            .to_string()
            .ends_with("it may not be executed (permission denied)")
    );
}

#[tokio::test]
async fn a_daemon_with_a_session_of_its_own_ends_with_the_process_that_started_it() {
    // Its line shows that its session is its own, and it executes nothing else afterwards: meanwhile its
    // environment could not be read.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "ready\n").unwrap();
    let process = start(&format!("setsid tail -f {} & wait", file.path().display()));
    bounded(process.output().wait_for_line()).await;
    bounded(process.stop()).await;
    let daemons = process.daemons();
    assert_eq!(daemons.len(), 1, "{daemons:?}");
    bounded(async {
        while daemons.iter().any(MarkedProcess::lives) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[test]
fn a_run_is_known_by_its_number_and_its_start() {
    let run = RunId::this().unwrap();
    assert_eq!(run.to_string().parse(), Ok(run));
    assert!("17".parse::<RunId>().is_err());
}
