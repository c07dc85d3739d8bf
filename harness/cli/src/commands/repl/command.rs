//! What one can type.

use std::str::FromStr;
use std::time::Duration;

use shakedown_engine::document::closest;

/// What `help` prints, and the beginning of a session at a terminal.
pub(super) const HELP: &str = "\
Available commands:
  connect [secs]   - Connect to the server with optional startup delay
  send_event       - Send an event
  commit <id>      - Send a state commit with given ID
  read_action      - Read an action from server
  close            - Close the connection
  sleep <secs>     - Sleep for specified seconds
  reset            - Reset client state and wait for connections to timeout
  help             - Show this help message
  exit             - Exit the REPL

Commands can be chained with semicolons:
  Example: connect 5; sleep 2; send_event; read_action

Repeat prefix:
  Commands can be prefixed with a number to repeat them
  Example: 5 connect    - Connects 5 times
  Example: 3 send_event - Sends 3 events

Connection handling:
  - Multiple connects allowed to test connection handling
  - Use 'reset' to cleanup all connections and start fresh";

/// Most repetitions that a prefix can ask for.
const MOST_TIMES: u32 = 1_000_000;

/// The longest time that can be waited, in seconds: a day.
const MOST_SECONDS: f64 = 86_400.0;

/// A command of the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Command {
    /// Connects after a delay; without one, after what is left of the startup delay.
    Connect(Option<Duration>),
    SendEvent,
    Commit(u32),
    ReadAction,
    Close,
    Sleep(Span),
    Reset,
    Help,
    Exit,
}

/// A time as it was typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span(pub(super) Duration);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

/// A command and its repetitions; `None` without a number before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RepeatedCommand {
    pub(super) times: Option<u32>,
    pub(super) command: Command,
}

impl Command {
    /// The words that begin a command.
    pub(super) const WORDS: [&'static str; 9] = [
        "connect",
        "send_event",
        "commit",
        "read_action",
        "close",
        "sleep",
        "reset",
        "help",
        "exit",
    ];

    /// A command's argument, as a hint after its name.
    pub(super) fn hint(word: &str) -> Option<&'static str> {
        match word {
            "connect" => Some(" [secs]"),
            "commit" => Some(" <id>"),
            "sleep" => Some(" <secs>"),
            _ => None,
        }
    }
}

/// The orders of one line, chained with semicolons; what follows a `#` is a comment.
pub(super) fn orders(line: &str) -> impl Iterator<Item = Result<RepeatedCommand, String>> {
    let line = line.split('#').next().unwrap_or_default();
    let parts = line.split(';').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::parse)
}

impl FromStr for RepeatedCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace().peekable();
        let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
        let times = match words.next_if(is_number) {
            Some(number) => Some(times(number)?),
            None => None,
        };
        let Some(word) = words.next() else {
            return Err(format!("{text} what? Write a command behind the number"));
        };
        let argument = words.next();
        if let Some(more) = words.next() {
            return Err(format!("{word}: {more:?} is unexpected"));
        }
        let command = command(word, argument)?;
        Ok(Self { times, command })
    }
}

fn times(number: &str) -> Result<u32, String> {
    let times = number.parse().ok();
    let times = times.filter(|times| (1..=MOST_TIMES).contains(times));
    times.ok_or_else(|| format!("{number} times? Write a number from 1 to {MOST_TIMES}"))
}

fn command(word: &str, argument: Option<&str>) -> Result<Command, String> {
    let command = match (word, argument) {
        ("connect", delay) => Command::Connect(delay.map(seconds).transpose()?),
        ("commit", Some(id)) => Command::Commit(
            id.parse()
                .map_err(|_| format!("commit: {id:?} is no number from 0 to {}", u32::MAX))?,
        ),
        ("commit", None) => return Err("commit: which id? For example: commit 42".into()),
        ("sleep", Some(span)) => Command::Sleep(Span(seconds(span)?)),
        ("sleep", None) => return Err("sleep: how many seconds? For example: sleep 2".into()),
        ("send_event", None) => Command::SendEvent,
        ("read_action", None) => Command::ReadAction,
        ("close", None) => Command::Close,
        ("reset", None) => Command::Reset,
        ("help", None) => Command::Help,
        ("exit", None) => Command::Exit,
        (known, Some(more)) if Command::WORDS.contains(&known) => {
            return Err(format!("{known} takes nothing; {more:?} is unexpected"));
        }
        (unknown, _) => {
            let meant = closest(unknown, Command::WORDS);
            let meant = meant.map_or_else(String::new, |it| format!(" Did you mean '{it}'?"));
            return Err(format!(
                "Unknown command: {unknown}.{meant} Type 'help' for the commands"
            ));
        }
    };
    Ok(command)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds));
    let span = seconds.map(Duration::from_secs_f64);
    span.ok_or_else(|| format!("{text:?} is no number of seconds from 0 to {MOST_SECONDS}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn one(text: &str) -> Result<RepeatedCommand, String> {
        text.parse()
    }

    #[rstest]
    #[case("connect", Command::Connect(None))]
    #[case("connect  0", Command::Connect(Some(Duration::ZERO)))]
    #[case("commit 4294967295", Command::Commit(u32::MAX))]
    #[case("sleep 0.5", Command::Sleep(Span(Duration::from_millis(500))))]
    #[case("read_action", Command::ReadAction)]
    #[case("exit", Command::Exit)]
    fn a_command_is_its_word_and_its_argument(#[case] text: &str, #[case] command: Command) {
        let times = None;
        assert_eq!(one(text), Ok(RepeatedCommand { times, command }));
    }

    #[test]
    fn a_number_before_a_command_repeats_it() {
        let order = RepeatedCommand {
            times: Some(3),
            command: Command::SendEvent,
        };
        assert_eq!(one("3 send_event"), Ok(order));
    }

    #[test]
    fn a_line_is_a_chain_and_may_end_in_a_comment() {
        let commands: Vec<_> = orders("connect 5; sleep 2 ;; send_event  # twice; no")
            .map(|order| order.unwrap().command)
            .collect();
        let five = Command::Connect(Some(Duration::from_secs(5)));
        let two = Command::Sleep(Span(Duration::from_secs(2)));
        assert_eq!(commands, [five, two, Command::SendEvent]);
        assert_eq!(orders("  # nothing").count(), 0);
    }

    #[rstest]
    #[case(
        "comit",
        "Unknown command: comit. Did you mean 'commit'? Type 'help' for the commands"
    )]
    #[case("fly", "Unknown command: fly. Type 'help' for the commands")]
    #[case("commit", "commit: which id? For example: commit 42")]
    #[case("commit -1", "commit: \"-1\" is no number from 0 to 4294967295")]
    #[case("sleep", "sleep: how many seconds? For example: sleep 2")]
    #[case("sleep NaN", "\"NaN\" is no number of seconds from 0 to 86400")]
    #[case("close now", "close takes nothing; \"now\" is unexpected")]
    #[case("connect 1 2", "connect: \"2\" is unexpected")]
    #[case("0 close", "0 times? Write a number from 1 to 1000000")]
    #[case("7", "7 what? Write a command behind the number")]
    fn what_cannot_be_understood_is_told(#[case] text: &str, #[case] why: &str) {
        assert_eq!(one(text), Err(why.into()));
    }

    #[test]
    fn help_names_every_command() {
        for word in Command::WORDS {
            assert!(HELP.contains(&format!("\n  {word}")), "{word}");
            let hint = Command::hint(word).unwrap_or_default();
            assert!(HELP.contains(&format!("\n  {word}{hint} ")), "{word}{hint}");
        }
    }
}
