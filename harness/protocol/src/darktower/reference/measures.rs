//! What is measured of a session, under the names of the specification (section 3, metrics): told to whatever
//! recorder the program has, and to nobody where it has none. What is done for a session stands in its span.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::Unit::{Count, Seconds};
use metrics::{
    Histogram, Label, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use tracing::{Span, field, info_span};

use super::settings::{Place, Service};
use crate::streams::{ConnectionNumber, Path};

const ESTABLISHMENT: &str = "darktower_connection_establishment_seconds";
const ACTIVE: &str = "darktower_active_connections";
const FAILURES: &str = "darktower_connection_failures_total";
const STREAMS: &str = "darktower_streams_per_connection";
const STREAM_ERRORS: &str = "darktower_stream_errors_total";
const ROUND_TRIP: &str = "darktower_round_trip_seconds";
const LOSS: &str = "darktower_packet_loss_ratio";
const LATENCY: &str = "darktower_frame_latency_seconds";

/// Says what each of them means, to the recorder that there is.
pub(in crate::darktower) fn describe() {
    describe_histogram!(
        ESTABLISHMENT,
        Seconds,
        "From the first packet of a connection until it is joined or authenticated"
    );
    describe_gauge!(ACTIVE, Count, "Sessions that are joined or authenticated");
    describe_counter!(
        FAILURES,
        Count,
        "Sessions that were refused or lost, by the reason"
    );
    describe_histogram!(
        STREAMS,
        Count,
        "Streams that a client opened in a session, at its end"
    );
    describe_counter!(
        STREAM_ERRORS,
        Count,
        "Streams that were broken off, by the code"
    );
    describe_histogram!(
        ROUND_TRIP,
        Seconds,
        "The round-trip time of a connection, at its end"
    );
    describe_histogram!(
        LOSS,
        "The share of a connection's packets that were lost, at its end"
    );
    describe_histogram!(
        LATENCY,
        Seconds,
        "From the Timestamp of a frame until it is forwarded"
    );
}

/// What is measured of one session.
pub(super) struct Measures {
    labels: [Label; 4],
    span: Span,
    began: Duration,
    streams: u32,
    /// How late frames are that come in it, once it is established.
    latency: Option<Histogram>,
}

impl Measures {
    /// Of a session with a service, whose connection began at this time.
    pub(super) fn new(service: Service, place: &Place, began: Duration) -> Self {
        let (region, id) = (place.region.clone(), place.id.clone());
        let (name, span) = match service {
            Service::Handler => (
                "handler_id",
                info_span!(
                    "media",
                    meeting_id = field::Empty,
                    participant_id = field::Empty,
                    region,
                    handler_id = id
                ),
            ),
            Service::Controller | Service::Information => (
                "controller_id",
                info_span!(
                    "signaling",
                    meeting_id = field::Empty,
                    participant_id = field::Empty,
                    region,
                    controller_id = id
                ),
            ),
        };
        Self {
            labels: [
                Label::new("meeting_id", ""),
                Label::new("participant_id", ""),
                Label::new("region", region),
                Label::new(name, id),
            ],
            span,
            began,
            streams: 0,
            latency: None,
        }
    }

    /// The span in which something is done for it.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// It is known which meeting is meant.
    pub(super) fn of_meeting(&mut self, meeting: &str) {
        self.labels[0] = Label::new("meeting_id", meeting.to_owned());
        self.span.record("meeting_id", meeting);
    }

    /// A participant is joined or authenticated.
    pub(super) fn established(&mut self, participant: &str, at: Duration) {
        if self.latency.is_some() {
            return;
        }
        self.labels[1] = Label::new("participant_id", participant.to_owned());
        self.span.record("participant_id", participant);
        let took = at.saturating_sub(self.began);
        histogram!(ESTABLISHMENT, self.labels.iter()).record(took);
        gauge!(ACTIVE, self.labels.iter()).increment(1);
        self.latency = Some(histogram!(LATENCY, self.labels.iter()));
        tracing::info!(parent: &self.span, "established");
    }

    /// It is refused, or lost.
    pub(super) fn failed(&self, reason: &'static str) {
        counter!(FAILURES, self.with("reason", reason)).increment(1);
        tracing::info!(parent: &self.span, reason, "failed");
    }

    /// The other side opened a stream.
    pub(super) const fn stream(&mut self) {
        self.streams = self.streams.saturating_add(1);
    }

    /// A stream was broken off.
    pub(super) fn stream_error(&self, code: &'static str) {
        counter!(STREAM_ERRORS, self.with("code", code)).increment(1);
        tracing::info!(parent: &self.span, code, "a stream is broken off");
    }

    /// A frame of this time is forwarded at that one, both since 1970.
    pub(super) fn forwarded(&self, microseconds: u64, at: Duration) {
        if let Some(latency) = &self.latency {
            latency.record(at.saturating_sub(Duration::from_micros(microseconds)));
        }
    }

    /// What was seen of the way that its packets took.
    fn path(&self, path: Path) {
        histogram!(ROUND_TRIP, self.labels.iter()).record(path.round_trip);
        histogram!(LOSS, self.labels.iter()).record(path.loss());
    }

    fn ended(&self) {
        histogram!(STREAMS, self.labels.iter()).record(self.streams);
        if self.latency.is_some() {
            gauge!(ACTIVE, self.labels.iter()).decrement(1);
        }
        tracing::info!(parent: &self.span, "ended");
    }

    fn with(&self, name: &'static str, value: &'static str) -> Vec<Label> {
        let more = [Label::from_static_parts(name, value)];
        self.labels.iter().cloned().chain(more).collect()
    }
}

/// Sessions that are over while their connections are not, by which the way of their packets is known.
#[derive(Debug, Default)]
pub(super) struct Ended(BTreeMap<ConnectionNumber, Vec<Measures>>);

impl Ended {
    /// A session is over.
    pub(super) fn add(&mut self, connection: ConnectionNumber, measures: Measures) {
        measures.ended();
        self.0.entry(connection).or_default().push(measures);
    }

    /// A connection is over: what was seen of its way, if anything was.
    pub(super) fn gone(&mut self, connection: ConnectionNumber, path: Option<Path>) {
        let all = self.0.remove(&connection).into_iter().flatten();
        if let Some(path) = path {
            all.for_each(|measures| measures.path(path));
        }
    }
}

impl std::fmt::Debug for Measures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Measures")
    }
}
