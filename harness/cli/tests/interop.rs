//! Foreign peers at one table: each implementation is a process of its own.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

const RESPONDER: &str = include_str!("../../../vectors/mediastream/reference-responder.toml");
const INITIATOR: &str = include_str!("../../../vectors/mediastream/reference-initiator.toml");
const PAGE: &str = include_str!("../../../docs/mediastream.md");

const SERVER: &str = include_str!("../../../vectors/proton/reference-server.toml");
const CLIENT: &str = include_str!("../../../vectors/proton/reference-client.toml");
const SERVICES: &str = include_str!("../../../vectors/darktower/reference-server.toml");
const PARTICIPANT: &str = include_str!("../../../vectors/darktower/reference-client.toml");
const PAGE_OVER_WEBTRANSPORT: &str = include_str!("../../../docs/interop.md");

const PAGE_OVER_QUIC: &str = include_str!("../../../docs/proton.md");

/// Descriptions and reports of one test.
struct Table {
    folder: TempDir,
    files: Vec<PathBuf>,
}

impl Table {
    fn new(descriptions: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut files = Vec::new();
        for (number, text) in descriptions.iter().enumerate() {
            let file = folder.path().join(format!("{number}.toml"));
            std::fs::write(&file, text).expect("a description can be written");
            files.push(file);
        }
        Self { folder, files }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SHAKEDOWN);
        command
            .args([
                "interop", "--level", "may", "--format", "json", "--force", "--out",
            ])
            .arg(self.folder.path().join("out"))
            .args(arguments)
            .args(&self.files)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Output, Vec<Value>) {
        let output = self.command(arguments).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().map(serde_json::from_str);
        let events = lines.map(|line| line.expect("a line of JSON")).collect();
        (output, events)
    }

    fn report(&self, name: &str) -> String {
        let path = self.folder.path().join("out").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn of_type<'a>(events: &'a [Value], name: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == name)
}

fn the_pair(events: &[Value]) -> &Value {
    let mut pairs = of_type(events, "pair");
    let pair = pairs.next().expect("a pair");
    assert!(pairs.next().is_none(), "more than one pair");
    pair
}

/// How a side is called in the table for people.
fn setup(side: &Value) -> String {
    let mode = side["mode"].as_str().unwrap_or_default().replace(',', "+");
    let options = side["options"].as_array().into_iter().flatten();
    let options = options.filter_map(Value::as_str).map(str::to_owned);
    let words: Vec<_> = std::iter::once(mode).chain(options).collect();
    words.join(", ")
}

/// Responder, initiator and what happens, of every cell of the table for people.
fn documented(page: &str) -> Vec<(String, String, String)> {
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| responder / initiator |"))
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("|---"));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let (head, rows) = rows.split_first().expect("a table");
    let mut cells = Vec::new();
    for row in rows {
        for (initiator, end) in head.iter().zip(row).skip(1) {
            cells.push((
                row[0].to_owned(),
                (*initiator).to_owned(),
                (*end).to_owned(),
            ));
        }
    }
    cells.sort();
    cells
}

/// A responder that is started by this shell command.
fn shell(name: &str, script: &str) -> String {
    format!(
        "name = {name:?}\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"legacy\"]\n\
         start = {{ command = [\"/bin/sh\", \"-c\", {script:?}, \"{{address}}\"] }}\n\
         stream = {{ bits_per_second = 400000, frames_per_second = 50, seconds = 2 }}\n"
    )
}

/// Plays every pair of two references and compares the cells with those of a page: how each ended, with
/// `~` before it where that is left open. Gives how many could be looked at.
fn do_what_the_page_says(table: &Table, page: &str, all: usize) -> usize {
    let (output, events) = table.run(&["--seed", "1"]);
    let (mut cells, mut documented) = (Vec::new(), documented(page));
    for pair in of_type(&events, "pair") {
        if pair["standing"] == "inconclusive" && pair["notes"].to_string().contains("too busy") {
            let sides = (setup(&pair["responder"]), setup(&pair["initiator"]));
            documented.retain(|cell| (&cell.0, &cell.1) != (&sides.0, &sides.1));
            continue;
        }
        let mark = match pair["standing"].as_str() {
            Some("as-demanded") => "",
            Some("left-open") => "~",
            _ => panic!("{pair}"),
        };
        let end = pair["outcome"].as_str().unwrap_or_default();
        let end = mark.to_owned() + &end.replace('-', " ");
        cells.push((setup(&pair["responder"]), setup(&pair["initiator"]), end));
        for edge in ["initiator", "responder"] {
            let capture = pair["captures"][edge].as_str().expect("a capture");
            assert!(Path::new(capture).is_file(), "{capture}");
        }
    }
    cells.sort();
    assert_eq!(cells, documented);
    assert!(
        cells.len() > all * 3 / 4,
        "a machine on which nothing can be seen"
    );
    let code = if cells.len() == all { 0 } else { 3 };
    assert_eq!(output.status.code(), Some(code));
    assert!(
        table
            .report("junit.xml")
            .contains(&format!("tests=\"{all}\""))
    );
    cells.len()
}

#[test]
fn references_in_all_modes_do_in_every_cell_what_the_table_says() {
    let table = Table::new(&[RESPONDER, INITIATOR]);
    let seen = do_what_the_page_says(&table, PAGE, 55);
    let page = table.report("interop.html");
    assert_eq!(page.matches("<td class=\"good\">").count(), seen);
    assert!(
        table
            .report("summary.md")
            .contains("| 3way | times out | streams |")
    );
}

#[test]
fn references_over_quic_do_in_every_cell_what_the_table_says() {
    let table = Table::new(&[SERVER, CLIENT]);
    do_what_the_page_says(&table, PAGE_OVER_QUIC, 16);
    let folder = "out/captures/shakedown-reference-server/pull/shakedown-reference-client/pull";
    let folder = table.folder.path().join(folder);
    let files = std::fs::read_dir(&folder).expect("a folder").flatten();
    let mut files: Vec<_> = files.map(|file| file.file_name()).collect();
    files.sort();
    // The secrets are in the captures, and nowhere else.
    assert_eq!(files, ["initiator.pcapng", "responder.pcapng"]);
    let checked = Command::new(SHAKEDOWN)
        .args(["check", "--level", "may"])
        .args(files.iter().map(|file| folder.join(file)))
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{text}");
    assert!(text.contains("PR-K-01"), "{text}");
}

#[test]
fn references_over_webtransport_do_in_every_cell_what_the_table_says() {
    let table = Table::new(&[SERVICES, PARTICIPANT]);
    do_what_the_page_says(&table, PAGE_OVER_WEBTRANSPORT, 30);
}

#[test]
fn a_server_with_another_secret_refuses_whom_it_should_serve() {
    let program = "\"serve\", \"darktower\",";
    assert!(SERVICES.contains(program));
    let other = SERVICES.replace(program, &format!("{program} \"--secret\", \"other\","));
    let table = Table::new(&[&other, PARTICIPANT]);
    let arguments = ["--filter", "server/gc+mc+mh/", "--level", "must"];
    let (output, events) = table.run(&arguments);
    let mut seen = Vec::new();
    for pair in of_type(&events, "pair") {
        assert_eq!(pair["outcome"], "refuses", "{pair}");
        assert_eq!(pair["standing"], "not-as-demanded", "{pair}");
        seen.extend(
            pair["seen"]
                .as_str()
                .and_then(|seen| seen.split(" after").next()),
        );
    }
    seen.sort_unstable();
    seen.dedup();
    let answers = [
        "the server answered UNAUTHORIZED",
        "the server answered with 401",
    ];
    assert_eq!(seen, answers);
    assert_eq!(output.status.code(), Some(1));
}

/// A description whose processes are not told where to write the secrets of TLS.
fn secretive(description: &str) -> String {
    let program = "\"{shakedown}\",";
    let hidden = "\"/usr/bin/env\", \"-u\", \"SSLKEYLOGFILE\", \"{shakedown}\",";
    assert!(description.contains(program));
    description.replace(program, hidden)
}

#[test]
fn where_nobody_tells_the_secrets_of_tls_nothing_is_judged_but_that_they_met() {
    let table = Table::new(&[&secretive(SERVER), &secretive(CLIENT)]);
    let (output, events) = table.run(&["--filter", "server/pull/shakedown-reference-client/p"]);
    let pairs: Vec<_> = of_type(&events, "pair").collect();
    assert_eq!(pairs.len(), 4);
    for pair in pairs {
        let is_second = !pair["initiator"]["options"]
            .as_array()
            .is_some_and(Vec::is_empty);
        // A refusal comes before there are any secrets, so that it can be read.
        let standing = if is_second { "refuses" } else { "not-observed" };
        assert_eq!(pair["outcome"], standing, "{pair}");
        assert!(pair["findings"].is_null(), "{pair}");
    }
    assert_eq!(of_type(&events, "finding").count(), 0);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_secrets_of_one_side_are_enough() {
    let table = Table::new(&[&secretive(SERVER), CLIENT]);
    let one = "server/pull.resets/shakedown-reference-client/pull";
    let (output, events) = table.run(&["--filter", one]);
    for pair in of_type(&events, "pair") {
        assert_eq!(pair["outcome"], "streams", "{pair}");
        assert_eq!(pair["standing"], "as-demanded", "{pair}");
    }
    assert_eq!(of_type(&events, "pair").count(), 2);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_client_of_another_profile_than_it_claims_is_refused_where_it_should_be_served() {
    let pulls = CLIENT
        .replace("\"{mode}\"", "\"pull\"")
        .replace("\"push\", \"pull\"]", "\"push\"]");
    let table = Table::new(&[SERVER, &pulls]);
    let one = "server/push.resets/shakedown-reference-client/push";
    let (output, events) = table.run(&["--filter", one]);
    for pair in of_type(&events, "pair") {
        assert_eq!(pair["demanded"], "streams", "{pair}");
        assert_eq!(pair["outcome"], "refuses", "{pair}");
        assert_eq!(pair["standing"], "not-as-demanded");
        let seen = pair["seen"].as_str().unwrap_or_default();
        assert!(seen.contains("the server closed with code 5"), "{seen}");
    }
    assert_eq!(of_type(&events, "pair").count(), 2);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_twin_that_does_not_wait_for_the_ack_is_found_by_the_capture_at_its_own_edge() {
    let twin = RESPONDER.replace(
        "\"--mode\", \"{mode}\",",
        "\"--mode\", \"{mode}\", \"--without\", \"MS-H-15\",",
    );
    let table = Table::new(&[&twin, INITIATOR]);
    let one = "responder/3way/shakedown-reference-initiator/3way";
    // The ACK is on its way long enough to see that nobody waits for it.
    let arguments = ["--filter", one, "--impair", "delay=60ms", "--level", "must"];
    let (output, events) = table.run(&arguments);
    let pairs: Vec<_> = of_type(&events, "pair").collect();
    assert_eq!(pairs.len(), 2, "with and without fallback");
    for pair in pairs {
        assert_eq!(pair["findings"], serde_json::json!(["MS-H-15"]), "{pair}");
        assert_eq!(pair["standing"], "breaks");
        assert_eq!(pair["outcome"], "streams");
    }
    for finding in of_type(&events, "finding") {
        let capture = finding["capture"].as_str().unwrap_or_default();
        assert!(capture.ends_with("/responder.pcapng"), "{finding}");
    }
    assert_eq!(output.status.code(), Some(1));
    for report in ["interop.html", "summary.md", "junit.xml"] {
        let told = table.report(report);
        assert!(told.contains("as demanded, but breaks MS-H-15"), "{told}");
    }
}

#[test]
fn what_loss_explains_is_no_breach() {
    let table = Table::new(&[RESPONDER, INITIATOR]);
    let one = "responder/3way/shakedown-reference-initiator/3way.fallback";
    let (output, events) = table.run(&["--filter", one, "--impair", "loss=1,from=responder"]);
    let pair = the_pair(&events);
    assert_eq!(pair["outcome"], "times-out", "{pair}");
    assert_eq!(pair["demanded"], "streams");
    assert_eq!(pair["standing"], "excused", "{pair}");
    assert_eq!(output.status.code(), Some(0));
    let (output, events) = table.run(&["--filter", one, "--impair", "drop=SYN-ACK#1"]);
    let pair = the_pair(&events);
    assert_eq!(pair["outcome"], "streams", "{pair}");
    assert_eq!(pair["standing"], "as-demanded", "{pair}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_implementation_that_dies_is_told_in_its_cell_with_its_last_words() {
    let program = Path::new(SHAKEDOWN).with_file_name("examples/misbehave");
    let mortal = format!("exec {} mortal $0", program.display());
    let table = Table::new(&[&shell("mortal", &mortal), INITIATOR]);
    let (output, events) = table.run(&["--filter", "initiator/3way", "--level", "must"]);
    for pair in of_type(&events, "pair") {
        assert_eq!(pair["outcome"], "dies", "{pair}");
        assert_eq!(pair["findings"], serde_json::json!(["MS-W-17"]));
        let process = &pair["processes"]["responder"];
        assert_eq!(process["status"], "killed by signal 6 (SIGABRT)", "{pair}");
        let said = process["output"].as_str().unwrap_or_default();
        assert!(said.contains("index out of range: 67 bytes"), "{said}");
    }
    assert_eq!(of_type(&events, "pair").count(), 2);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_implementation_that_never_gets_ready_is_told_in_its_cell() {
    let unlicensed = shell("unlicensed", "echo no licence >&2; exit 9");
    let table = Table::new(&[&unlicensed, INITIATOR]);
    let (output, events) = table.run(&["--filter", "initiator/legacy", "--expect", "demanded"]);
    let pair = the_pair(&events);
    assert_eq!(pair["outcome"], "not-started");
    assert_eq!(pair["standing"], "not-as-demanded");
    let seen = "the responder ended before it was ready (exit status 9)";
    assert_eq!(pair["seen"], seen);
    assert_eq!(pair["processes"]["responder"]["output"], "no licence\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_running_responder_that_never_answers_is_an_error_and_no_outcome() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let running = format!(
        "name = \"running\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"legacy\"]\n\
         reach = {{ address = \"{address}\" }}\n\
         stream = {{ bits_per_second = 400000, frames_per_second = 50, seconds = 2 }}\n"
    );
    let table = Table::new(&[&running, INITIATOR]);
    let (output, events) = table.run(&["--filter", "initiator/legacy"]);
    let pair = the_pair(&events);
    assert_eq!(
        (&pair["outcome"], &pair["standing"]),
        (&"not-started".into(), &"error".into())
    );
    let seen = pair["seen"].as_str().unwrap();
    assert!(seen.contains("nothing was received"), "{seen}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_program_that_is_not_there_is_no_fault_of_a_pair_but_of_the_call() {
    let absent = INITIATOR
        .replace("{shakedown}", "/no/such/program")
        .replace("shakedown reference initiator", "absent");
    for descriptions in [&[RESPONDER, &absent][..], &[RESPONDER, INITIATOR, &absent]] {
        let table = Table::new(descriptions);
        let (output, events) = table.run(&["--filter", "responder/legacy/"]);
        let all = of_type(&events, "pair").filter(|pair| pair["initiator"]["name"] == "absent");
        let standings: Vec<_> = all.map(|pair| pair["standing"].clone()).collect();
        assert!(!standings.is_empty());
        assert!(
            standings.iter().all(|standing| standing == "error"),
            "{standings:?}"
        );
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("absent cannot be run: /no/such/program cannot be started"),
            "{said}"
        );
    }
}

#[test]
fn where_all_have_to_stream_an_end_that_is_demanded_is_not_enough() {
    let table = Table::new(&[RESPONDER, INITIATOR]);
    let filter = ["--filter", "responder/3way/shakedown-reference-initiator/"];
    let (output, events) = table.run(&filter);
    let before: Vec<_> = of_type(&events, "pair").collect();
    assert!(before.iter().all(|pair| pair["standing"] == "as-demanded"));
    assert_eq!(output.status.code(), Some(0));
    let (output, events) = table.run(&[&filter[..], &["--expect", "streams"]].concat());
    for pair in of_type(&events, "pair") {
        let streams = ["streams", "falls-back"]
            .map(Value::from)
            .contains(&pair["outcome"]);
        assert_eq!(pair["standing"] == "as-demanded", streams, "{pair}");
        assert_eq!(pair["standing"] == "not-as-demanded", !streams, "{pair}");
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(
        table
            .report("summary.md")
            .contains("streams (--expect streams)")
    );
}

#[test]
fn wrong_calls_and_files_say_what_would_be_right() {
    let cases: [(&[&str], &[&str], &str); 6] = [
        (&[RESPONDER], &[], "no implementation is the initiator"),
        (
            &[RESPONDER, INITIATOR, RESPONDER],
            &[],
            "is described as responder twice",
        ),
        (&[RESPONDER, "role = 7"], &[], "1.toml"),
        (
            &[RESPONDER, INITIATOR],
            &["--impair", "loss=many"],
            "--impair \"loss=many\" in `loss=many`",
        ),
        (&[RESPONDER, INITIATOR], &["--impair", "drop=SIN#1"], "SYN"),
        (
            &[RESPONDER, INITIATOR],
            &["--filter", "nobody"],
            "none of the 55 pairs has `nobody`",
        ),
    ];
    for (descriptions, arguments, expected) in cases {
        let table = Table::new(descriptions);
        let output = table.command(arguments).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(output.stdout.is_empty(), "nothing was begun");
    }
}

#[test]
fn an_interruption_leaves_reports_that_say_so() {
    let table = Table::new(&[RESPONDER, INITIATOR]);
    let mut child = table.command(&[]).spawn().expect("the program starts");
    let out = child.stdout.take().expect("its output");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let mut events: Vec<Value> = Vec::new();
    for line in BufReader::new(out).lines() {
        let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let is_first =
            event["type"] == "pair-started" && of_type(&events, "pair-started").next().is_none();
        events.push(event);
        if is_first {
            kill(pid, Signal::SIGINT).expect("it can be interrupted");
        }
    }
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["interrupted"]),
        (&"interop-finished".into(), &true.into())
    );
    let message = last["message"].as_str().unwrap_or_default();
    assert_eq!(message, "interrupted; 55 pairs not judged");
    assert!(table.report("interop.html").contains(message));
    assert!(table.report("junit.xml").contains(message));
    assert!(table.report("summary.md").contains(message));
    let told = Command::new(SHAKEDOWN)
        .args(["report", "--format", "json"])
        .arg(table.folder.path().join("out"))
        .output()
        .expect("the program runs");
    assert_eq!(told.status.code(), Some(130), "the events read back");
}
