//! Seeds of the fuzz targets: kept in `fuzz/seeds/<target>/`, inputs that once broke a target in
//! `fuzz/crashes/<target>/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Seeds of one target by file name.
pub(crate) type Seeds = BTreeMap<String, Vec<u8>>;

/// Runs a target's body over all its seeds, and over all inputs that once broke it.
#[expect(
    clippy::print_stdout,
    reason = "names the input at which a body panics"
)]
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let seeds = read(&folder("seeds", target));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for (name, bytes) in seeds.iter().chain(&read(&folder("crashes", target))) {
        println!("{target}: {name}");
        body(bytes);
    }
}

/// The committed seeds are these; with `SHAKEDOWN_UPDATE=seeds` in the environment they become so.
pub(crate) fn assert_up_to_date(target: &str, seeds: &Seeds) {
    let folder = folder("seeds", target);
    if std::env::var_os("SHAKEDOWN_UPDATE").is_some_and(|what| what == "seeds") {
        write(&folder, seeds);
    }
    let committed = read(&folder);
    let names = |seeds: &Seeds| seeds.keys().cloned().collect::<Vec<_>>();
    let how = "stale seeds: run the tests with SHAKEDOWN_UPDATE=seeds and look at the difference";
    assert_eq!(names(&committed), names(seeds), "{how}");
    for (name, bytes) in seeds {
        assert!(committed[name] == *bytes, "{target}/{name}: {how}");
    }
}

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(kind)
        .join(target)
}

/// Files of a folder; none if there is no such folder.
fn read(folder: &Path) -> Seeds {
    let Ok(entries) = folder.read_dir() else {
        return Seeds::new();
    };
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

fn write(folder: &Path, seeds: &Seeds) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir_all(folder).unwrap();
    for (name, bytes) in seeds {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
