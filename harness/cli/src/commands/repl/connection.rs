//! A client on a socket of its own, which lives on while a line is being typed.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_carrier::{Carrier, Effect, Security, Settings, Socket};
use shakedown_net::probe::any_address_for;
use shakedown_net::{Clock, KeyLog, PeerSocket};
use shakedown_protocol::proton::{Client, ClientSettings, ClientEvent, TRANSPORT};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

/// How long a connection that is closed is kept for whoever has not heard of it.
const GOODBYE: Duration = Duration::from_millis(500);

/// A connection in a task of its own.
pub(super) struct Connection {
    asks: mpsc::UnboundedSender<Ask>,
    news: mpsc::UnboundedReceiver<ClientEvent>,
    task: tokio::task::JoinHandle<()>,
}

/// Something that the client is asked for.
type Ask = Box<dyn FnOnce(&mut Client, Duration) + Send>;

impl Connection {
    /// A client that has not connected yet. While `frozen` is true nothing passes to or from it.
    pub(super) fn open(
        server: SocketAddr,
        client: ClientSettings,
        frozen: watch::Receiver<bool>,
        key_log: Option<KeyLog>,
    ) -> Result<Self, String> {
        let settings = Settings::new(TRANSPORT, Security::Tls);
        let carrier = Carrier::client(Client::new(client), server, &settings);
        let (asks, asked) = mpsc::unbounded_channel();
        let (tell, news) = mpsc::unbounded_channel();
        let attendant = Attendant {
            carrier: carrier.map_err(|error| error.to_string())?,
            socket: PeerSocket::bind(any_address_for(server))
                .map_err(|error| format!("no UDP socket can be opened: {error}"))?,
            clock: Clock::start(),
            frozen,
            key_log,
            tell,
        };
        let task = tokio::spawn(attendant.run(asked));
        Ok(Self { asks, news, task })
    }

    /// Asks the client for something.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Client, Duration) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let ask: Ask = Box::new(move |client, now| {
            // Whoever does not wait any more does not want to know.
            let _ = answer.send(ask(client, now));
        });
        let gone = || "the connection is gone".to_owned();
        self.asks.send(ask).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    /// Waits for the next news; the end of the connection is an error that says why.
    pub(super) async fn news(&mut self) -> Result<ClientEvent, String> {
        match self.news.recv().await {
            Some(ClientEvent::Closed { why, .. }) => Err(why),
            Some(news) => Ok(news),
            None => Err("the connection is gone".to_owned()),
        }
    }

    /// Why the connection has ended, if it has and nobody heard of it so far.
    pub(super) fn ended(&mut self) -> Option<String> {
        while let Ok(news) = self.news.try_recv() {
            if let ClientEvent::Closed { why, .. } = news {
                return Some(why);
            }
        }
        None
    }

    /// Waits until what is closed has been told to the server.
    pub(super) async fn end(self) {
        drop(self.asks);
        // A task that failed has nothing left to say.
        let _ = self.task.await;
    }
}

/// What drives a connection.
struct Attendant {
    carrier: Carrier<Client>,
    socket: PeerSocket,
    clock: Clock,
    frozen: watch::Receiver<bool>,
    key_log: Option<KeyLog>,
    tell: mpsc::UnboundedSender<ClientEvent>,
}

impl Attendant {
    /// Goes on until nobody asks any more and the connection is gone.
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<Ask>) {
        self.carrier.tick(self.clock.now());
        let mut until = None;
        loop {
            self.carry_out().await;
            let is_over = until.is_some_and(|until| self.clock.now() >= until);
            if is_over || (until.is_some() && self.carrier.is_idle()) {
                return;
            }
            let due = self.carrier.deadline().into_iter().chain(until).min();
            let due = due.map(|due| self.clock.instant(due));
            tokio::select! {
                biased;
                ask = asked.recv(), if until.is_none() => match ask {
                    Some(ask) => {
                        let now = self.clock.now();
                        self.carrier.ask(now, |client| ask(client, now));
                    }
                    None => until = Some(self.clock.now() + GOODBYE),
                },
                () = std::future::poll_fn(|context| self.socket.poll_readable(context)) => {
                    self.receive();
                }
                () = async {
                    match due {
                        Some(due) => sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                } => self.carrier.tick(self.clock.now()),
            }
        }
    }

    fn receive(&mut self) {
        // An error is an ICMP message about something that was sent; the socket goes on.
        if let Ok(Some(arrival)) = self.socket.receive_if_ready(&self.clock)
            && !*self.frozen.borrow()
        {
            let (now, from) = (self.clock.now(), arrival.from);
            self.carrier.receive(now, Socket::MAIN, from, &arrival.payload);
        }
    }

    async fn carry_out(&mut self) {
        while let Some(effect) = self.carrier.poll() {
            if let Effect::Send { to, payload, .. } = effect
                && !*self.frozen.borrow()
                && let Err(error) = self.socket.send(&payload, to).await
            {
                tracing::debug!("a packet to {to}: {error}");
            }
        }
        let secrets = self.carrier.take_secrets();
        if let Some(key_log) = &self.key_log {
            key_log.write(&secrets);
        }
        while let Some(news) = self.carrier.machine_mut().take_news() {
            // Whoever has left does not want to know.
            let _ = self.tell.send(news);
        }
    }
}
