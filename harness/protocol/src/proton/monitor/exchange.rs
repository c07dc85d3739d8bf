use std::collections::VecDeque;
use std::time::Duration;

/// Most open requests; with more the connection is not judged further.
const MOST: usize = 65_536;

/// A request or a response with its packet and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) value: u32,
    pub(super) packet: u64,
    pub(super) time: Duration,
}

/// Matches responses to requests, in order. A response may precede its request in a capture that was reordered.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange {
    pub(super) asked: VecDeque<Message>,
    pub(super) early: VecDeque<Message>,
    /// Too many are open, or a rule was violated: nothing more is judged.
    pub(super) over: bool,
}

impl Exchange {
    /// Takes a request. Returns it with its response if that came first.
    pub(super) fn ask(&mut self, message: Message) -> Option<(Message, Message)> {
        if self.over {
            return None;
        }
        if let Some(answer) = self.early.pop_front() {
            return Some((message, answer));
        }
        self.over = self.asked.len() == MOST;
        self.asked.push_back(message);
        None
    }

    /// Takes a response. Returns it with its request if that was seen.
    pub(super) fn answer(&mut self, message: Message) -> Option<(Message, Message)> {
        if self.over {
            return None;
        }
        if let Some(request) = self.asked.pop_front() {
            return Some((request, message));
        }
        self.over = self.early.len() == MOST;
        self.early.push_back(message);
        None
    }
}
