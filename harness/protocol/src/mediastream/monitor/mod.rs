//! The passive judge of `mediastream`: it finds the sessions in a capture and judges every
//! requirement that a capture alone can show broken.
//!
//! Each tuple is a candidate until its traffic opens a session (`candidate`), then a flow
//! (`flow`) with one session after another on it (`session`). The rules stand by what they look at:
//! `starts` (3.1), `syn`, `syn_ack`, `ack`, `early` (3.2), `start3` (3.3), `control` and `endian` (2), and for media
//! (4) `order`, `frame`, `fragments`, `payload`, `ticks`, `pace`. Each says which evidence breaks it,
//! from which vantage, and when there is only doubt. A breach is told once a session and party and
//! then counted; a doubt is told once a session.
//!
//! Memory is bounded: a session has a fixed size, and idle or surplus tuples are closed, those
//! first that never became a session, then those without media.

mod ack;
mod candidate;
mod control;
mod early;
mod endian;
mod flow;
mod fragments;
mod frame;
mod handshake;
mod ledger;
mod order;
mod pace;
mod payload;
mod responders;
mod rule;
mod session;
mod start3;
mod starts;
mod stream;
mod syn;
mod syn_ack;
mod table;
mod ticks;
mod time;
mod tokens;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::MonitorSettings;
use crate::monitor::{Monitor, Observation, Packet};
use responders::Responders;
use session::World;
use table::Table;
use time::Clock;

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

impl Monitor for Watch {
    fn packet(&mut self, packet: &Packet<'_>, say: &mut dyn FnMut(Observation)) {
        let at = self.clock.moment(packet);
        let mut world = World {
            settings: &self.settings,
            responders: &mut self.responders,
            say,
        };
        self.table.see(packet, &at, &mut world);
    }

    fn finish(&mut self, end: Duration, say: &mut dyn FnMut(Observation)) {
        let end = self.clock.end(end);
        let mut world = World {
            settings: &self.settings,
            responders: &mut self.responders,
            say,
        };
        self.table.finish(&end, &mut world);
    }
}
