//! A window that is never full for a connection that closes: with data behind it, QUIC's library would hold the
//! CONNECTION_CLOSE back until there is room, and what would make room is not read any more. It knows, too, what
//! the other side has acknowledged.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use quinn_proto::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::{Connection, RttEstimator};

/// Makes the usual controllers, which [`open`] opens.
#[derive(Debug, Default)]
pub(crate) struct Windows(Arc<CubicConfig>);

struct Window {
    usual: Box<dyn Controller>,
    is_open: Arc<AtomicBool>,
    /// The numbers of the packet that was sent last, and of the largest that was acknowledged of late.
    sent: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
}

/// From now on everything is sent at once.
pub(crate) fn open(connection: &Connection) {
    if let Some(window) = window(connection) {
        window.is_open.store(true, Ordering::Relaxed);
    }
}

/// The number of the packet that was sent last.
pub(crate) fn sent(connection: &Connection) -> u64 {
    window(connection).map_or(0, |window| window.sent.load(Ordering::Relaxed))
}

/// Whether a packet was acknowledged.
pub(crate) fn is_acknowledged(connection: &Connection, number: u64) -> bool {
    window(connection).is_none_or(|window| window.acknowledged.load(Ordering::Relaxed) >= number)
}

fn window(connection: &Connection) -> Option<Box<Window>> {
    let window = connection.congestion_state().clone_box().into_any();
    window.downcast().ok()
}

impl ControllerFactory for Windows {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Window {
            usual: Arc::clone(&self.0).build(now, current_mtu),
            is_open: Arc::default(),
            sent: Arc::default(),
            acknowledged: Arc::default(),
        })
    }
}

impl Controller for Window {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.sent.store(last_packet_number, Ordering::Relaxed);
        self.usual.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.usual.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        if let Some(number) = largest_packet_num_acked {
            self.acknowledged.store(number, Ordering::Relaxed);
        }
        self.usual
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.usual
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.usual.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        match self.is_open.load(Ordering::Relaxed) {
            true => u64::MAX,
            false => self.usual.window(),
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            usual: self.usual.clone_box(),
            is_open: Arc::clone(&self.is_open),
            sent: Arc::clone(&self.sent),
            acknowledged: Arc::clone(&self.acknowledged),
        })
    }

    fn initial_window(&self) -> u64 {
        self.usual.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
