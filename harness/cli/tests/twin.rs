//! What an exploration of a faulty twin finds is found again by a run, over sockets and in virtual time.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rstest::rstest;
use tempfile::TempDir;

fn shakedown(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// A folder with what an exploration of the twin wrote.
fn explored() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let arguments = "explore mediastream --mode 3way --without MS-H-18 --out found";
    let words: Vec<_> = arguments.split(' ').collect();
    let output = shakedown(folder.path(), &words);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    folder
}

/// Plays the scenario that was written; exit code and what was said.
fn play(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = shakedown(
        folder,
        &[
            &[
                "run",
                "--level",
                "may",
                "--retries",
                "2",
                "found/ms-h-18.json",
                "--force",
                "--out",
                "out",
            ],
            more,
        ]
        .concat(),
    );
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Describes the reference as a server, with these arguments more.
fn describe(folder: &Path, name: &str, more: &[&str]) {
    let usual = [
        "{shakedown}",
        "serve",
        "mediastream",
        "--mode",
        "{mode}",
        "--listen",
        "{address}",
    ];
    let text = format!(
        "name = \"{name}\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"3way\"]\n\
         [start]\ncommand = {:?}\nready = {{ line = \"listening on\" }}\n\
         [reach]\naddress = \"127.0.0.1:{{port}}\"\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n",
        [&usual, more].concat()
    );
    std::fs::write(folder.join(format!("{name}.toml")), text).expect("a file can be written");
}

#[test]
fn what_exploration_finds_in_a_twin_fails_over_sockets_and_passes_against_the_reference() {
    let workspace = explored();
    let folder = workspace.path();
    describe(folder, "twin", &["--without", "MS-H-18"]);
    describe(folder, "healthy", &[]);
    let (code, said) = play(folder, &["--iut", "twin.toml"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("MS-H-18"), "{said}");
    let (code, said) = play(folder, &["--iut", "healthy.toml"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_exploration_finds_in_a_twin_fails_in_virtual_time_and_passes_against_the_reference() {
    let workspace = explored();
    let folder = workspace.path();
    let (code, said) = play(folder, &["--virtual", "--without", "MS-H-18"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("MS-H-18"), "{said}");
    assert!(said.contains("a faulty twin without MS-H-18"), "{said}");
    let (code, said) = play(folder, &["--virtual"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("twin"), "{said}");
}

#[test]
fn a_twin_that_cannot_be_made_is_refused_with_what_would_be_right() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let cases: [(&[&str], &str); 4] = [
        (&["--without", "MS-H-18"], "add --virtual"),
        (
            &["--virtual", "--without", "MS-R-03"],
            "shakedown list twins",
        ),
        (
            &["--virtual", "--without", "MS-H-99"],
            "no requirement `MS-H-99`",
        ),
        (
            &["--virtual", "--without", "MS-H-16", "--role", "initiator"],
            "a twin of the responder of mediastream, no initiator: optimistic media bears no",
        ),
    ];
    for (arguments, expected) in cases {
        let output = shakedown(
            folder.path(),
            &[&["run", "--level", "may", "--retries", "2"], arguments].concat(),
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[rstest]
#[case(&["serve", "mediastream", "--without", "MS-H-01"], "of the initiator of mediastream, no responder")]
#[case(&["connect", "proton", "127.0.0.1", "--without", "PR-S-08/code"], "of the server of proton, no client")]
#[case(&["serve", "darktower", "--without", "DT-X-1"], "no requirement `DT-X-1`")]
fn a_side_that_cannot_be_the_twin_is_not_started(#[case] arguments: &[&str], #[case] told: &str) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let output = shakedown(folder.path(), arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(told), "{said}");
}

#[test]
fn a_twin_of_proton_fails_in_virtual_time_under_the_requirement_that_it_breaks() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let run = |more: &[&str]| {
        let usual = [
            "run",
            "--level",
            "may",
            "--retries",
            "2",
            "proton/any",
            "--virtual",
            "--filter",
            "a-fin-on",
        ];
        let output = shakedown(folder.path(), &[&usual, more].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(&["--without", "PR-S-08/fin"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("PR-S-08"), "{said}");
    assert!(said.contains("a faulty twin without PR-S-08/fin"), "{said}");
    let (code, said) = run(&[]);
    assert_eq!(code, Some(0), "{said}");
}

#[rstest]
#[case("server", "PR-E-02", "proton/any/server/a-lower-id-is-a-violation")]
#[case(
    "server",
    "PR-C-07",
    "proton/any/server/an-unknown-alpn-fails-the-handshake"
)]
#[case(
    "server",
    "PR-S-07",
    "proton/any/server/a-unidirectional-stream-is-not-admitted"
)]
#[case(
    "server",
    "PR-C-04",
    "proton/pull/server/nothing-comes-on-an-idle-connection"
)]
#[case(
    "server",
    "PR-C-08",
    "proton/any/server/a-server-that-was-killed-accepts-nothing-for-10-seconds"
)]
#[case(
    "client",
    "PR-E-03",
    "proton/any/client/an-ack-of-another-id-is-a-violation"
)]
#[case(
    "client",
    "PR-S-01/fourth",
    "proton/any/client/one-stream-of-each-kind-is-opened"
)]
fn a_twin_of_proton_fails_over_sockets_where_the_healthy_one_passes(
    #[case] side: &str,
    #[case] twin: &str,
    #[case] scenario: &str,
) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../vectors/proton/reference-{side}.toml"));
    let healthy = std::fs::read_to_string(source).expect("the description can be read");
    let verb = if side == "server" { "serve" } else { "connect" };
    let words = format!("\"{verb}\", \"proton\",");
    assert!(healthy.contains(&words), "{healthy}");
    let faulty = healthy.replace(&words, &format!("{words} \"--without\", \"{twin}\","));
    for (name, text, expected) in [("healthy", healthy, 0), ("twin", faulty, 1)] {
        let file = format!("{name}.toml");
        std::fs::write(folder.path().join(&file), text).expect("a file can be written");
        let output = shakedown(
            folder.path(),
            &[
                "run",
                "--level",
                "may",
                "--retries",
                "2",
                scenario,
                "--iut",
                &file,
                "--force",
                "--out",
                name,
            ],
        );
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(expected), "{name}: {said}");
        let requirement = twin.split('/').next().unwrap_or_default();
        assert!(
            expected == 0 || said.contains(requirement),
            "{name}: {said}"
        );
    }
}
