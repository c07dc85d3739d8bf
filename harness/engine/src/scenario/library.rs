use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use siphasher::sip::SipHasher13;

use super::Loaded;
use super::other::is_scenario;
use crate::document::{self, Problems};

/// How many files that are no scenarios are named.
const SHOWN: usize = 5;

/// A set of scenarios, sorted by id, each id once.
#[derive(Debug, Clone, Default)]
pub struct Library {
    scenarios: Vec<Loaded>,
    left: Vec<PathBuf>,
}

/// Why scenarios could not be loaded: every problem of every file.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.render(false))]
pub struct LibraryError {
    /// Files with something wrong in them.
    pub files: Vec<Problems>,
    /// What is wrong besides: folders that cannot be read, ids that two files have.
    pub others: Vec<String>,
}

impl LibraryError {
    /// The text human-readable, with colours or without.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let files = self.files.iter().map(|problems| problems.render(colours));
        let others = self.others.iter().cloned();
        files.chain(others).collect::<Vec<_>>().join("\n\n")
    }
}

impl Library {
    /// Loads files given as path and text, such as those that are built into the program.
    ///
    /// # Errors
    /// [`LibraryError`]: everything that is wrong, in all files.
    pub fn from_texts<P, T>(files: impl IntoIterator<Item = (P, T)>) -> Result<Self, LibraryError>
    where
        P: AsRef<str>,
        T: AsRef<str>,
    {
        let parse = |(file, text): (P, T)| Loaded::parse(file.as_ref(), text.as_ref());
        Self::collect(files.into_iter().map(parse), Vec::new())
    }

    /// Loads files, and of folders every `.json` file within that is a scenario, right or wrong.
    /// What else there is stays [left](Self::left).
    ///
    /// # Errors
    /// [`LibraryError`]: everything that is wrong, in all files.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self, LibraryError> {
        let mut files = Vec::new();
        let mut left = Vec::new();
        let mut others = Vec::new();
        for path in paths {
            let path = path.as_ref();
            if path.is_dir() {
                let mut found = Vec::new();
                if let Err(error) = document::json_files(path, &mut found) {
                    others.push(error);
                    continue;
                }
                let (mut scenarios, mut rest): (Vec<_>, Vec<_>) =
                    found.into_iter().partition(|file| is_meant(file));
                if scenarios.is_empty() {
                    let rest = left_out(&rest).map_or_else(String::new, |rest| format!("; {rest}"));
                    let folder = path.display();
                    others.push(format!("{folder}: no scenario is in this folder{rest}"));
                }
                files.append(&mut scenarios);
                left.append(&mut rest);
            } else {
                files.push(path.to_owned());
            }
        }
        files.sort();
        files.dedup();
        let library = Self::collect(files.iter().map(|path| Loaded::read(path)), others)?;
        Ok(Self { left, ..library })
    }

    /// What was left of folders, in a sentence: files that are no scenarios. `None` if there are none.
    #[must_use]
    pub fn left(&self) -> Option<String> {
        left_out(&self.left)
    }

    /// The scenarios, sorted by id.
    #[must_use]
    pub fn scenarios(&self) -> &[Loaded] {
        &self.scenarios
    }

    /// Digest of scenarios, by their texts: the same on every machine.
    #[must_use]
    pub fn digest(scenarios: &[&Loaded]) -> String {
        let mut hasher = SipHasher13::new();
        for loaded in scenarios {
            loaded.text.hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }

    /// The scenario with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Loaded> {
        self.scenarios
            .iter()
            .find(|loaded| loaded.scenario.id == id)
    }

    /// Every id that names a requirement, by requirement: which scenarios test what.
    #[must_use]
    pub fn by_requirement(&self) -> IndexMap<&str, Vec<&Loaded>> {
        let mut index: IndexMap<&str, Vec<&Loaded>> = IndexMap::new();
        for loaded in &self.scenarios {
            for requirement in &loaded.scenario.requirements {
                index.entry(requirement).or_default().push(loaded);
            }
        }
        index
    }

    /// Both together; where both have an id, that of `other` counts.
    #[must_use]
    pub fn overridden_by(self, other: Self) -> Self {
        let all = self.scenarios.into_iter().chain(other.scenarios);
        let mut by_id: IndexMap<String, Loaded> = all
            .map(|loaded| (loaded.scenario.id.clone(), loaded))
            .collect();
        by_id.sort_keys();
        Self {
            scenarios: by_id.into_values().collect(),
            left: [self.left, other.left].concat(),
        }
    }

    fn collect(
        loaded: impl Iterator<Item = Result<Loaded, Problems>>,
        mut others: Vec<String>,
    ) -> Result<Self, LibraryError> {
        let mut files = Vec::new();
        let mut scenarios: IndexMap<String, Loaded> = IndexMap::new();
        for result in loaded {
            match result {
                Err(problems) => files.push(problems),
                Ok(loaded) => {
                    let id = loaded.scenario.id.clone();
                    if let Some(first) = scenarios.get(&id) {
                        let (first, second) = (&first.file, &loaded.file);
                        others.push(format!("{first} and {second} have the same id `{id}`"));
                    } else {
                        scenarios.insert(id, loaded);
                    }
                }
            }
        }
        if !(files.is_empty() && others.is_empty()) {
            return Err(LibraryError { files, others });
        }
        scenarios.sort_keys();
        Ok(Self {
            scenarios: scenarios.into_values().collect(),
            left: Vec::new(),
        })
    }
}

/// Whether a file is meant as a scenario. An unreadable one is, so that it is reported; one that is
/// too large is not.
fn is_meant(file: &Path) -> bool {
    match document::read_file(file, document::MAX_BYTES) {
        Ok(bytes) => is_scenario(&String::from_utf8_lossy(&bytes)),
        Err(error) => error.kind() != std::io::ErrorKind::FileTooLarge,
    }
}

/// Files that are no scenarios, in a sentence; the first of them by name.
fn left_out(files: &[PathBuf]) -> Option<String> {
    let names = files
        .iter()
        .take(SHOWN)
        .map(|file| file.display().to_string());
    let mut names: Vec<_> = names.collect();
    let (count, is) = match files.len() {
        0 => return None,
        1 => ("1 JSON file".to_owned(), "is no scenario"),
        more => (format!("{more} JSON files"), "are no scenarios"),
    };
    names.extend((files.len() > SHOWN).then(|| format!("{} more", files.len() - SHOWN)));
    Some(format!("{count} {is}: {}", names.join(", ")))
}
