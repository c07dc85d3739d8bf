//! What is judged by time, and what shows only at the end.

use std::time::Duration;

use super::connection::{Agreed, Connection};
use super::moments::{Moment, index};
use super::session::{Close, Session};
use super::stream::Stream;
use crate::MonitorSettings;
use crate::monitor::at::{At, late};
use crate::monitor::findings::{ObservationSink, Occurrence};
use crate::monitor::{MissedMoment, NetworkCounts, Session as SessionSummary};
use crate::requirement::Role;

/// How often a client shows at the least that it is there (DT-S-13).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How soon a side acts on what it was told.
const PROMPT: Duration = Duration::from_secs(1);

/// The windows of a Media Handler: of a stream and of the connection, in bytes (DT-M-10).
const STREAM_WINDOW: u64 = 1_048_576;
const WINDOW: u64 = 10_485_760;

impl Connection {
    /// DT-S-13: a packet of the client, after the one before.
    pub(super) fn kept_alive(
        &mut self,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let client = Role::Initiator;
        // The packet that ends it comes after a silence, too.
        let was_over = self.over.is_some_and(|packet| packet != at.packet);
        let (Some(speaks), false) = (self.speaks, was_over) else {
            return;
        };
        let since = self.last[index(client)].max(Some(speaks)).unwrap_or(speaks);
        if at.time > speaks + late(KEEP_ALIVE, settings) {
            self.findings.judge_party("DT-S-13", client);
        }
        if at.time > since + late(KEEP_ALIVE, settings) {
            let silent = at.time.saturating_sub(since).as_secs_f64();
            let (occurrence, got) = (
                self.occurrence(client, at),
                format!("none for {silent:.1} s"),
            );
            self.found("DT-S-13", occurrence, "a packet every 15 s", got, emit);
        }
    }

    /// DT-S-13: nothing is missing in a supervised capture of what the client sent until `end`. Whoever heard
    /// nothing for the idle timeout may be gone rightly.
    pub(super) fn silent_until(
        &mut self,
        end: Duration,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let client = Role::Initiator;
        let [last, heard] = self.last;
        let (Some(speaks), Some(last), true) = (self.speaks, last, settings.supervised) else {
            return;
        };
        if self.over.is_some() {
            return;
        }
        let gone = settings.stopped.iter().chain(&settings.watched_until);
        let gone = gone.copied().find(|gone| *gone > self.first.time);
        let idle = self
            .idle_timeout()
            .map(|idle| heard.unwrap_or(last).max(last) + idle);
        let until = end.min(gone.unwrap_or(end)).min(idle.unwrap_or(end));
        let since = last.max(speaks);
        let latest = since + late(KEEP_ALIVE, settings);
        if until > latest {
            let at = At {
                packet: self.first.packet,
                time: until,
            };
            let off = MissedMoment {
                since: since + KEEP_ALIVE,
                until,
                by: until - latest,
            };
            let occurrence = Occurrence {
                silence: Some(off),
                ..self.occurrence(client, at)
            };
            let silent = until.saturating_sub(since).as_secs_f64();
            let got = format!("none for {silent:.1} s");
            self.found("DT-S-13", occurrence, "a packet every 15 s", got, emit);
        }
    }

    /// After which time the client gives up a silent connection: the shorter of what both announced (RFC 9000, section
    /// 10.1).
    fn idle_timeout(&self) -> Option<Duration> {
        let server = self.parameters.as_ref();
        let server = server.and_then(|(_, these)| these.max_idle_timeout);
        let both = [self.client_timeout, server].into_iter().flatten();
        both.filter(|time| *time > 0)
            .min()
            .map(Duration::from_millis)
    }

    /// What shows only at the end, and what the session was; `None` if it is none of this protocol.
    pub(super) fn end(
        mut self,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) -> Option<SessionSummary> {
        if self.is_foreign() || !(self.offered || self.agreed.is_some()) {
            return None;
        }
        let unjudged = self.unjudged();
        let mode = self.mode();
        if mode == UNKNOWN && settings.mode.is_none() && unjudged.is_none() {
            return None;
        }
        let sessions = std::mem::take(&mut self.sessions);
        let streams = std::mem::take(&mut self.streams);
        for (id, session) in &sessions {
            let of_it: Vec<_> = streams
                .iter()
                .filter(|(_, one)| one.session == Some(*id))
                .collect();
            self.begins(*id, session, &of_it, emit);
            if session.is_media {
                self.authenticated(session, &of_it, settings, emit);
                self.odd(session, emit);
                self.finished(session, &of_it, settings, emit);
            } else if session.is_signaling || settings.mode.as_deref() == Some("mc") {
                self.joins(session, &of_it, emit);
            }
        }
        if mode == "mh" {
            self.windows(emit);
        }
        if let Some(unjudged) = unjudged {
            let occurrence = self.occurrence(Role::Initiator, self.first);
            let mut doubtful = self.findings.close(emit);
            doubtful.insert("DT-S-01");
            for requirement in doubtful {
                let (expected, got) = ("the secrets of both sides", unjudged.to_string());
                self.findings
                    .doubt(requirement, occurrence, expected, got, emit);
            }
        } else {
            self.findings.open(emit);
        }
        Some(SessionSummary {
            protocol: "darktower",
            mode,
            initiator: self.client,
            responder: self.server,
            connection_id: None,
            frames: self.frames,
            datagrams: self.packets,
            first_packet: self.first.packet,
            network: NetworkCounts::default(),
            judged: self.findings.judged(),
            more_breaches: self.findings.more,
        })
    }

    /// Which service it is, by what is said.
    fn mode(&self) -> &'static str {
        let mut all = self.sessions.values();
        match (
            all.clone().any(|one| one.is_media),
            all.any(|one| one.is_signaling),
        ) {
            (true, _) => "mh",
            (false, true) => "mc",
            (false, false) if self.asks_for_meeting => "gc",
            (false, false) => UNKNOWN,
        }
    }

    fn act_at(&self, party: Role, moment: Moment) -> Occurrence {
        self.occurrence(party, self.moments.at(moment).unwrap_or(self.first))
    }

    /// DT-S-01: a stream of a session comes after the session was asked for, by the server after it took it. A
    /// client may send both in a flight (draft-ietf-webtrans-http3, section 4.5).
    fn begins(
        &mut self,
        id: u64,
        session: &Session,
        streams: &[(&u64, &Stream)],
        emit: ObservationSink<'_>,
    ) {
        match self.agreed {
            Some(Agreed::Http3) if session.is_connect => {
                self.findings.judge_party("DT-S-01", Role::Responder);
            }
            Some(Agreed::Nothing(at)) if session.is_connect => {
                let occurrence = self.occurrence(Role::Responder, at);
                let expected = "the protocol h3 agreed on in the handshake";
                self.findings
                    .breach("DT-S-01", occurrence, expected, "none", emit);
            }
            Some(Agreed::Http3 | Agreed::Nothing(_) | Agreed::Other) | None => {}
        }
        let expected = "a session before any stream of it";
        for (stream, it) in streams {
            let by = it.opener();
            let Some(begun) = it.sides[index(by)].begun.filter(|_| !session.is_opaque) else {
                continue;
            };
            let since = by_whom(by, session);
            let occurrence = self.act_at(by, begun);
            let refused = session.answer.filter(|_| !session.is_accepted());
            let got = match (since, refused) {
                (None, _) if !session.is_connect => {
                    format!("stream {stream} of session {id}, which was not asked for")
                }
                (None, None) => format!("stream {stream} of session {id}, which was not taken"),
                (Some(since), _) if self.moments.is_after(since, begun) => {
                    format!("stream {stream} before session {id}")
                }
                (_, Some((status, answered))) if self.knew(by, answered, occurrence.time) => {
                    format!("stream {stream} of session {id}, which was refused with {status}")
                }
                (_, _) => {
                    self.findings.judge_party("DT-S-01", by);
                    continue;
                }
            };
            self.found("DT-S-01", occurrence, expected, got, emit);
        }
    }

    /// Whether a side had been told the answer at this time.
    fn knew(&self, by: Role, answered: Moment, now: Duration) -> bool {
        let answered = self.moments.at(answered);
        let is_told = answered.is_some_and(|at| now > at.time + PROMPT * 3);
        by == Role::Responder || is_told
    }

    /// DT-S-03
    fn joins(&mut self, session: &Session, streams: &[(&u64, &Stream)], emit: ObservationSink<'_>) {
        let client = index(Role::Initiator);
        let is_unknown = |(id, it): &(&u64, &Stream)| {
            it.is_bidirectional() && it.sides[client].is_lost && !session.first.contains_key(id)
        };
        if streams.iter().any(is_unknown) {
            return;
        }
        let lowest = session.first.values().next();
        let earliest = session.first.values().min_by_key(|one| one.moment);
        let (Some(lowest), Some(earliest)) = (lowest, earliest) else {
            return;
        };
        let joins = [lowest, earliest]
            .iter()
            .any(|one| one.what == Ok("JoinRequest"));
        if joins {
            self.findings.judge_party("DT-S-03", Role::Initiator);
            return;
        }
        let occurrence = self.act_at(Role::Initiator, earliest.moment);
        let got = match &earliest.what {
            Ok(name) => (*name).to_owned(),
            Err(error) => error.clone(),
        };
        self.findings
            .breach("DT-S-03", occurrence, "JoinRequest first", got, emit);
    }

    /// DT-M-01
    fn authenticated(
        &mut self,
        session: &Session,
        streams: &[(&u64, &Stream)],
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let client = Role::Initiator;
        let sides = streams.iter().map(|(_, it)| &it.sides[index(client)]);
        // What was not seen may have been it.
        let is_unknown = sides
            .clone()
            .any(|side| side.is_lost && !side.has_spoken && !side.is_media);
        let media = sides
            .filter(|side| side.is_media)
            .filter_map(|side| side.begun);
        let media: Vec<_> = media.chain(session.media[index(client)]).collect();
        let early = media.iter().find(|media| {
            session
                .auth
                .is_none_or(|auth| self.moments.is_after(auth, **media))
        });
        match early {
            Some(_) if is_unknown => {}
            Some(media) => {
                let occurrence = self.act_at(client, *media);
                let got = match session.auth {
                    None => "media without it",
                    Some(_) => "media before it",
                };
                let expected = "MediaAuth before any media";
                // A datagram that is lost does not come again.
                let may_be_lost = session.auth.is_none() && self.moments.lacks(client);
                if may_be_lost && !settings.supervised {
                    self.findings
                        .doubt("DT-M-01", occurrence, expected, got, emit);
                } else {
                    self.found("DT-M-01", occurrence, expected, got, emit);
                }
            }
            None if media.is_empty() => {}
            None => self.findings.judge_party("DT-M-01", client),
        }
    }

    /// DT-M-04, DT-M-14: what stands where media should.
    fn odd(&mut self, session: &Session, emit: ObservationSink<'_>) {
        for by in [Role::Initiator, Role::Responder] {
            if let Some((moment, error)) = session.neither[index(by)] {
                let occurrence = self.act_at(by, moment);
                let (expected, got) = ("a stream header", error.to_string());
                self.findings
                    .breach("DT-M-04", occurrence, expected, got, emit);
            }
            if let Some(moment) = session.odd[index(by)] {
                let occurrence = self.act_at(by, moment);
                let (expected, got) = ("one whole frame of audio", "something else");
                self.findings
                    .breach("DT-M-14", occurrence, expected, got, emit);
            }
        }
    }

    /// DT-M-13: whoever ends a session that nothing is wrong with has finished its streams before.
    fn finished(
        &mut self,
        session: &Session,
        streams: &[(&u64, &Stream)],
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let close = session.closed.filter(|_| session.is_accepted());
        let Some(Close { by, moment, .. }) = close.filter(|close| close.is_clean) else {
            return;
        };
        let begun = |(id, it): &(&u64, &Stream)| {
            let side = &it.sides[index(by)];
            let is_whole = side.begun.is_some() && !side.is_broken && !side.is_lost;
            is_whole.then_some((**id, side.fin))
        };
        let mut all = streams.iter().filter_map(begun).peekable();
        if all.peek().is_none() {
            return;
        }
        let occurrence = self.act_at(by, moment);
        let expected = "each stream finished before the session is closed";
        let open = all.find(|(_, fin)| fin.is_none_or(|fin| self.moments.is_after(fin, moment)));
        match open {
            None => self.findings.judge_party("DT-M-13", by),
            Some((id, _)) => {
                let got = format!("stream {id} without FIN");
                if self.moments.lacks_before(by, moment) && !settings.supervised {
                    self.findings
                        .doubt("DT-M-13", occurrence, expected, got, emit);
                } else {
                    self.found("DT-M-13", occurrence, expected, got, emit);
                }
            }
        }
    }

    /// DT-M-10
    fn windows(&mut self, emit: ObservationSink<'_>) {
        let Some((at, these)) = self.parameters.take() else {
            return;
        };
        let server = Role::Responder;
        self.findings.judge_party("DT-M-10", server);
        let all = [
            ("initial_max_data", these.initial_max_data, WINDOW),
            (
                "initial_max_stream_data_uni",
                these.initial_max_stream_data_uni,
                STREAM_WINDOW,
            ),
            (
                "initial_max_stream_data_bidi_remote",
                these.initial_max_stream_data_bidi_remote,
                STREAM_WINDOW,
            ),
        ];
        for (name, value, wanted) in all {
            let value = value.unwrap_or_default();
            if value != wanted {
                let (expected, got) = (format!("{name} {wanted}"), value.to_string());
                let occurrence = self.occurrence(server, at);
                self.findings
                    .breach("DT-M-10", occurrence, expected, got, emit);
            }
        }
    }
}

/// The mode of a connection on which nothing was said that tells.
const UNKNOWN: &str = "unknown";

/// From when on a side may open streams of a session.
fn by_whom(by: Role, session: &Session) -> Option<Moment> {
    match by {
        Role::Initiator => session.asked.filter(|_| session.is_connect),
        Role::Responder => session
            .answer
            .filter(|_| session.is_accepted())
            .map(|(_, at)| at),
    }
}
