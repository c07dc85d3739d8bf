//! Lines typed at a terminal: history, completion and hints.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::command::Command;

/// A line editor that knows the commands.
pub(super) struct LineEditor {
    editor: Editor<CommandHelper, DefaultHistory>,
    history: Option<PathBuf>,
}

pub(super) enum Input {
    Line(String),
    /// Ctrl-C: the line is dropped.
    Nothing,
    /// Ctrl-D.
    End,
}

impl LineEditor {
    /// An editor with the history of earlier sessions.
    ///
    /// # Errors
    /// A human-readable error if the terminal cannot be used.
    pub(super) fn new() -> Result<Self, String> {
        let wrong = |error: ReadlineError| format!("the terminal cannot be used: {error}");
        let mut editor = Editor::new().map_err(wrong)?;
        editor.set_helper(Some(CommandHelper));
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let history = home.map(|home| home.join(".proton_history"));
        if let Some(history) = &history {
            // The first session has none.
            let _ = editor.load_history(history);
        }
        Ok(Self { editor, history })
    }

    /// The next line.
    ///
    /// # Errors
    /// A human-readable error if the terminal cannot be read.
    pub(super) fn next(&mut self) -> Result<Input, String> {
        match self.editor.readline("> ") {
            Ok(line) => {
                self.remember(&line);
                Ok(Input::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Input::Nothing),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(format!("the terminal cannot be read: {error}")),
        }
    }

    fn remember(&mut self, line: &str) {
        let added = self.editor.add_history_entry(line);
        if let (Ok(true), Some(history)) = (added, &self.history)
            && let Err(error) = self.editor.save_history(history)
        {
            tracing::warn!("no history can be kept in {}: {error}", history.display());
        }
    }
}

/// The commands, as the editor completes them.
#[derive(Debug)]
struct CommandHelper;

/// Where the word begins that ends at `position`, and the word.
fn word(line: &str, position: usize) -> (usize, &str) {
    let typed = line.get(..position).unwrap_or(line);
    let start = typed
        .rfind(|c: char| c == ';' || c.is_whitespace())
        .map_or(0, |at| at + 1);
    (start, &typed[start..])
}

impl Completer for CommandHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, word) = word(line, position);
        let fitting = Command::WORDS
            .iter()
            .filter(|known| known.starts_with(word));
        Ok((start, fitting.map(|known| format!("{known} ")).collect()))
    }
}

impl Hinter for CommandHelper {
    type Hint = String;

    fn hint(&self, line: &str, position: usize, _context: &Context<'_>) -> Option<String> {
        if position < line.len() {
            return None;
        }
        let (_, word) = word(line, position);
        if let Some(hint) = Command::hint(word) {
            return Some(hint.to_owned());
        }
        let known = Command::WORDS.iter();
        let mut fitting = known.filter(|known| !word.is_empty() && known.starts_with(word));
        let only = fitting.next()?;
        let rest = only.get(word.len()..)?;
        let hint = Command::hint(only).unwrap_or_default();
        (!rest.is_empty() && fitting.next().is_none()).then(|| format!("{rest}{hint}"))
    }
}

impl Highlighter for CommandHelper {}
impl Validator for CommandHelper {}
impl Helper for CommandHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> (usize, Vec<String>) {
        let history = DefaultHistory::new();
        let context = Context::new(&history);
        CommandHelper.complete(line, line.len(), &context).unwrap()
    }

    fn hint(line: &str) -> Option<String> {
        let history = DefaultHistory::new();
        CommandHelper.hint(line, line.len(), &Context::new(&history))
    }

    #[test]
    fn the_last_word_of_a_chain_is_completed() {
        assert_eq!(completed("connect; 3 se"), (11, vec!["send_event ".into()]));
        let two = vec!["connect ".to_owned(), "commit ".into(), "close ".into()];
        assert_eq!(completed("c"), (0, two));
    }

    #[test]
    fn what_a_command_takes_is_hinted() {
        assert_eq!(hint("sleep").as_deref(), Some(" <secs>"));
        assert_eq!(hint("comm").as_deref(), Some("it <id>"));
        assert_eq!(hint("co"), None);
        assert_eq!(hint("close"), None);
    }
}
