use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use siphasher::sip::SipHasher13;

use super::Loaded;
use crate::document::{self, Problems};

/// A set of scenarios, sorted by id, each id once.
#[derive(Debug, Clone, Default)]
pub struct Library {
    scenarios: Vec<Loaded>,
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
    /// The text for people, with colours or without.
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

    /// Loads files, and every `.json` file within folders that stands at
    /// `scenarios/<mode>/<role>/<name>.json` or anywhere in a folder without `scenarios` folders.
    ///
    /// # Errors
    /// [`LibraryError`]: everything that is wrong, in all files.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self, LibraryError> {
        let mut files = Vec::new();
        let mut others = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let before = files.len();
            if path.is_dir() {
                if let Err(error) = scenario_files(path, &mut files) {
                    others.push(error);
                } else if files.len() == before {
                    others.push(format!("{}: no scenario is in this folder", path.display()));
                }
            } else {
                files.push(path.to_owned());
            }
        }
        files.sort();
        files.dedup();
        Self::collect(files.iter().map(|path| Loaded::read(path)), others)
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
        })
    }
}

/// The scenario files within a folder: of a folder with other JSON files in it, such as `vectors`,
/// only those in `scenarios` folders.
fn scenario_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let mut found = Vec::new();
    document::json_files(folder, &mut found)?;
    let is_in_place = |path: &PathBuf| path.iter().any(|part| part == "scenarios");
    if found.iter().any(is_in_place) {
        found.retain(is_in_place);
    }
    files.extend(found);
    Ok(())
}
