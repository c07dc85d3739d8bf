//! How streams are published and subscribed to (DT-S-09, DT-S-10).

use serde_json::{Map, Value, json};

use super::super::messages::{message, text};
use super::super::sessions::{Context, SessionKey};
use super::super::store::{Stream, StreamError};
use super::joining::has_room;
use super::{Controller, Deviation, Member};

impl Controller {
    pub(super) fn publish(
        &mut self,
        of: SessionKey,
        member: &Member,
        fields: &Map<String, Value>,
        context: &mut Context<'_>,
    ) {
        let mut known = ["stream_id", "stream_type", "metadata"].as_slice();
        if self.lacks(Deviation::NoMetadata) {
            known = &known[..2];
        }
        let fields = known.iter().filter_map(|&name| {
            let value = fields.get(name)?;
            Some((name.to_owned(), value.clone()))
        });
        let fields: Map<_, _> = fields.collect();
        let id = text(&fields, "stream_id").to_owned();
        let stream = Stream {
            id: id.clone(),
            fields: fields.clone(),
        };
        let mut published = context.store.publish(member.meeting, &member.user, stream);
        if published.is_ok() && !has_room(context, member.meeting) {
            context.store.unpublish(member.meeting, &member.user, &id);
            published = Err(StreamError::TooMany);
        }
        let news = json!({ "participant_id": member.id.to_string(), "stream": fields });
        let news = message("StreamPublished", news);
        match published {
            // DT-S-09
            Err(StreamError::Name) if self.conflicts(member, &id, context) => {
                self.conflict(of, member, &news, context);
            }
            Ok(()) | Err(StreamError::Name) => {
                if !self.lacks(Deviation::PublisherUntold) {
                    self.send(of, &news, context);
                }
                if !self.lacks(Deviation::OthersUntold) {
                    self.broadcast(
                        of,
                        member.meeting,
                        &news,
                        Deviation::StreamToldToAll,
                        context,
                    );
                }
            }
            Err(not_done) => self.decline(of, not_done, context),
        }
    }

    pub(super) fn subscribe(
        &mut self,
        of: SessionKey,
        member: &Member,
        fields: &Map<String, Value>,
        context: &mut Context<'_>,
    ) {
        let stream = text(fields, "stream_id");
        match context
            .store
            .subscribe(member.meeting, &member.user, stream)
        {
            // DT-S-10
            Ok(()) => self.subscribed(of, stream, context),
            Err(StreamError::Name) if self.lacks(Deviation::AnySubscribed) => {
                self.subscribed(of, stream, context);
            }
            Err(not_done) => self.decline(of, not_done, context),
        }
    }
}
