use std::collections::VecDeque;
use std::time::Duration;

/// Most requests that wait for their answers and are kept; more are not judged.
const MOST: usize = 65_536;

/// A request or an answer, and where it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) value: u32,
    pub(super) packet: u64,
    pub(super) time: Duration,
}

/// Requests and their answers, in order. An answer may be seen before its request where the
/// capture has them in another order than the server.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange {
    pub(super) asked: VecDeque<Word>,
    pub(super) early: VecDeque<Word>,
    /// Too much to keep, or something is wrong already: nothing more is judged.
    pub(super) over: bool,
}

impl Exchange {
    /// Takes a request. Gives it with its answer if that was there before.
    pub(super) fn ask(&mut self, word: Word) -> Option<(Word, Word)> {
        if self.over {
            return None;
        }
        if let Some(answer) = self.early.pop_front() {
            return Some((word, answer));
        }
        self.over = self.asked.len() == MOST;
        self.asked.push_back(word);
        None
    }

    /// Takes an answer. Gives it with the request that it is for, if that was seen.
    pub(super) fn answer(&mut self, word: Word) -> Option<(Word, Word)> {
        if self.over {
            return None;
        }
        if let Some(request) = self.asked.pop_front() {
            return Some((request, word));
        }
        self.over = self.early.len() == MOST;
        self.early.push_back(word);
        None
    }
}
