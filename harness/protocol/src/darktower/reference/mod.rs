//! The reference of all services, and of the client.

mod client;
mod controller;
mod deviation;
mod handler;
mod information;
mod measures;
mod messages;
mod options;
mod random;
mod server;
mod sessions;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

pub use client::{Client, ClientCounters};
pub use controller::{Controller, ControllerCounters, ControllerSettings};
pub use deviation::Deviations;
pub use handler::{Handler, HandlerCounters, HandlerSettings};
pub use information::{Answer, Information, InformationSettings, MEETINGS, Request};
pub use server::Server;
pub use sessions::{Context, SessionEnd, SessionKey, Sessions};
pub use settings::{ClientSettings, MEETING, MediaKind, Place, ServerSettings, Service};
pub use store::{
    JoinError, MOST_STREAMS, Meeting, Memory, Participant, RESUMPTION, Store, Stream, StreamError,
};
pub use token::{Claims, InvalidToken, Secret, TOKEN_LIFETIME, Usage};

pub(super) use deviation::TWINS;
pub(super) use measures::describe;
pub(super) use options::OPTIONS;

use options::Given;

use crate::machine::Failure;
use crate::requirement::Role;
use crate::streams::StreamMachine;
use crate::web::{self, WebCode};
use crate::{ReceiveTimeout, ReferenceSettings, Transport};

/// The path of sessions with the Meeting Controller.
pub const CONTROLLER: &str = "/wt";

/// The path of sessions with the Media Handler.
pub const HANDLER: &str = "/media";

/// How often a client sends at least; 15 s are allowed (DT-S-13).
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// After this long without a packet a participant is gone (DT-S-14).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// After this long without a packet a client gives a connection up (DT-S-15).
pub const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client's timeout for its handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// What both sides ask of QUIC. Only a client keeps a connection alive: what a server sends would draw
/// packets of a client that says nothing.
pub const TRANSPORT: Transport = Transport {
    alpn: web::ALPN,
    keep_alive: None,
    idle_timeout: IDLE_TIMEOUT,
    receive_timeout: None,
    bidirectional: 100,
    unidirectional: 100,
    aliases: &[],
    datagrams: true,
    // DT-M-10
    windows: Some([1_048_576, 10_485_760]),
    web: true,
};

/// A new machine for these settings, and what it asks of QUIC; the mode says which services.
///
/// # Errors
/// A sentence for people if the settings do not go together.
pub fn new(
    settings: &ReferenceSettings,
) -> Result<(Box<dyn StreamMachine + Send>, Transport), String> {
    let Given { server, client } = Given::new(settings)?;
    let without = server.without;
    let machine: Box<dyn StreamMachine + Send> = match settings.role {
        Role::Responder => Box::new(Server::new(server)),
        Role::Initiator => Box::new(Client::new(client)),
    };
    Ok((machine, without.transport(transport(settings.role))))
}

/// What a side asks of QUIC.
pub(super) const fn transport(role: Role) -> Transport {
    let (keep_alive, time, handshake) = match role {
        Role::Initiator => (Some(KEEP_ALIVE), RECEIVE_TIMEOUT, HANDSHAKE),
        Role::Responder => (None, IDLE_TIMEOUT, IDLE_TIMEOUT),
    };
    Transport {
        keep_alive,
        // It is no orderly end: who was lost may come back (DT-S-16).
        receive_timeout: Some(ReceiveTimeout {
            time,
            handshake,
            code: WebCode::RequestCancelled.number(),
        }),
        ..TRANSPORT
    }
}

/// What a client has done, by its counters.
pub(super) fn completed(settings: &ReferenceSettings, counters: &serde_json::Value) -> String {
    let done = [
        ("asked for", "informed", "meeting"),
        ("joined", "joined", "meeting"),
        ("met", "others", "participant"),
        ("published", "published", "stream"),
        ("subscribed to", "subscribed", "stream"),
        ("sent", "frames_sent", "frame"),
        ("received", "frames_received", "frame"),
    ];
    let done = done.into_iter().filter_map(|(verb, counter, what)| {
        let number = counters[counter].as_u64().filter(|number| *number > 0)?;
        let plural = if number == 1 { "" } else { "s" };
        Some(format!("{verb} {number} {what}{plural}"))
    });
    let done = done.collect::<Vec<_>>().join(", ");
    match without_handler(settings) {
        Some(why) => format!("{done}; {why}"),
        None => done,
    }
}

/// What a client did not do that was asked for frames, and uses no Media Handler.
fn without_handler(settings: &ReferenceSettings) -> Option<&'static str> {
    if Service::of_mode(&settings.mode).is_ok_and(|all| all.contains(&Service::Handler)) {
        return None;
    }
    let is_told = |name: &str| settings.extra.iter().any(|(known, _)| known == name);
    match (is_told("receive"), is_told("publish")) {
        (true, _) => {
            Some("it received no frame: frames come from a Media Handler (mh in --service)")
        }
        (false, true) => Some("it sent no frame: frames go to a Media Handler (mh in --service)"),
        (false, false) => None,
    }
}

/// What may help a client that failed.
pub(super) fn advice(_: &ReferenceSettings, failure: &Failure) -> Option<&'static str> {
    let is_refused = failure.message.contains("UNAUTHORIZED");
    is_refused.then_some("tokens are signed with --secret, which has to be the server's")
}
