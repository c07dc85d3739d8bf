//! A corpus on disk, which any number of workers may share: each conversation is a file that is named by its
//! content, and comes into being whole.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shakedown_engine::fuzzing::Conversation;

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

/// A folder of conversations.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Files that were looked at.
    seen: BTreeSet<String>,
}

impl Folder {
    /// Opens a folder, which is made if need be.
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

    /// The conversations that came since the last time; what is none is passed over.
    pub(super) fn new_ones(&mut self) -> Vec<Conversation> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".json") && !name.starts_with('.'))
            .filter(|name| self.seen.insert(name.clone()))
            .collect();
        names.sort_unstable();
        let read = |name: String| {
            let path = self.path.join(&name);
            let is_small = fs::metadata(&path).is_ok_and(|found| found.len() <= LARGEST);
            let text = is_small.then(|| fs::read_to_string(&path).ok()).flatten()?;
            let conversation = Conversation::parse(&text).ok();
            if conversation.is_none() {
                tracing::warn!("{} is no conversation and is passed over", path.display());
            }
            conversation
        };
        names.into_iter().filter_map(read).collect()
    }

    /// Writes a conversation, unless it is there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn keep(&mut self, conversation: &Conversation) -> io::Result<()> {
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
        Conversation::grown_from(&loaded, protocol).unwrap()
    }

    #[test]
    fn what_one_worker_keeps_another_hears_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = Folder::open(folder.path()).unwrap();
        let mut other = Folder::open(folder.path()).unwrap();
        let conversation = conversation();
        one.keep(&conversation).unwrap();
        one.keep(&conversation).unwrap();
        let heard: Vec<_> = other.new_ones().iter().map(Conversation::name).collect();
        assert_eq!(heard, [conversation.name()]);
        assert!(other.new_ones().is_empty());
        assert!(one.new_ones().is_empty());
    }

    #[test]
    fn what_is_no_conversation_or_not_whole_yet_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.json"), "{").unwrap();
        fs::write(folder.path().join(".y.json.7"), conversation().text()).unwrap();
        assert!(Folder::open(folder.path()).unwrap().new_ones().is_empty());
    }
}
