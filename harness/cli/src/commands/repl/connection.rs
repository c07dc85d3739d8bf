//! A client on its own socket, which runs while a line is being typed.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_carrier::{Carrier, Security, Settings};
use shakedown_net::KeyLog;
use shakedown_net::host::{Host, MachineCall, Owner, OwnerRequest};
use shakedown_net::probe::any_address_for;
use shakedown_protocol::proton::{Client, ClientEvent, ClientSettings, TRANSPORT};
use tokio::sync::{mpsc, oneshot, watch};

/// A connection in its own task. It is closed when it is dropped.
pub(super) struct Connection {
    asks: mpsc::UnboundedSender<MachineCall<Client>>,
    events: mpsc::UnboundedReceiver<ClientEvent>,
    task: tokio::task::JoinHandle<()>,
}

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
        let mut carrier = carrier.map_err(|error| error.to_string())?;
        let host = Host::bind(any_address_for(server));
        let host = host.map_err(|error| format!("no UDP socket can be opened: {error}"))?;
        let (asks, asked) = mpsc::unbounded_channel();
        let (tell, events) = mpsc::unbounded_channel();
        let mut typist = ReplOwner {
            asked,
            has_left: false,
            frozen,
            tell,
        };
        let task = tokio::spawn(async move {
            carrier.tick(Duration::ZERO);
            let mut host = host.with_key_log(key_log);
            host.run(&mut carrier, &mut typist).await;
        });
        Ok(Self { asks, events, task })
    }

    /// Asks the client for something.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Client, Duration) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let ask: MachineCall<Client> = Box::new(move |client, now| {
            // The receiver may be gone.
            let _ = answer.send(ask(client, now));
        });
        let gone = || "the connection is gone".to_owned();
        self.asks.send(ask).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    /// Waits for the next event; the end of the connection is an error that says why.
    pub(super) async fn event(&mut self) -> Result<ClientEvent, String> {
        match self.events.recv().await {
            Some(ClientEvent::Closed { why, .. }) => Err(why),
            Some(event) => Ok(event),
            None => Err("the connection is gone".to_owned()),
        }
    }

    /// Waits for the news that is wanted. Answers to what was interrupted may come before it.
    pub(super) async fn answer<T>(
        &mut self,
        wanted: impl Fn(&ClientEvent) -> Option<T>,
    ) -> Result<T, String> {
        loop {
            if let Some(answer) = wanted(&self.event().await?) {
                return Ok(answer);
            }
        }
    }

    /// Why the connection has ended, if that was not reported yet.
    pub(super) fn ended(&mut self) -> Option<String> {
        while let Ok(event) = self.events.try_recv() {
            if let ClientEvent::Closed { why, .. } = event {
                return Some(why);
            }
        }
        None
    }

    /// Waits until the server has received the closes.
    pub(super) async fn end(self) {
        drop(self.asks);
        // A task that failed has nothing left to say.
        let _ = self.task.await;
    }
}

/// The owner of the client: commands, until they end and the connection is gone.
struct ReplOwner {
    asked: mpsc::UnboundedReceiver<MachineCall<Client>>,
    has_left: bool,
    frozen: watch::Receiver<bool>,
    tell: mpsc::UnboundedSender<ClientEvent>,
}

impl Owner<Carrier<Client>> for ReplOwner {
    async fn next_request(&mut self) -> OwnerRequest<Carrier<Client>> {
        if self.has_left {
            std::future::pending::<()>().await;
        }
        let ask = self.asked.recv().await;
        self.has_left = ask.is_none();
        OwnerRequest::Call(Box::new(|carrier, now| {
            carrier.ask(now, |client| match ask {
                Some(ask) => ask(client, now),
                None => {
                    // One that is over already needs no end.
                    let _ = client.close(now);
                }
            });
        }))
    }

    fn has_enough(&mut self, carrier: &mut Carrier<Client>) -> bool {
        while let Some(event) = carrier.machine_mut().poll_event() {
            // The receiver may be gone.
            let _ = self.tell.send(event);
        }
        self.has_left
    }

    fn is_frozen(&self) -> bool {
        *self.frozen.borrow()
    }
}
