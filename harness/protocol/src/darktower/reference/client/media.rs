//! What a client sends to a Media Handler, and receives from it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use shakedown_wire::Writer;
use uuid::Uuid;

use super::{Client, Deviation};
use crate::darktower::reference::SessionKey;
use crate::darktower::reference::handler::{MAGIC, audio_frame};
use crate::darktower::reference::messages::{message, part};
use crate::darktower::reference::settings::MediaKind;
use crate::darktower::reference::token::Usage;
use crate::darktower::{
    Envelope, FrameHeader, MediaItem, MediaReader, MessageReader, StreamHeader,
};
use crate::streams::StreamId;
use crate::web::SessionStream;

/// Each so-many-th frame of video is a key frame, from the first on (DT-M-08).
const KEY_FRAMES: u64 = 30;

/// A session with a Media Handler.
#[derive(Debug)]
pub(super) struct MediaLink {
    pub(super) of: SessionKey,
    pub(super) url: String,
    incoming: BTreeMap<StreamId, Incoming>,
    pub(super) sending: Option<SentStream>,
}

#[derive(Debug)]
enum Incoming {
    /// Not four bytes of it came.
    New(Vec<u8>),
    Result(MessageReader),
    Media(MediaReader),
}

/// The stream that it sends.
#[derive(Debug)]
pub(super) struct SentStream {
    kind: MediaKind,
    id: Uuid,
    /// `None` where datagrams carry it.
    pub(super) stream: Option<StreamId>,
    sequence: u64,
    /// When the next frame leaves.
    pub(super) due: Duration,
    /// Whether the transport has not taken the last one yet.
    pub(super) is_writing: bool,
    /// Whether it is finished, and the other side does not have all of it yet.
    pub(super) is_on_its_way: bool,
}

impl MediaLink {
    pub(super) const fn new(of: SessionKey, url: String) -> Self {
        Self {
            of,
            url,
            incoming: BTreeMap::new(),
            sending: None,
        }
    }
}

impl Client {
    /// The session is there: it shows its token (DT-M-01).
    pub(super) fn authenticate(&mut self, now: Duration) {
        if let (Some(kind), true) = (self.settings.publishes, self.sends_first()) {
            return self.begin(now, kind);
        }
        let token = self.token(now, Usage::Media);
        let auth = message("MediaAuth", json!({ "connection_token": token }));
        self.with(|attempt| {
            if let Some(media) = &attempt.media
                && let Some(link) = attempt.links.get_mut(&media.of.connection)
            {
                let stream = link.web.open(media.of.session, true);
                link.web.write(stream, auth);
                link.web.fin(stream);
            }
        });
        self.go_media("AUTHENTICATING", "the session is there");
    }

    /// Something happened on a stream of the session.
    pub(super) fn on_media(&mut self, now: Duration, stream: StreamId, what: SessionStream) {
        let Some(media) = self.attempt.as_mut().and_then(|it| it.media.as_mut()) else {
            return;
        };
        match what {
            SessionStream::Opened => {
                media.incoming.insert(stream, Incoming::New(Vec::new()));
            }
            SessionStream::Bytes(bytes) => self.read_media(now, stream, &bytes),
            SessionStream::Fin => {
                if let Some(Incoming::Media(reader)) = media.incoming.remove(&stream)
                    && reader.finish().is_err()
                {
                    self.counters.streams_failed += 1;
                }
            }
            SessionStream::Reset(_) => {
                media.incoming.remove(&stream);
                self.counters.streams_failed += 1;
            }
            SessionStream::Stopped(code) => {
                let sent = media.sending.as_ref().and_then(|sending| sending.stream);
                if sent == Some(stream) {
                    self.fail(format!("the handler refused the stream with code {code:?}"));
                }
            }
            SessionStream::Written => {
                if let Some(sending) = &mut media.sending
                    && sending.stream == Some(stream)
                {
                    sending.is_writing = false;
                }
            }
        }
    }

    fn read_media(&mut self, now: Duration, stream: StreamId, bytes: &[u8]) {
        let media = self.attempt.as_mut().and_then(|it| it.media.as_mut());
        let Some(incoming) = media.and_then(|media| media.incoming.get_mut(&stream)) else {
            return;
        };
        match incoming {
            Incoming::New(first) => {
                first.extend_from_slice(bytes);
                let Some(start) = first.first_chunk::<4>() else {
                    return;
                };
                let is_media = *start == MAGIC;
                let first = std::mem::take(first);
                *incoming = match is_media {
                    true => Incoming::Media(MediaReader::default()),
                    false => Incoming::Result(MessageReader::new(Envelope::MediaAuthResult)),
                };
                self.read_media(now, stream, &first);
            }
            Incoming::Result(reader) => {
                let mut results = Vec::new();
                let read = reader.take(bytes, |result| results.push(result));
                for result in results {
                    if part(&result.fields, "ok") == true {
                        self.is_authenticated(now);
                    } else {
                        let code = part(&result.fields, "error")["code"].as_str();
                        let code = code.unwrap_or("nothing");
                        let url = self
                            .attempt
                            .as_ref()
                            .and_then(|it| Some(&it.media.as_ref()?.url));
                        let url = url.cloned().unwrap_or_default();
                        self.fail(format!(
                            "the Media Handler at {url} refused the token: {code}"
                        ));
                    }
                }
                if read.is_err() {
                    self.counters.streams_failed += 1;
                }
            }
            Incoming::Media(reader) => {
                let mut frames = 0;
                let read = reader.take(bytes, |item, _| {
                    frames += u64::from(matches!(item, MediaItem::Frame(..)));
                });
                if read.is_err() {
                    self.counters.streams_failed += 1;
                    let media = self.attempt.as_mut().and_then(|it| it.media.as_mut());
                    media.and_then(|media| media.incoming.remove(&stream));
                }
                self.received(frames);
            }
        }
    }

    /// A datagram of the session came.
    pub(super) fn on_media_datagram(&mut self, bytes: &[u8]) {
        self.received(u64::from(audio_frame(bytes).is_some())); // DT-M-14
    }

    fn received(&mut self, frames: u64) {
        self.counters.frames_received += frames;
        if frames > 0 {
            self.go_media("RECEIVING_MEDIA", "frames came");
        }
    }

    fn is_authenticated(&mut self, now: Duration) {
        self.counters.authenticated += 1;
        self.go_media("READY", "the token was taken");
        if let Some(kind) = self.settings.publishes.filter(|_| !self.has_begun()) {
            self.begin(now, kind);
        }
        self.answered(now);
    }

    /// Whether a faulty twin sends media before it shows its token.
    const fn sends_first(&self) -> bool {
        let is_later = self.lacks(Deviation::AuthenticationLater) && self.counters.frames_sent < 2;
        self.lacks(Deviation::NoAuthentication) || is_later
    }

    /// Whether its stream has begun.
    fn has_begun(&self) -> bool {
        let media = self.attempt.as_ref().and_then(|it| it.media.as_ref());
        media.is_some_and(|media| media.sending.is_some())
    }

    /// The stream header goes before all frames (DT-M-04).
    fn begin(&mut self, now: Duration, kind: MediaKind) {
        let signaling = self.attempt.as_ref().and_then(|it| it.signaling.as_ref());
        let published = signaling.and_then(|signaling| signaling.publishes.as_deref());
        let id = published.and_then(|id| Uuid::try_parse(id).ok());
        let id = id.unwrap_or_else(|| self.random.uuid());
        let (stream_type, codec) = match kind {
            MediaKind::Audio | MediaKind::Datagrams => (0, b"opus"),
            MediaKind::Video => (1, b"AV01"),
        };
        let mut header = Vec::new();
        let mut writer = Writer::new(&mut header);
        writer.bytes(&MAGIC);
        let fields = StreamHeader {
            version: 1,
            stream_type,
            stream_id: id.as_bytes(),
            codec,
            reserved: &[0; 6],
        };
        fields.encode(&mut writer);
        let header = self.settings.without.header(&header).into_owned();
        let has_none = self.counters.frames_sent >= u64::from(self.settings.frames);
        self.with(|attempt| {
            let Some(media) = &mut attempt.media else {
                return;
            };
            let Some(link) = attempt.links.get_mut(&media.of.connection) else {
                return;
            };
            let stream = (kind != MediaKind::Datagrams).then(|| {
                let stream = link.web.open(media.of.session, true);
                link.web.write(stream, header);
                if has_none {
                    link.web.fin(stream); // DT-M-13
                }
                stream
            });
            media.sending = Some(SentStream {
                kind,
                id,
                stream,
                sequence: 0,
                due: now,
                is_writing: stream.is_some(),
                is_on_its_way: has_none && stream.is_some(),
            });
        });
    }

    /// Sends the frame that is due, if one is.
    pub(super) fn send_due(&mut self, now: Duration) {
        let frames = u64::from(self.settings.frames);
        let media = self.attempt.as_mut().and_then(|it| it.media.as_mut());
        let Some(media) = media else {
            return;
        };
        let of = media.of;
        let Some(sending) = &mut media.sending else {
            return;
        };
        if sending.is_writing || sending.due > now || self.counters.frames_sent >= frames {
            return;
        }
        let payload = self.random.many(self.settings.payload as usize); // DT-M-12
        // DT-M-08
        let frame_type = match sending.kind {
            MediaKind::Audio | MediaKind::Datagrams => 0,
            MediaKind::Video if sending.sequence.is_multiple_of(KEY_FRAMES) => 1,
            MediaKind::Video => 2,
        };
        let at = self.settings.epoch.saturating_add(now);
        // DT-M-07
        let mut header = FrameHeader {
            version: 1,
            frame_type,
            stream_id: sending.id.as_bytes(),
            timestamp: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
            sequence_number: sending.sequence,
            payload_length: self.settings.payload,
            flags: 1,
            reserved: &[0; 6],
        };
        let without = self.settings.without;
        without.sent(&mut header);
        let mut frame = Vec::with_capacity(FrameHeader::LENGTH + payload.len());
        let mut writer = Writer::new(&mut frame);
        header.encode(&mut writer);
        writer.bytes(&payload);
        sending.sequence += 1;
        sending.due = now.saturating_add(self.settings.interval);
        sending.is_writing = sending.stream.is_some();
        let stream = sending.stream;
        self.counters.frames_sent += 1;
        let is_last = self.counters.frames_sent == frames;
        let ends = is_last && !without.has(Deviation::NoFin);
        sending.is_on_its_way = ends && stream.is_some();
        self.with(|attempt| match (attempt.web(of.connection), stream) {
            (Some(web), Some(stream)) => {
                web.write(stream, frame);
                // DT-M-13
                if ends {
                    web.fin(stream);
                }
            }
            (Some(web), None) => web.datagram(of.session, without.datagram(&frame)),
            (None, _) => {}
        });
        self.go_media("SENDING_MEDIA", "the first frame leaves");
        if without.has(Deviation::AuthenticationLater) && self.counters.frames_sent == 2 {
            self.authenticate(now);
        }
    }

    /// Whether all frames left and came that it is about.
    pub(super) fn has_all_media(&self) -> bool {
        let media = self.attempt.as_ref().and_then(|it| it.media.as_ref());
        let Some(media) = media else {
            return true;
        };
        let frames = u64::from(self.settings.frames);
        let has_sent = media.sending.is_none() || self.counters.frames_sent >= frames;
        has_sent && self.counters.frames_received >= u64::from(self.settings.receives)
    }
}
