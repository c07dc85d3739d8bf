//! What the commands do.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_net::KeyLog;
use shakedown_protocol::proton::{
    ClientEvent, ClientSettings, IDLE_TIMEOUT, NotReady, Profile, REFUSED, STARTUP_DELAY, TIMED_OUT,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::command::{self, Command, HELP, RepeatedCommand};
use super::connection::Connection;
use super::note;
use crate::exit::Failure;
use crate::reference::print_line;

/// How long a new connection is watched: a server that has one already lets it in only to close it.
const SETTLING: Duration = Duration::from_millis(150);

/// The settings of a session.
pub(super) struct Settings {
    pub(super) server: SocketAddr,
    pub(super) profile: Profile,
    /// How long `connect` waits without an argument (PR-C-06).
    pub(super) startup_delay: Duration,
    /// Whether a line goes on behind a command that failed.
    pub(super) keep_going: bool,
    pub(super) key_log: Option<KeyLog>,
}

/// A session: the connections of one client process, the newest last.
pub(super) struct Session {
    settings: Settings,
    /// Whether the process stands still.
    frozen: watch::Sender<bool>,
    connections: Vec<Connection>,
    /// The id of the next event; `None` after the last one (PR-E-05).
    next_event: Option<u32>,
    /// Whether a command failed.
    pub(super) has_failed: bool,
}

/// How a command went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Well,
    Failed,
    /// The session is to end.
    Exit,
}

impl Session {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            frozen: watch::Sender::new(false),
            connections: Vec::new(),
            next_event: Some(1),
            has_failed: false,
        }
    }

    /// Does what a line orders, unless it is interrupted. The connections stay.
    pub(super) async fn follow(
        &mut self,
        line: &str,
        interrupted: impl Future<Output = ()>,
    ) -> Result<Done, Failure> {
        tokio::select! {
            biased;
            () = interrupted => {
                self.frozen.send_replace(false);
                print_line("\nInterrupted")?;
                Ok(Done::Failed)
            }
            done = self.chain(line) => done,
        }
    }

    /// Does one order after the other, until one fails.
    async fn chain(&mut self, line: &str) -> Result<Done, Failure> {
        let mut all = Done::Well;
        let mut orders = command::orders(line);
        while let Some(order) = orders.next() {
            let done = match order {
                Ok(order) => self.repeat(order).await?,
                Err(why) => {
                    print_line(&why)?;
                    Done::Failed
                }
            };
            match done {
                Done::Well => {}
                Done::Failed => {
                    all = Done::Failed;
                    self.has_failed = true;
                }
                Done::Exit => return Ok(Done::Exit),
            }
            if all == Done::Failed && !self.settings.keep_going {
                match orders.count() {
                    0 => {}
                    rest => note(&format!(
                        "the other {rest} of this line are left out; with --keep-going they are not"
                    )),
                }
                break;
            }
        }
        Ok(all)
    }

    /// Does what was ordered, as often as it was.
    async fn repeat(&mut self, order: RepeatedCommand) -> Result<Done, Failure> {
        let Some(times) = order.times else {
            return self.perform(order.command).await;
        };
        let mut all = Done::Well;
        for n in 1..=times {
            print_line(&format!("Execution {n} of {times}:"))?;
            match self.perform(order.command).await? {
                Done::Well => {}
                Done::Failed => all = Done::Failed,
                Done::Exit => return Ok(Done::Exit),
            }
        }
        Ok(all)
    }

    async fn perform(&mut self, command: Command) -> Result<Done, Failure> {
        let (what, done) = match command {
            Command::Connect(delay) => ("connect", self.connect(delay).await),
            Command::SendEvent => ("send event", self.send_event().await),
            Command::Commit(id) => ("commit state", self.commit(id).await),
            Command::ReadAction => ("read action", self.read_action().await),
            Command::Close => ("close", self.close().await),
            Command::Sleep(span) => {
                print_line(&format!("Sleeping for {span} seconds..."))?;
                self.stand_still(span.0).await;
                ("sleep", Ok("Awake!".to_owned()))
            }
            Command::Reset => {
                let seconds = STARTUP_DELAY.as_secs();
                print_line(&format!(
                    "Waiting {seconds}s for all connections to timeout..."
                ))?;
                self.stand_still(STARTUP_DELAY).await;
                self.connections.clear();
                let cleared = "Reset complete. Client state cleared.";
                ("reset", Ok(cleared.to_owned()))
            }
            Command::Help => ("help", Ok(HELP.to_owned())),
            Command::Exit => return Ok(Done::Exit),
        };
        match done {
            Ok(line) => {
                print_line(&line)?;
                Ok(Done::Well)
            }
            Err(why) => {
                print_line(&format!("Failed to {what}: {why}"))?;
                note(&self.about(&why, matches!(command, Command::Connect(_))));
                Ok(Done::Failed)
            }
        }
    }

    /// Who it was, and what that may mean.
    fn about(&self, why: &str, is_connecting: bool) -> String {
        let server = self.settings.server;
        match why {
            REFUSED => format!("{server} has a connection already, or takes none yet"),
            TIMED_OUT if is_connecting => format!(
                "nothing answers at {server}: start a server there, or name another address"
            ),
            TIMED_OUT => {
                let seconds = IDLE_TIMEOUT.as_secs();
                format!("{server} was silent for {seconds} s, the idle timeout")
            }
            why if why == not_connected() => format!("`connect` opens a connection to {server}"),
            _ => format!("the server is {server}"),
        }
    }

    async fn connect(&mut self, delay: Option<Duration>) -> Result<String, String> {
        let delay = delay.unwrap_or(self.settings.startup_delay);
        if !delay.is_zero() {
            let seconds = delay.as_secs_f64();
            note(&format!(
                "connects in {seconds} s; `connect 0` does not wait"
            ));
        }
        sleep(delay).await;
        let mut connection = self.open()?;
        let asked = connection.ask(|client, _| client.connect(false)).await?;
        asked.map_err(|error| error.to_string())?;
        settle(&mut connection).await?;
        self.connections.push(connection);
        Ok("Connected successfully!".to_owned())
    }

    fn open(&self) -> Result<Connection, String> {
        let settings = ClientSettings {
            profile: self.settings.profile,
            first_event: self.next_event.unwrap_or(u32::MAX),
        };
        Connection::open(
            self.settings.server,
            settings,
            self.frozen.subscribe(),
            self.settings.key_log.clone(),
        )
    }

    async fn send_event(&mut self) -> Result<String, String> {
        if self.next_event.is_none() {
            return Err(NotReady::NoIdLeft.to_string());
        }
        let sent = self.current()?.ask(|client, now| client.send_event(now));
        let acked = match sent.await? {
            Ok(id) => {
                // An ack that is not waited for uses the id up, too.
                self.next_event = id.checked_add(1); // PR-E-04, PR-E-05
                let is_ack = |event: &ClientEvent| (*event == ClientEvent::Acked(id)).then_some(id);
                self.current()?.answer(is_ack).await
            }
            Err(error) => Err(self.ended(error)),
        };
        let id = self.noted(acked)?;
        Ok(format!("Event acknowledged with ID: {id}"))
    }

    async fn commit(&mut self, id: u32) -> Result<String, String> {
        let sent = self
            .current()?
            .ask(move |client, now| client.commit(now, id));
        let answer = match sent.await? {
            Ok(()) => {
                let answer = |event: &ClientEvent| match event {
                    ClientEvent::Committed { request, answer } if *request == id => Some(*answer),
                    _ => None,
                };
                self.current()?.answer(answer).await
            }
            Err(error) => Err(self.ended(error)),
        };
        let answer = self.noted(answer)?;
        Ok(format!("State commit response: {answer}"))
    }

    async fn read_action(&mut self) -> Result<String, String> {
        let asked = self.current()?.ask(|client, now| client.read_action(now));
        let item = match asked.await? {
            Ok(()) => {
                let item = |event: &ClientEvent| match event {
                    ClientEvent::Item(item) => Some(*item),
                    _ => None,
                };
                self.current()?.answer(item).await
            }
            Err(error) => Err(self.ended(error)),
        };
        let item = self.noted(item)?;
        Ok(format!("Received action: {item}"))
    }

    async fn close(&mut self) -> Result<String, String> {
        let connection = self.connections.pop().ok_or_else(not_connected)?;
        let closed = connection.ask(|client, now| client.close(now)).await?;
        closed.map_err(|error| error.to_string())?;
        connection.end().await;
        Ok("Connection closed.".to_owned())
    }

    /// Ends all connections in peace.
    pub(super) async fn end(mut self) {
        while !self.connections.is_empty() {
            // One that is over already needs no end.
            let _ = self.close().await;
        }
    }

    fn current(&mut self) -> Result<&mut Connection, String> {
        self.connections.last_mut().ok_or_else(not_connected)
    }

    /// Why the newest connection can do nothing.
    fn ended(&mut self, error: NotReady) -> String {
        let ended = self.connections.last_mut().and_then(Connection::ended);
        ended.unwrap_or_else(|| error.to_string())
    }

    /// Forgets the newest connection if the answer is its end.
    fn noted<T>(&mut self, answer: Result<T, String>) -> Result<T, String> {
        if answer.is_err() {
            self.connections.pop();
        }
        answer
    }

    /// Neither sends nor receives for this long, like a suspended process.
    async fn stand_still(&self, span: Duration) {
        self.frozen.send_replace(true);
        sleep(span).await;
        self.frozen.send_replace(false);
    }
}

fn not_connected() -> String {
    NotReady::NotConnected.to_string()
}

/// Waits until the connection is there and was not closed at once.
async fn settle(connection: &mut Connection) -> Result<(), String> {
    connection.event().await?;
    let end = Instant::now() + SETTLING;
    match timeout_at(end, connection.event()).await {
        Ok(Err(why)) => Err(why),
        // Nothing was asked for yet, so nothing else can have come.
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}
