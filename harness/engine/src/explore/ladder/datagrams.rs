//! What became of each datagram of a trace.

use std::collections::{BTreeMap, BTreeSet};

use shakedown_protocol::requirement::Role;

use super::drawing::{Arrow, Drawing, Shape, media};
use crate::explore::{Event, EventKind};

/// What becomes of each datagram.
pub(super) struct Datagrams<'t> {
    /// Where it arrives, by its number.
    arrivals: BTreeMap<u64, Vec<usize>>,
    payloads: BTreeMap<u64, &'t str>,
    damaged: BTreeSet<u64>,
    /// Those that arrive before anything else happens to them: one line shows both ends.
    direct: BTreeSet<u64>,
}

impl<'t> Datagrams<'t> {
    pub(super) fn of(events: &'t [Event]) -> Self {
        let mut arrivals: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut payloads = BTreeMap::new();
        let mut damaged = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            if let EventKind::Delivered {
                datagram, payload, ..
            } = &event.what
            {
                arrivals.entry(*datagram).or_default().push(place);
                if payloads.get(datagram) != Some(&payload.as_str()) {
                    damaged.insert(*datagram);
                }
            } else if let EventKind::Sent {
                datagram, payload, ..
            } = &event.what
            {
                payloads.insert(*datagram, payload.as_str());
            }
        }
        let mut direct = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            if let EventKind::Sent {
                datagram,
                from,
                frame,
                ..
            } = &event.what
                && let Some(first) = arrivals.get(datagram).and_then(|places| places.first())
                && let Some(between) = events.get(place + 1..*first)
            {
                let sent = (event.at, *datagram, *from, media(frame).is_some());
                if is_calm(sent, between) {
                    direct.insert(*datagram);
                }
            }
        }
        Self {
            arrivals,
            payloads,
            damaged,
            direct,
        }
    }

    /// The line of an event, if it has one of its own.
    pub(super) fn draw(&self, place: usize, event: &'t Event) -> Option<Drawing<'t>> {
        Some(match &event.what {
            EventKind::Sent {
                datagram,
                from,
                frame,
                ..
            } => Drawing::Arrow(self.sent(*datagram, *from, frame)),
            EventKind::Delivered {
                datagram,
                from,
                frame,
                payload,
            } => {
                let is_first = self.first(*datagram) == Some(place);
                if is_first && self.direct.contains(datagram) {
                    return None;
                }
                Drawing::Arrow(Arrow {
                    from: *from,
                    shape: if is_first {
                        Shape::Arrival
                    } else {
                        Shape::Again
                    },
                    frame,
                    number: Some(*datagram),
                    is_damaged: self.payloads.get(datagram) != Some(&payload.as_str()),
                })
            }
            EventKind::Lost { .. } | EventKind::Duplicated { .. } | EventKind::Overtaken { .. } => {
                return None;
            }
            EventKind::Timer { side } => Drawing::Timer(*side),
            EventKind::State { side, from, to } => {
                Drawing::Note(*side, format!("[{from} -> {to}]"))
            }
            EventKind::Ended { side, failure } => {
                let how = failure.as_deref().unwrap_or("the stream is complete");
                Drawing::Note(*side, format!("[ends: {how}]"))
            }
            EventKind::Moved { side } => {
                Drawing::Across(format!("the {side} has another address from now on"))
            }
            EventKind::Healed {} => Drawing::Across("the network heals".to_owned()),
        })
    }

    fn first(&self, datagram: u64) -> Option<usize> {
        self.arrivals.get(&datagram)?.first().copied()
    }

    fn sent(&self, datagram: u64, from: Role, frame: &'t str) -> Arrow<'t> {
        let shape = if !self.arrivals.contains_key(&datagram) {
            Shape::Lost
        } else if self.direct.contains(&datagram) {
            Shape::Whole
        } else {
            Shape::Departure
        };
        Arrow {
            from,
            shape,
            frame,
            number: (shape == Shape::Departure).then_some(datagram),
            is_damaged: shape == Shape::Whole && self.damaged.contains(&datagram),
        }
    }
}

/// Whether nothing happens between sending a datagram and its arrival that an arrow would cross. Media
/// may follow media.
fn is_calm((at, datagram, from, is_media): (u64, u64, Role, bool), between: &[Event]) -> bool {
    between.iter().all(|event| match &event.what {
        EventKind::Delivered {
            datagram: other,
            from: side,
            ..
        } => *side == from && *other < datagram,
        EventKind::Sent {
            from: side, frame, ..
        } => *side == from && (event.at == at || is_media && media(frame).is_some()),
        EventKind::Timer { side } => event.at == at || is_media && *side == from,
        EventKind::Moved { .. } | EventKind::Healed {} => event.at == at,
        EventKind::State { .. }
        | EventKind::Ended { .. }
        | EventKind::Lost { .. }
        | EventKind::Duplicated { .. }
        | EventKind::Overtaken { .. } => true,
    })
}
