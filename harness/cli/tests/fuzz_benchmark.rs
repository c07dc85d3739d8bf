//! How soon faults that are planted on purpose are found: by `shakedown fuzz` and by the fuzz targets, beside
//! bytes that know nothing of the protocol (`make fuzz-benchmark`).
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the programs are measured as processes, and helpers of tests may panic"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

/// Where the table stands in the page.
const MARKERS: [&str; 2] = ["<!-- fuzz-benchmark -->\n", "<!-- end -->\n"];

#[derive(Deserialize)]
struct Planted {
    fault: Vec<Fault>,
}

/// A fault, as `fuzz/planted.toml` has it.
#[derive(Deserialize)]
struct Fault {
    name: String,
    r#where: String,
    what: String,
    target: String,
    live: Option<String>,
    scenarios: Option<String>,
    /// Further arguments of the server.
    #[serde(default)]
    arguments: Vec<String>,
}

/// Who looks for it, and whether with what is known of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Live,
    LiveBytes,
    Target,
    TargetBytes,
}

/// Inputs and seconds until it was found; `None` if it was not.
type Found = Option<(u64, f64)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn faults() -> Vec<Fault> {
    let text = fs::read_to_string(root().join("fuzz/planted.toml")).expect("it is there");
    toml::from_str::<Planted>(&text)
        .expect("it is a list of faults")
        .fault
}

/// All sources below a folder, without tests.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true if path
                .file_name()
                .is_some_and(|name| name != "target" && name != "tests") =>
            {
                sources(&path, all);
            }
            false if path.extension().is_some_and(|name| name == "rs") => {
                *all += &fs::read_to_string(path).expect("a source");
            }
            true | false => {}
        }
    }
}

#[test]
fn every_planted_fault_is_in_the_table_and_in_one_place_of_the_sources() {
    let mut all = String::new();
    sources(&root().join("harness"), &mut all);
    let faults = faults();
    assert!(faults.len() >= 20);
    for Fault { name, .. } in &faults {
        let verbs = ["strikes", "panics", "hangs", "wastes"];
        let places = verbs
            .iter()
            .map(|verb| all.matches(&format!("{verb}(\"{name}\"")).count());
        assert_eq!(places.sum::<usize>(), 1, "{name}");
    }
    let hooks: usize = ["strikes", "panics", "hangs", "wastes"]
        .iter()
        .map(|verb| all.matches(&format!("{verb}(\"")).count())
        .sum();
    // Those of its own tests wait for nobody.
    let own = all.matches("(\"nobody\"").count();
    assert_eq!(hooks - own, faults.len());
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect("a number"))
}

impl Way {
    const ALL: [Self; 4] = [Self::Live, Self::LiveBytes, Self::Target, Self::TargetBytes];

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::LiveBytes => "live-bytes",
            Self::Target => "target",
            Self::TargetBytes => "target-bytes",
        }
    }

    /// Looks for a fault with a seed, for so long.
    fn look(self, fault: &Fault, seed: u64, most: u64, folder: &Path) -> Option<Found> {
        match self {
            Self::Live => live(fault, seed, most, folder, &[]),
            Self::LiveBytes => live(fault, seed, most, folder, &["--unstructured"]),
            Self::Target => Some(target(fault, seed, most, folder, true)),
            Self::TargetBytes => Some(target(fault, seed, most, folder, false)),
        }
    }
}

/// Fuzzes a process of the reference that has the fault.
fn live(fault: &Fault, seed: u64, most: u64, folder: &Path, more: &[&str]) -> Option<Found> {
    let (live, scenarios) = (fault.live.as_ref()?, fault.scenarios.as_ref()?);
    let (protocol, side) = live.split_once('/').expect("a protocol and a side");
    let iut = root().join(format!("vectors/{protocol}/reference-{side}.toml"));
    let iut = fs::read_to_string(iut).expect("a description");
    let faulty = format!(
        "\"env\", \"SHAKEDOWN_PLANTED={}\", \"{{shakedown}}\"",
        fault.name
    );
    let iut = iut.replace("\"{shakedown}\"", &faulty);
    let serve = format!("\"serve\", \"{protocol}\",");
    let arguments = fault.arguments.iter();
    let arguments: String = arguments.map(|one| format!(" {one:?},")).collect();
    let path = folder.join("iut.toml");
    fs::write(&path, iut.replace(&serve, &format!("{serve}{arguments}")))
        .expect("it can be written");
    let out = folder.join("out");
    let program = std::env::var("PLANTED_SHAKEDOWN").expect("PLANTED_SHAKEDOWN is a program");
    let mut process = Command::new(program)
        .args([
            "fuzz",
            "--format",
            "json",
            "--force",
            "--time",
            &format!("{most}s"),
        ])
        .args(["--seed", &seed.to_string(), "--iut"])
        .args([&path, Path::new("--out"), &out])
        .args(more)
        .args(scenarios.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let mut found = None;
    for line in lines {
        let event: Value = serde_json::from_str(&line.expect("text")).expect("an event");
        if event["type"] == "fuzz-suspicion" {
            let datagrams = event["datagrams"].as_u64().expect("a number");
            found = Some((datagrams, event["seconds"].as_f64().expect("a number")));
            break;
        }
    }
    // What it started ends with it.
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(process.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    );
    process.wait().expect("it ends");
    Some(found)
}

/// Runs a fuzz target that has the fault: with seeds and what it compares, or with bytes alone.
fn target(fault: &Fault, seed: u64, most: u64, folder: &Path, knows: bool) -> Found {
    let targets = std::env::var("PLANTED_TARGETS").expect("PLANTED_TARGETS is a folder");
    let artifacts = format!("-artifact_prefix={}/", folder.display());
    let mut command = Command::new(Path::new(&targets).join(&fault.target));
    command
        .env("SHAKEDOWN_PLANTED", &fault.name)
        .args([
            &format!("-seed={seed}"),
            &format!("-max_total_time={most}"),
            &artifacts,
        ])
        .args(["-rss_limit_mb=512", "-timeout=3", "-print_final_stats=1"]);
    let dictionary = root().join(format!("fuzz/dictionaries/{}.dict", fault.target));
    if knows && dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    match knows {
        // What it finds goes to the first folder.
        true => command.args([folder, &root().join("fuzz/seeds").join(&fault.target)]),
        false => command.args([
            "-use_cmp=0",
            "-use_counters=0",
            "-use_value_profile=0",
            "-max_len=2048",
        ]),
    };
    let begun = Instant::now();
    let output = command.output().expect("the target starts");
    let seconds = begun.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stderr);
    let executed = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executed = executed
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default();
    (!output.status.success()).then_some((executed, seconds))
}

/// What was measured, a line each: the way, the fault, the seed, the most seconds, and what came of it.
struct Log {
    path: PathBuf,
    known: BTreeMap<(String, String, u64), (u64, Found)>,
}

impl Log {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let parse = |line: &str| {
            let parts: Vec<_> = line.split('\t').collect();
            let [way, fault, seed, most, inputs, seconds] = parts[..] else {
                panic!("{line:?} is no measurement");
            };
            let found = inputs.parse().ok().zip(seconds.parse().ok());
            let most = most.parse().expect("seconds");
            let key = (
                way.to_owned(),
                fault.to_owned(),
                seed.parse().expect("a seed"),
            );
            (key, (most, found))
        };
        let known = text.lines().map(parse).collect();
        Self { path, known }
    }

    fn add(&mut self, way: Way, fault: &Fault, seed: u64, most: u64, found: Found) {
        let figures = found.map_or("-\t-".to_owned(), |(inputs, seconds)| {
            format!("{inputs}\t{seconds:.3}")
        });
        let line = format!(
            "{}\t{}\t{seed}\t{most}\t{figures}\n",
            way.name(),
            fault.name
        );
        print!("{line}");
        let mut text = fs::read_to_string(&self.path).unwrap_or_default();
        text += &line;
        fs::write(&self.path, text).expect("it can be written");
        let key = (way.name().to_owned(), fault.name.clone(), seed);
        self.known.insert(key, (most, found));
    }

    /// What was seen of a fault in one way.
    fn figures(&self, way: Way, fault: &Fault) -> Option<Figures> {
        let of = self.known.iter();
        let of = of.filter(|((known, name, _), _)| known == way.name() && *name == fault.name);
        let mut all: Vec<_> = of.map(|(_, (most, found))| (*most, *found)).collect();
        all.sort_by(|one, other| {
            let inputs = |found: Found| found.map_or(f64::INFINITY, |(inputs, _)| inputs as f64);
            inputs(one.1).total_cmp(&inputs(other.1))
        });
        let (most, middle) = *all.get(all.len().checked_sub(1)? / 2)?;
        let found = all.iter().filter(|(_, found)| found.is_some()).count();
        Some(Figures {
            most,
            middle,
            found,
            all: all.len(),
        })
    }
}

/// The seed in the middle of all, and how many found it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    most: u64,
    middle: Found,
    found: usize,
    all: usize,
}

impl Figures {
    fn cell(of: Option<Self>) -> String {
        let Some(Self {
            most,
            middle,
            found,
            all,
        }) = of
        else {
            return "-".to_owned();
        };
        match middle {
            Some((inputs, seconds)) => format!("{inputs}, {seconds:.1} s ({found}/{all})"),
            None => format!("not in {most} s ({found}/{all})"),
        }
    }

    /// How many times sooner it was found than by another way: by inputs, or at least by time.
    fn times(of: Option<Self>, than: Option<Self>) -> String {
        match (of.map(|of| of.middle), than) {
            (Some(Some((inputs, seconds))), Some(than)) => match than.middle {
                Some((more, _)) => format!("{:.0}", more as f64 / inputs.max(1) as f64),
                None => format!("> {:.0}", than.most as f64 / seconds.max(0.001)),
            },
            _ => "-".to_owned(),
        }
    }
}

/// A line of the page.
fn row(fault: &Fault, log: &Log) -> String {
    let mut row = format!("| {} ({}): {} |", fault.name, fault.r#where, fault.what);
    for [knowing, bytes] in [[Way::Live, Way::LiveBytes], [Way::Target, Way::TargetBytes]] {
        let [knowing, bytes] = [knowing, bytes].map(|way| log.figures(way, fault));
        let cells = [knowing, bytes].map(Figures::cell);
        let times = Figures::times(knowing, bytes);
        let _ = write!(row, " {} | {} | {times} |", cells[0], cells[1]);
    }
    row
}

#[test]
#[ignore = "takes as long as it is told: make fuzz-benchmark"]
fn measure() {
    let (seeds, most) = (number("FUZZ_SEEDS", 10), number("FUZZ_MOST", 600));
    let ways = std::env::var("FUZZ_WAYS").unwrap_or_default();
    let path = root().join("fuzz/artifacts/benchmark.tsv");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let mut log = Log::read(path);
    let faults = faults();
    for seed in 1..=seeds {
        for (way, fault) in Way::ALL
            .iter()
            .flat_map(|way| faults.iter().map(move |it| (*way, it)))
        {
            let key = (way.name().to_owned(), fault.name.clone(), seed);
            let is_wanted = ways.is_empty() || ways.split(' ').any(|wanted| wanted == way.name());
            if log.known.contains_key(&key) || !is_wanted {
                continue;
            }
            let folder = tempfile::tempdir().expect("a folder");
            if let Some(found) = way.look(fault, seed, most, folder.path()) {
                log.add(way, fault, seed, most, found);
            }
        }
    }
    let rows: Vec<_> = faults.iter().map(|fault| row(fault, &log)).collect();
    let head = "| fault | live | bytes | times | target | bytes | times |\n|---|---|---|---|---|---|---|\n";
    let page = root().join("docs/fuzzing.md");
    let text = fs::read_to_string(&page).expect("the page");
    let [begin, end] = MARKERS;
    let (before, rest) = text.split_once(begin).expect("a place for the table");
    let (_, after) = rest.split_once(end).expect("its end");
    let text = format!("{before}{begin}{head}{}\n{end}{after}", rows.join("\n"));
    fs::write(page, text).expect("it can be written");
}

#[test]
fn a_line_of_the_log_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.tsv");
    let faults = faults();
    let mut log = Log::read(path.clone());
    log.add(Way::Live, &faults[0], 1, 60, Some((12, 0.5)));
    log.add(Way::Live, &faults[0], 2, 60, None);
    log.add(Way::Live, &faults[0], 3, 60, Some((99, 2.0)));
    let read = Log::read(path);
    let figures = read.figures(Way::Live, &faults[0]);
    let middle = Some((99, 2.0));
    assert_eq!(
        figures,
        Some(Figures {
            most: 60,
            middle,
            found: 2,
            all: 3
        })
    );
    assert_eq!(Figures::cell(figures), "99, 2.0 s (2/3)");
    assert_eq!(Figures::times(figures, figures), "1");
    assert_eq!(read.figures(Way::Target, &faults[0]), None);
}
