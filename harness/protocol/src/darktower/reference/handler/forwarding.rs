//! From a source to all who subscribe to it.

use uuid::Uuid;

use super::super::sessions::{Context, SendStream, SessionKey};
use super::{
    Deviation, Forwarded, Handler, Header, Identity, Incoming, MOST_WAITING, Source, State,
};
use crate::darktower::StreamCode;
use crate::streams::StreamId;

impl Handler {
    /// A source begins: it is of nobody else, and takes the place of an older one of its sender.
    pub(super) fn begins(
        &mut self,
        of: SessionKey,
        stream: StreamId,
        identity: &Identity,
        name: &str,
        context: &mut Context<'_>,
    ) {
        if !self.may_send(identity, name, context) {
            let code = StreamCode::AuthenticationFailed;
            return self.refuse(of, stream, code, context);
        }
        let old = self.live(identity.meeting, name).map(|(source, _)| source);
        let old: Vec<_> = old.filter(|source| *source != (of, stream)).collect();
        for (of, stream) in old {
            if let Some(session) = self.sessions.get_mut(&of) {
                session.incoming.remove(&stream);
            }
            let code = StreamCode::Graceful;
            context.sessions.stop_sending(of, stream, code);
            self.source_ends((of, stream), None, context);
        }
    }

    /// Whether a stream is not somebody else's.
    fn may_send(&self, identity: &Identity, name: &str, context: &Context<'_>) -> bool {
        if identity.is_stranger() && self.lacks(Deviation::EarlyForwarded) {
            return true;
        }
        match context.store.publisher(identity.meeting, name) {
            Some(publisher) => publisher.user == identity.user,
            None => self
                .live(identity.meeting, name)
                .all(|(_, user)| user == identity.user),
        }
    }

    /// The sources of this name in a meeting, and whose they are.
    fn live(&self, meeting: Uuid, name: &str) -> impl Iterator<Item = (Source, &str)> {
        let sessions = self.sessions.iter().filter_map(move |(of, session)| {
            let identity = session
                .identity
                .as_ref()
                .filter(|identity| identity.meeting == meeting)?;
            Some((*of, session, identity.user.as_str()))
        });
        sessions.flat_map(move |(of, session, user)| {
            let named = session
                .incoming
                .iter()
                .filter(move |(_, incoming)| match incoming {
                    Incoming::Media { header, .. } => {
                        header.as_ref().is_some_and(|header| header.name == name)
                    }
                    Incoming::New(_) | Incoming::Auth(_) => false,
                });
            named.map(move |(stream, _)| ((of, *stream), user))
        })
    }

    /// Which subscription of a session to a stream is valid now, if there is one.
    fn subscription(
        &self,
        of: SessionKey,
        from: (SessionKey, &Identity),
        name: &str,
        context: &Context<'_>,
    ) -> Option<u64> {
        let identity = self.sessions.get(&of)?.identity.as_ref()?;
        if identity.meeting != from.1.meeting {
            return None;
        }
        if self.settings.forwards_all {
            return (of != from.0).then_some(0);
        }
        let participant = context
            .store
            .participant(identity.meeting, &identity.user)?;
        let unasked = match of == from.0 {
            true => self.lacks(Deviation::PublisherGetsBack),
            false => {
                self.lacks(Deviation::EverybodySubscribed)
                    || self.lacks(Deviation::OneSubscribesAll) && participant.subscribes()
            }
        };
        participant.subscription(name).or(unasked.then_some(0))
    }

    /// A frame goes to all who subscribe to its stream (DT-M-06).
    pub(super) fn forward(
        &mut self,
        source: Source,
        identity: &Identity,
        header: &Header,
        (frame, may_begin): (&[u8], bool),
        context: &mut Context<'_>,
    ) {
        if self.waits_for_all() {
            return;
        }
        let without = self.settings.without;
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        for of in keys {
            let wanted = self.subscription(of, (source.0, identity), &header.name, context);
            let Some(session) = self.sessions.get_mut(&of) else {
                continue;
            };
            let copies = session.copies.iter_mut();
            let mut copies =
                copies.filter(|(_, copy)| copy.source == source && !copy.outgoing.ends());
            let known = match copies.next() {
                Some((stream, copy)) if Some(copy.subscription) == wanted => Some(*stream),
                // That subscription is over.
                Some((_, copy)) => {
                    copy.outgoing.end(context);
                    None
                }
                None => None,
            };
            let Some(subscription) = wanted else {
                continue;
            };
            let stream = match known {
                Some(stream) => stream,
                None if !(may_begin || without.has(Deviation::CopyFromDelta))
                    || session.unread.get(&source) == Some(&subscription) =>
                {
                    continue;
                }
                None => {
                    session.unread.remove(&source);
                    let Some(stream) = context.sessions.open(of) else {
                        continue;
                    };
                    let mut outgoing = SendStream::new(of, stream);
                    outgoing.send(context, &without.header(&header.bytes));
                    session.copies.insert(
                        stream,
                        Forwarded {
                            source,
                            subscription,
                            outgoing,
                            held: Vec::new(),
                        },
                    );
                    stream
                }
            };
            if let Some(copy) = session.copies.get_mut(&stream) {
                copy.send(frame, without, context);
                self.counters.copies += 1;
            }
            let waiting = session.waiting();
            if waiting > MOST_WAITING && !without.has(Deviation::SlowUnbounded) {
                session.copies.remove(&stream);
                session.unread.insert(source, subscription);
                let code = StreamCode::QuotaExceeded;
                context.sessions.reset(of, stream, code); // DT-M-11
                *self.counters.broken_off.entry(code.name()).or_default() += 1;
            }
            self.counters.most_waiting = self.counters.most_waiting.max(session.waiting());
            self.go(of, State::Active, "media goes to it", context);
            if self.ends_for_all(waiting) {
                return self.source_ends(source, Some(StreamCode::QuotaExceeded), context);
            }
            if without.has(Deviation::FirstSubscriberOnly) {
                return;
            }
        }
    }

    /// An audio frame in a datagram goes on in datagrams (DT-M-14).
    pub(super) fn forward_datagram(
        &mut self,
        (from, identity): (SessionKey, &Identity),
        name: &str,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) {
        if !self.may_send(identity, name, context) || self.lacks(Deviation::DatagramDropped) {
            return;
        }
        let bytes = self.settings.without.datagram(bytes);
        self.counters.frames += 1;
        self.go(from, State::Active, "media came", context);
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        for of in keys {
            if self
                .subscription(of, (from, identity), name, context)
                .is_some()
            {
                context.sessions.datagram(of, bytes);
                self.counters.copies += 1;
                self.go(of, State::Active, "media goes to it", context);
            }
        }
    }

    /// A source is over: copies end, or are broken off with this code.
    pub(super) fn source_ends(
        &mut self,
        source: Source,
        code: Option<StreamCode>,
        context: &mut Context<'_>,
    ) {
        if code.is_none() && self.lacks(Deviation::SourceEndsUntold) {
            return;
        }
        for (of, session) in &mut self.sessions {
            session.unread.remove(&source);
            session.copies.retain(|stream, copy| {
                if copy.source != source {
                    return true;
                }
                match code {
                    Some(code) => context.sessions.reset(*of, *stream, code),
                    None => copy.outgoing.end(context),
                }
                code.is_none() && !copy.outgoing.is_over()
            });
        }
    }
}
