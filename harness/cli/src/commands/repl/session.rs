//! What the commands do.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_net::KeyLog;
use shakedown_protocol::proton::{ClientEvent, ClientSettings, Profile, STARTUP_DELAY};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::command::{Command, HELP, RepeatedCommand};
use super::connection::Connection;
use crate::exit::Failure;
use crate::reference::print_line;

/// How long a new connection is watched: a server that has one already lets it in only to close it.
const SETTLING: Duration = Duration::from_millis(150);

/// A session: the connections of one client process, the newest last.
pub(super) struct Session {
    server: SocketAddr,
    profile: Profile,
    key_log: Option<KeyLog>,
    /// Whether the process stands still.
    frozen: watch::Sender<bool>,
    connections: Vec<Connection>,
    /// The id of the next event; `None` after the last one (PR-E-05).
    next_event: Option<u32>,
    /// When a connection was lost last (PR-C-06).
    lost: Option<Instant>,
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
    pub(super) fn new(server: SocketAddr, profile: Profile, key_log: Option<KeyLog>) -> Self {
        Self {
            server,
            profile,
            key_log,
            frozen: watch::Sender::new(false),
            connections: Vec::new(),
            next_event: Some(1),
            lost: None,
        }
    }

    /// Does what was ordered, as often as it was.
    pub(super) async fn follow(&mut self, order: RepeatedCommand) -> Result<Done, Failure> {
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
        let done = match command {
            Command::Connect(delay) => self.connect(delay).await,
            Command::SendEvent => self.send_event().await,
            Command::Commit(id) => self.commit(id).await,
            Command::ReadAction => self.read_action().await,
            Command::Close => self.close().await,
            Command::Sleep(span) => {
                print_line(&format!("Sleeping for {span} seconds..."))?;
                self.stand_still(span.0).await;
                Ok("Awake!".to_owned())
            }
            Command::Reset => {
                let seconds = STARTUP_DELAY.as_secs();
                print_line(&format!(
                    "Waiting {seconds}s for all connections to timeout..."
                ))?;
                self.stand_still(STARTUP_DELAY).await;
                self.connections.clear();
                self.lost = None;
                Ok("Reset complete. Client state cleared.".to_owned())
            }
            Command::Help => Ok(HELP.to_owned()),
            Command::Exit => return Ok(Done::Exit),
        };
        match done {
            Ok(line) => {
                print_line(&line)?;
                Ok(Done::Well)
            }
            Err(line) => {
                print_line(&line)?;
                Ok(Done::Failed)
            }
        }
    }

    async fn connect(&mut self, delay: Option<Duration>) -> Result<String, String> {
        match (delay, self.lost) {
            (Some(delay), _) => sleep(delay).await,
            (None, Some(lost)) => sleep_until(lost + STARTUP_DELAY).await, // PR-C-06
            (None, None) => {}
        }
        let failed = |why: String| format!("Failed to connect: {why}");
        let mut connection = self.open().map_err(failed)?;
        let asked = connection.ask(|client, _| client.connect(false)).await;
        asked
            .map_err(failed)?
            .map_err(|error| failed(error.to_string()))?;
        settle(&mut connection).await.map_err(failed)?;
        self.lost = None;
        self.connections.push(connection);
        Ok("Connected successfully!".to_owned())
    }

    fn open(&self) -> Result<Connection, String> {
        let settings = ClientSettings {
            profile: self.profile,
            first_event: self.next_event.unwrap_or(u32::MAX),
        };
        Connection::open(
            self.server,
            settings,
            self.frozen.subscribe(),
            self.key_log.clone(),
        )
    }

    async fn send_event(&mut self) -> Result<String, String> {
        let failed = |why: String| format!("Failed to send event: {why}");
        if self.next_event.is_none() {
            let why = "no event id is left, the last one was 4294967295";
            return Err(failed(why.to_owned()));
        }
        let next_event = self.next_event;
        let connection = self.current().map_err(failed)?;
        let sent = connection.ask(|client, now| client.send_event(now)).await;
        let news = match sent.map_err(failed)? {
            Ok(id) => {
                let news = connection.news().await;
                self.next_event = id.checked_add(1); // PR-E-04, PR-E-05
                news
            }
            Err(error) => Err(connection.ended().unwrap_or_else(|| error.to_string())),
        };
        match self.noted(news) {
            Ok(ClientEvent::Acked(id)) => Ok(format!("Event acknowledged with ID: {id}")),
            Ok(other) => Err(failed(format!("event {next_event:?} got {other:?}"))),
            Err(why) => Err(failed(why)),
        }
    }

    async fn commit(&mut self, id: u32) -> Result<String, String> {
        let failed = |why: String| format!("Failed to commit state: {why}");
        let connection = self.current().map_err(failed)?;
        let sent = connection
            .ask(move |client, now| client.commit(now, id))
            .await;
        let news = match sent.map_err(failed)? {
            Ok(()) => connection.news().await,
            Err(error) => Err(connection.ended().unwrap_or_else(|| error.to_string())),
        };
        match self.noted(news) {
            Ok(ClientEvent::Committed { answer, .. }) => {
                Ok(format!("State commit response: {answer}"))
            }
            Ok(other) => Err(failed(format!("the commit got {other:?}"))),
            Err(why) => Err(failed(why)),
        }
    }

    async fn read_action(&mut self) -> Result<String, String> {
        let failed = |why: String| format!("Failed to read action: {why}");
        let connection = self.current().map_err(failed)?;
        let asked = connection.ask(|client, now| client.read_action(now)).await;
        let news = match asked.map_err(failed)? {
            Ok(()) => connection.news().await,
            Err(error) => Err(connection.ended().unwrap_or_else(|| error.to_string())),
        };
        match self.noted(news) {
            Ok(ClientEvent::Item(item)) => Ok(format!("Received action: {item}")),
            Ok(other) => Err(failed(format!("the read got {other:?}"))),
            Err(why) => Err(failed(why)),
        }
    }

    async fn close(&mut self) -> Result<String, String> {
        let failed = |why: String| format!("Failed to close: {why}");
        let connection = self.connections.pop().ok_or_else(not_connected);
        let connection = connection.map_err(failed)?;
        let closed = connection.ask(|client, now| client.close(now)).await;
        closed
            .map_err(failed)?
            .map_err(|error| failed(error.to_string()))?;
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

    /// Forgets the newest connection if the news is its end.
    fn noted(&mut self, news: Result<ClientEvent, String>) -> Result<ClientEvent, String> {
        if news.is_err() {
            self.connections.pop();
            self.lost = Some(Instant::now());
        }
        news
    }

    /// Neither sends nor hears anything for so long, as a process that is suspended.
    async fn stand_still(&self, span: Duration) {
        self.frozen.send_replace(true);
        sleep(span).await;
        self.frozen.send_replace(false);
    }
}

fn not_connected() -> String {
    "Not connected".to_owned()
}

/// Waits until the connection is there and was not closed at once.
async fn settle(connection: &mut Connection) -> Result<(), String> {
    connection.news().await?;
    let end = Instant::now() + SETTLING;
    match timeout_at(end, connection.news()).await {
        Ok(Err(why)) => Err(why),
        // Nothing was asked for yet, so nothing else can be news.
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}
