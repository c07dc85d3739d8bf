//! The passive judge of `mediastream`: it finds the sessions in a capture and judges every
//! requirement that a capture alone can show broken.
//!
//! Each tuple is a candidate until its traffic opens a session (`candidate`), then a flow
//! (`flow`, `requests`, `tokens`) with one session after another on it (`session`). The rules stand by what
//! they look at: `starts` (3.1), `handshake` (3.2, 3.3), `control` and `endian` (2), and for media
//! (4) `order`, `frame`, `fragments`, `payload`, `ticks`, `pace`. Each says which evidence breaks it,
//! from which vantage, and when there is only doubt. A breach is told once a session and party and
//! then counted; a doubt is told once a session.
//!
//! Memory is bounded: a session has a fixed size, and idle or surplus tuples are closed, those
//! first that never became a session, then those without media.

mod candidate;
mod control;
mod endian;
mod flow;
mod fragments;
mod frame;
mod handshake;
mod order;
mod pace;
mod parameters;
mod payload;
mod requests;
mod responders;
mod rule;
mod scope;
mod session;
mod starts;
mod stream;
mod table;
mod ticks;
mod time;
mod tokens;
mod view;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use crate::MonitorSettings;
use crate::monitor::{Datagram, Monitor, Observation};
use responders::Responders;
use scope::Context;
use table::Table;
use time::{Clock, Moment};

/// A new monitor, which has seen nothing yet.
pub fn new(settings: &MonitorSettings) -> Box<dyn Monitor> {
    Box::new(Watch {
        settings: settings.clone(),
        clock: Clock::default(),
        responders: Responders::default(),
        table: Table::default(),
    })
}

struct Watch {
    settings: MonitorSettings,
    clock: Clock,
    responders: Responders,
    table: Table,
}

impl Watch {
    fn context<'a>(
        &'a mut self,
        now: Moment,
        source: Option<SocketAddr>,
        emit: &'a mut dyn FnMut(Observation),
    ) -> (&'a mut Table, Context<'a>) {
        let context = Context {
            settings: &self.settings,
            now,
            source,
            responders: &mut self.responders,
            emit,
        };
        (&mut self.table, context)
    }
}

impl Monitor for Watch {
    fn datagram(&mut self, packet: &Datagram<'_>, emit: &mut dyn FnMut(Observation)) {
        let now = self.clock.moment(packet);
        let (table, mut context) = self.context(now, Some(packet.source), emit);
        table.observe(packet, &mut context);
    }

    fn finish(&mut self, end: Duration, emit: &mut dyn FnMut(Observation)) {
        let now = self.clock.end(end);
        let (table, mut context) = self.context(now, None, emit);
        table.finish(&mut context);
    }
}
