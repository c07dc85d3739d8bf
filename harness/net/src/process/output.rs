use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much of the end of a process's output is kept, in bytes.
const KEPT: usize = 16 * 1024;

/// How much of an unfinished line is looked at, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// The end of what a process printed on both streams, in the order in which it was read. It is
/// read all the time, so that a process that prints much never waits for us.
#[derive(Debug, Clone)]
pub struct Output {
    kept: Arc<Mutex<OutputBuffer>>,
    awaited: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct OutputBuffer {
    tail: VecDeque<u8>,
    total: u64,
    /// The text of the line that is awaited.
    wanted: Option<String>,
}

impl Output {
    /// Nothing yet; `wanted` is the text that [`Output::wait_for_line`] waits for.
    #[must_use]
    pub fn new(wanted: Option<&str>) -> Self {
        let kept = OutputBuffer {
            wanted: wanted.map(str::to_owned),
            ..OutputBuffer::default()
        };
        Self {
            kept: Arc::new(Mutex::new(kept)),
            awaited: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Reads a stream to its end, in its own task.
    pub fn drain(&self, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        tokio::spawn(async move { output.read_all(stream).await })
    }

    /// Waits until a line came that contains the wanted text; for ever if none comes.
    pub async fn wait_for_line(&self) {
        let mut awaited = self.awaited.subscribe();
        if awaited.wait_for(|seen| *seen).await.is_err() {
            // The sender lives as long as `self`.
            std::future::pending::<()>().await;
        }
    }

    /// How many bytes there were so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.kept().total
    }

    /// The end of the output as text; a first line says how much is left out.
    #[must_use]
    pub fn tail(&self) -> String {
        let mut kept = self.kept();
        let left_out = kept.total - kept.tail.len() as u64;
        let text = String::from_utf8_lossy(kept.tail.make_contiguous()).into_owned();
        match left_out {
            0 => text,
            _ => format!("[{left_out} bytes before this are left out]\n{text}"),
        }
    }

    /// What of the end was printed after the first `length` bytes.
    #[must_use]
    pub fn since(&self, length: u64) -> String {
        let mut kept = self.kept();
        let more = usize::try_from(kept.total.saturating_sub(length)).unwrap_or(usize::MAX);
        let begin = kept.tail.len().saturating_sub(more);
        String::from_utf8_lossy(&kept.tail.make_contiguous()[begin..]).into_owned()
    }

    async fn read_all(&self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 64 * 1024];
        let mut line = Vec::new();
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => self.take(&buffer[..length], &mut line),
            }
        }
    }

    fn take(&self, bytes: &[u8], line: &mut Vec<u8>) {
        let mut kept = self.kept();
        kept.total += bytes.len() as u64;
        let end = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (kept.tail.len() + end.len()).saturating_sub(KEPT);
        kept.tail.drain(..excess);
        kept.tail.extend(end);
        let Some(wanted) = &kept.wanted else {
            return;
        };
        // A program that never ends its line is ready all the same when the text is there.
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(line.len());
            line.extend(&piece[..piece.len().min(room)]);
            if String::from_utf8_lossy(line).contains(wanted) {
                kept.wanted = None;
                self.awaited.send_replace(true);
                return;
            }
            if piece.ends_with(b"\n") {
                line.clear();
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, OutputBuffer> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_much_output_the_end_is_kept_and_the_rest_is_counted() {
        let output = Output::new(None);
        let text = "x".repeat(3 << 20) + "the end";
        output.read_all(text.as_bytes()).await;
        let tail = output.tail();
        assert!(tail.len() < KEPT + 100);
        assert!(tail.ends_with("the end"));
        let left_out = text.len() - KEPT;
        assert!(
            tail.starts_with(&format!("[{left_out} bytes before")),
            "{}",
            &tail[..60]
        );
    }

    #[test]
    fn what_was_printed_before_is_left_out() {
        let output = Output::new(None);
        output.take(b"before", &mut Vec::new());
        let length = output.length();
        assert_eq!(output.since(length), "");
        output.take(b"after", &mut Vec::new());
        assert_eq!(output.since(length), "after");
        output.take(&[b'x'; KEPT], &mut Vec::new());
        assert_eq!(output.since(length).len(), KEPT);
    }

    #[tokio::test]
    async fn the_wanted_text_is_seen_in_a_line_that_comes_in_pieces_and_never_ends() {
        let output = Output::new(Some("is ready"));
        let mut line = Vec::new();
        output.take(b"noise\nthe server is re", &mut line);
        assert!(!*output.awaited.borrow());
        output.take(b"ady on port 1", &mut line);
        assert!(*output.awaited.borrow());
        output.wait_for_line().await;
    }

    #[test]
    fn text_across_two_lines_is_not_the_wanted_one() {
        let output = Output::new(Some("is ready"));
        output.take(b"the server is\n ready", &mut Vec::new());
        assert!(!*output.awaited.borrow());
    }
}
