//! The program from outside: exit codes, and that standard output carries only what was asked for.
#![allow(
    clippy::expect_used,
    clippy::disallowed_types,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn shakedown(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

#[test]
fn a_wrong_call_exits_2_and_says_what_is_wrong_on_standard_error() {
    let output = shakedown(&["no-such-command"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("no-such-command"), "{error}");
}

#[test]
fn a_command_whose_letters_changed_places_is_recognised() {
    let output = shakedown(&["rnu"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("a similar subcommand exists: 'run'"),
        "{error}"
    );
}

#[test]
fn a_number_that_is_0_is_refused_with_what_would_be_right() {
    for arguments in [
        ["run", "--jobs", "0"],
        ["shrink", "--tries", "0"],
        ["interop", "--jobs", "0"],
        ["explore", "--swarm", "0"],
    ] {
        let output = shakedown(&arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr);
        let [_, flag, _] = arguments;
        assert!(error.contains(flag), "{error}");
        assert!(error.contains("it takes a whole number "), "{error}");
    }
}

#[test]
fn help_names_every_exit_code() {
    let output = shakedown(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8_lossy(&output.stdout);
    for code in ["    0  ", "    1  ", "    2  ", "    3  ", "  130  "] {
        assert!(help.contains(code), "{code:?} is missing in:\n{help}");
    }
}

#[test]
fn completions_come_for_a_shell() {
    let output = shakedown(&["completions", "bash"]);
    assert_eq!(output.status.code(), Some(0));
    let script = String::from_utf8_lossy(&output.stdout);
    assert!(script.contains("_shakedown()"), "{script}");
}

#[test]
fn each_command_has_a_man_page() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let pages = directory.path().join("man1");
    let output = shakedown(&["man", &pages.display().to_string()]);
    assert_eq!(output.status.code(), Some(0));
    let page = |name| std::fs::read_to_string(pages.join(name)).expect("there is a page");
    assert!(page("shakedown.1").contains(".TH shakedown 1"));
    assert!(page("shakedown-run.1").contains("retries"));
    assert!(page("shakedown-serve-darktower.1").contains("meetings"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut error = String::new();
    child
        .stderr
        .take()
        .expect("standard error is piped")
        .read_to_string(&mut error)
        .expect("standard error is text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(error, "");
}

#[test]
fn a_full_disk_is_told_and_exits_3() {
    let full = std::fs::File::create("/dev/full").expect("Linux has /dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["completions", "bash"])
        .stdout(full)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cannot write to standard output"), "{error}");
}

#[test]
fn a_wrong_name_is_told_with_where_the_right_ones_are() {
    let cases = [
        (
            "run nosuchscenario",
            "`shakedown list scenarios` shows all of them",
        ),
        (
            "run mediastream/3way/respnder",
            "did you mean `mediastream/3way/responder`?\n",
        ),
        ("list frames --protocol foo", "no protocol is called `foo`"),
        ("list twins --protocol protn", "did you mean `proton`?"),
        (
            "list requirements --protocol foo",
            "there are `mediastream`",
        ),
        (
            "list protocols --protocol foo",
            "no protocol is called `foo`",
        ),
        ("list descriptions --protocol foo", "no protocol is called"),
        (
            "explore mediastream --without MS-X-99",
            "mediastream has no requirement `MS-X-99`; ",
        ),
        (
            "explore mediastream --without MS-H-15/x",
            "of this requirement there are MS-H-15, MS-H-15/half, ",
        ),
        ("run --virtual --impair foo", "`rate`, `reorder` and `seed`"),
        ("run mediastream/3way /proc/1/net", "nothing was run"),
        ("run --dry-run --out /proc/x", "cannot use /proc/x: "),
        ("run --dry-run --out /dev/null", "cannot use /dev/null: "),
        (
            "init --protocol mediastream --role responder --modes lgacy -- x {address}",
            "error: mediastream has no mode `lgacy`; did you mean `legacy`?\n",
        ),
        (
            "init --protocol mediastream --role responder --modes legacy -- x",
            "error: a free port is chosen, but the command does not get it; ",
        ),
        (
            "run --protocol foo",
            "there are `darktower`, `mediastream` and `proton`",
        ),
        ("run --mode 3wy", "did you mean `3way`?"),
        ("run nope.json", "there is no file \"nope.json\"\n"),
        ("run nope.toml", "given by --iut"),
    ];
    for (call, expected) in cases {
        let words: Vec<_> = call.split(' ').collect();
        let output = shakedown(&words);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn doctor_says_what_there_is_and_what_the_lack_of_the_rest_means() {
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .arg("doctor")
        .env("PATH", "/nowhere")
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let line = |name: &str| said.lines().find(|line| line.contains(name)).unwrap_or("");
    assert!(line("UDP over IPv4").starts_with("ok "), "{said}");
    let tshark = line("tshark");
    assert!(tshark.starts_with("missing "), "{said}");
    assert!(tshark.ends_with("there is no tshark in PATH: `make test-wireshark` is skipped"));
}

#[test]
fn init_writes_a_description_and_a_job_and_plays_a_first_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_shakedown");
    let init = |modes: &str| {
        Command::new(program)
            .args([
                "init",
                "--protocol",
                "proton",
                "--role",
                "server",
                "--modes",
                modes,
            ])
            .args([
                "--ci",
                "github",
                "--",
                program,
                "serve",
                "proton",
                "--listen",
                "{address}",
            ])
            .args(["--profile", "{mode}", "--no-reset"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    };
    let wrong = init("pul");
    assert_eq!(wrong.status.code(), Some(2));
    let error = String::from_utf8_lossy(&wrong.stderr);
    assert!(error.contains("did you mean `pull`?"), "{error}");
    assert!(
        !folder.path().join("iut.toml").exists(),
        "it was no description"
    );
    let first = init("pull");
    let said = String::from_utf8_lossy(&first.stdout);
    assert_eq!(first.status.code(), Some(0), "{said}");
    assert!(said.contains("pass"), "{said}");
    let job = std::fs::read_to_string(folder.path().join(".github/workflows/conformance.yml"));
    assert!(job.expect("the job is there").contains("iut: iut.toml"));
    let again = init("pull");
    assert_eq!(again.status.code(), Some(2));
    let error = String::from_utf8_lossy(&again.stderr);
    assert!(error.contains("iut.toml is there already"), "{error}");
}

/// What bash offers when Tab is hit behind the last of these words, in a folder with some files.
fn offered(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["mine.toml", "mine.json", "mine.pcapng", "mine.txt"] {
        std::fs::write(folder.path().join(name), "").expect("it can be written");
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_shakedown"));
    let path = std::env::var("PATH").unwrap_or_default();
    let tab = "source <(shakedown completions bash); COMP_WORDS=(shakedown \"$@\"); COMP_CWORD=$#; \
               COMP_TYPE=9; _clap_complete_shakedown shakedown \"${@: -1}\" 2>/dev/null; \
               printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", tab, "bash"])
        .args(words)
        .env(
            "PATH",
            format!("{}:{path}", program.with_file_name("").display()),
        )
        .current_dir(folder.path())
        .output()
        .expect("there is bash");
    let said = String::from_utf8(output.stdout).expect("text");
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_modes_ids_and_files_of_the_right_kind() {
    for (words, expected) in [
        (&["run", "--mode", "3"][..], &["3way"][..]),
        (&["run", "--mode", "3way,st"], &["3way,start3"]),
        (&["serve", "proton", "--profile", "pu"], &["pull", "push"]),
        (
            &["explain", "ms-h-0"],
            &[
                "MS-H-01", "MS-H-02", "MS-H-03", "MS-H-04", "MS-H-05", "MS-H-06", "MS-H-07",
                "MS-H-08", "MS-H-09",
            ],
        ),
        (&["run", "--without", "MS-H-12/e"], &["MS-H-12/empty"]),
        (&["serve", "proton", "--without", "MS"], &[""]),
        (&["list", "--protocol", "p"], &["proton"]),
        (&["run", "prot"], &["proton/"]),
        (
            &["run", "proton/any/server/an-unknown-a"],
            &["proton/any/server/an-unknown-alpn-fails-the-handshake"],
        ),
        (&["run", "mi"], &["mine.json"]),
        (&["run", "--iut", "mi"], &["mine.toml"]),
        (&["check", "mi"], &["mine.pcapng"]),
        (&["explain", "mi"], &["mine.json", "mine.toml"]),
        (&["repl", "p"], &["proton"]),
        (&["run", "--fail-f"], &["--fail-fast"]),
    ] {
        assert_eq!(offered(words), expected, "{words:?}");
    }
}
