//! A corpus on disk that any number of workers share: files are named by content and created by rename.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shakedown_engine::fuzzing::Conversation;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A folder of conversations.
#[derive(Debug)]
pub(super) struct CorpusFolder {
    path: PathBuf,
    /// Names of files that were read or written.
    seen: BTreeSet<String>,
}

impl CorpusFolder {
    /// Opens the folder, and creates it if it does not exist.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
            seen: BTreeSet::new(),
        })
    }

    /// The conversations that were added by others since the last call; invalid files are skipped.
    pub(super) fn read_new(&mut self) -> Vec<Conversation> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".json") && !name.starts_with('.'))
            .filter(|name| self.seen.insert(name.clone()))
            .collect();
        names.sort_unstable();
        let read = |name: String| {
            let path = self.path.join(&name);
            let is_small = fs::metadata(&path).is_ok_and(|found| found.len() <= MAX_FILE);
            let text = is_small.then(|| fs::read_to_string(&path).ok()).flatten()?;
            let conversation = Conversation::parse(&text).ok();
            if conversation.is_none() {
                tracing::warn!("{} is not a conversation and is skipped", path.display());
            }
            conversation
        };
        names.into_iter().filter_map(read).collect()
    }

    /// Writes a conversation unless it exists.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn add(&mut self, conversation: &Conversation) -> io::Result<()> {
        let name = conversation.name();
        let path = self.path.join(&name);
        if !self.seen.insert(name.clone()) || path.exists() {
            return Ok(());
        }
        let unfinished = self.path.join(format!(".{name}.{}", std::process::id()));
        fs::write(&unfinished, conversation.text())?;
        fs::rename(&unfinished, &path)
    }
}

#[cfg(test)]
mod tests {
    use shakedown_engine::scenario::Loaded;

    use super::*;

    fn conversation() -> Conversation {
        let text = include_str!(
            "../../../../vectors/mediastream/scenarios/3way/responder/a-handshake-leads-to-two-frames.json"
        );
        let loaded = Loaded::parse("a-handshake-leads-to-two-frames.json", text).unwrap();
        let protocol = shakedown_protocol::protocol("mediastream").unwrap();
        Conversation::from_scenario(&loaded, protocol).unwrap()
    }

    #[test]
    fn a_conversation_that_one_worker_adds_another_reads_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = CorpusFolder::open(folder.path()).unwrap();
        let mut other = CorpusFolder::open(folder.path()).unwrap();
        let conversation = conversation();
        one.add(&conversation).unwrap();
        one.add(&conversation).unwrap();
        let names: Vec<_> = other.read_new().iter().map(Conversation::name).collect();
        assert_eq!(names, [conversation.name()]);
        assert!(other.read_new().is_empty());
        assert!(one.read_new().is_empty());
    }

    #[test]
    fn files_that_are_invalid_or_unfinished_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.json"), "{").unwrap();
        fs::write(folder.path().join(".y.json.7"), conversation().text()).unwrap();
        assert!(
            CorpusFolder::open(folder.path())
                .unwrap()
                .read_new()
                .is_empty()
        );
    }
}
