//! The reference's options: name, meaning for an implementation, and the flags of `connect` and
//! `serve`.

use std::time::Duration;

use super::{Deviations, ServerSettings, Workload};
use crate::ReferenceSettings;
use crate::setting::{ProtocolOption, keep, number, set_all, settings, span};

/// Settings of either side.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) server: ServerSettings,
    pub(super) workload: Workload,
    pub(super) without: Deviations,
}

settings! { Given, () = ();
    resets = "true" => |to, value| keep(&mut to.server.resets, Ok(value != "false")), {
        means "a server at which a second connection may reset the first (0xFF alone on its first stream)"
        serve "Let a second connection reset the first, instead of refusing it"
        alias "reset"
    }
    commit_delay "TIME" => |to, value| keep(&mut to.server.commit_delay, seconds(value)), {
        means "a server that takes N seconds for each StateCommit request"
        serve "Processing time of a StateCommit request [default: 0s]"
    }
    doubles => |_, _| Ok(()), {
        means "a server that answers each StateCommit by its double, modulo 2^32"
    }
    action_interval "TIME" => |to, value| keep(&mut to.server.action_interval, seconds(value)), {
        serve "Time from one item to the next (push) [default: 1s]"
    }
    first_action "N" => |to, value| keep(&mut to.server.first_action, number(value, 0, u32::MAX)), {
        serve "The first item of a connection; each further one is one more [default: 123]"
    }
    startup_delay "TIME" => |to, value| keep(&mut to.server.startup_delay, seconds(value)), {
        means "a server that accepts no connection for N seconds after its start"
        serve "Time after the start in which only connections that reset are accepted [default: 0s, and \
               10s after a restart]"
    }
    events "N" = "1" => |to, value| keep(&mut to.workload.events, number(value, 0, u32::MAX)), {
        means "a client that sends N events"
        connect "Events to send"
    }
    commits "N" = "1" => |to, value| keep(&mut to.workload.commits, number(value, 0, u32::MAX)), {
        means "a client that sends N StateCommit requests"
        connect "StateCommit requests to send: the numbers 1, 2 and so on"
    }
    actions "N" = "1" => |to, value| keep(&mut to.workload.actions, number(value, 0, u32::MAX)), {
        means "a client that reads N items of the Action stream"
        connect "Items of the Action stream to read"
    }
    first_event "N" => |to, value| keep(&mut to.workload.client.first_event, number(value, 1, u32::MAX)), {
        means "a client whose first event has id N"
        connect "The id of the first event [default: 1]"
    }
    stay => |to, _| keep(&mut to.workload.stays, Ok(true)), {
        means "a client that stays connected after its last response"
        connect "Stay connected after the last response, until the server closes"
    }
    again => |to, _| keep(&mut to.workload.again, Ok(true)), {
        means "a client that reconnects after a loss, and repeats all requests"
        connect "Reconnect when the connection is lost, after 10 s, or at once with --reset"
    }
    reset => |to, _| keep(&mut to.workload.resets, Ok(true)), {
        means "a client that resets an older connection by the first byte of its own (0xFF)"
        connect "Reset an older connection by the first byte of the new one"
    }
    without "ID" => |to, value| to.without.add(value), {}
}

impl Given {
    /// What `settings` say; what they do not say is off.
    ///
    /// # Errors
    /// A human-readable error that names the setting.
    pub(super) fn new(settings: &ReferenceSettings) -> Result<Self, String> {
        let profile = settings.mode.parse()?;
        let mut given = Self::default();
        given.server.profile = profile;
        given.server.resets = false;
        given.workload.client.profile = profile;
        set_all(ROWS, settings, &mut given)?;
        Ok(given)
    }
}

/// A time, of which a bare number counts seconds.
fn seconds(value: &str) -> Result<Duration, String> {
    value.parse().map_or_else(
        |_| span(value),
        |seconds: u32| Ok(Duration::from_secs(seconds.into())),
    )
}
