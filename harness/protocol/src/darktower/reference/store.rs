//! State that the services share: meetings, participants and used tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::deviation::{Deviation, Deviations};
use super::token::Claims;

/// Within this time of losing the connection a user gets the same participant_id (DT-S-16).
pub const RESUMPTION: Duration = Duration::from_secs(30);

/// Streams that a participant may publish, and as many that it may subscribe to.
pub const MOST_STREAMS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    pub id: Uuid,
    /// How many participants there is room for.
    pub capacity: usize,
    /// Whether it is over.
    pub has_ended: bool,
}

/// A participant of a meeting.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    pub id: Uuid,
    /// The user of its token.
    pub user: String,
    /// The name that is shown.
    pub name: String,
    /// Since 1970.
    pub joined_at: Duration,
    /// What it publishes, in the order in which it did.
    pub streams: Vec<Stream>,
    /// The streams that it receives, and which subscription of the store each is.
    subscriptions: BTreeMap<String, u64>,
}

/// A stream that is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// As it was written, most often a UUID.
    pub id: String,
    /// The MediaStream, id and all.
    pub fields: Map<String, Value>,
}

/// Why a join is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// There is no such meeting, or it is over.
    NoMeeting,
    /// The meeting is full.
    Full,
}

/// Why publishing or subscribing is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamError {
    /// The name is taken (publish) or unknown (subscribe).
    Name,
    /// There are [`MOST_STREAMS`].
    TooMany,
    /// The user is not in the meeting.
    NotInMeeting,
}

/// Storage of the shared state. Times are since 1970.
pub trait Store {
    /// The meeting with this id, over or not.
    fn meeting(&self, id: Uuid) -> Option<Meeting>;

    /// Those who are in a meeting, in the order in which they joined.
    fn participants(&self, meeting: Uuid) -> &[Participant];

    /// A user joins under a new id, or the one that it had (DT-S-16).
    ///
    /// # Errors
    /// There is no meeting or no room (DT-S-07).
    fn join(
        &mut self,
        meeting: Uuid,
        user: &str,
        name: &str,
        fresh: Uuid,
        at: Duration,
    ) -> Result<Participant, JoinError>;

    /// A user leaves with its streams and subscriptions; after a `lost` connection it may resume.
    fn leave(&mut self, meeting: Uuid, user: &str, lost: Option<Duration>);

    /// A user publishes a stream.
    ///
    /// # Errors
    /// The meeting has a stream of this name (DT-S-09).
    fn publish(&mut self, meeting: Uuid, user: &str, stream: Stream) -> Result<(), StreamError>;

    /// Removes a published stream.
    fn unpublish(&mut self, meeting: Uuid, user: &str, stream: &str);

    /// A user subscribes to a stream, if it does not already.
    ///
    /// # Errors
    /// Nobody publishes it (DT-S-10).
    fn subscribe(&mut self, meeting: Uuid, user: &str, stream: &str) -> Result<(), StreamError>;

    /// A user unsubscribes from a stream.
    fn unsubscribe(&mut self, meeting: Uuid, user: &str, stream: &str);

    /// Whether this is the first use of a token; of an expired one nobody asks.
    fn use_token(&mut self, claims: &Claims, at: Duration) -> bool;

    /// Who is in a meeting as this user.
    fn participant(&self, meeting: Uuid, user: &str) -> Option<&Participant> {
        let mut all = self.participants(meeting).iter();
        all.find(|participant| participant.user == user)
    }

    /// Who publishes the stream that media names so.
    fn publisher(&self, meeting: Uuid, stream: &str) -> Option<&Participant> {
        let mut all = self.participants(meeting).iter();
        all.find(|participant| participant.publishes(stream))
    }
}

impl Participant {
    fn publishes(&self, stream: &str) -> bool {
        let mut ids = self.streams.iter().map(|stream| &stream.id);
        ids.any(|id| key(id) == key(stream))
    }

    /// Which subscription to a stream is valid, if there is one; each has another number.
    #[must_use]
    pub fn subscription(&self, stream: &str) -> Option<u64> {
        self.subscriptions.get(&key(stream)).copied()
    }

    /// Whether it receives any stream.
    #[must_use]
    pub fn subscribes(&self) -> bool {
        !self.subscriptions.is_empty()
    }
}

/// UUIDs are the same in either case.
fn key(stream: &str) -> String {
    stream.to_ascii_lowercase()
}

/// A store that ends with its process.
#[derive(Debug, Default)]
pub struct Memory {
    meetings: BTreeMap<Uuid, (Meeting, Vec<Participant>)>,
    /// Who lost the connection when, and the id that it had.
    lost: BTreeMap<(Uuid, String), (Duration, Uuid)>,
    /// Tokens that were used, and when each expires, in seconds.
    used: BTreeMap<String, u64>,
    subscriptions: u64,
    /// What a faulty twin remembers of users: streams, or a meeting.
    remembered: BTreeSet<(String, String)>,
    without: Deviations,
}

impl Memory {
    /// With these meetings, in which is nobody.
    pub fn new(meetings: impl IntoIterator<Item = Meeting>) -> Self {
        let meetings = meetings.into_iter();
        Self {
            meetings: meetings.map(|it| (it.id, (it, Vec::new()))).collect(),
            ..Self::default()
        }
    }

    /// The store of a faulty twin.
    #[must_use]
    pub fn without(mut self, without: Deviations) -> Self {
        self.without = without;
        self
    }

    fn there(&mut self, meeting: Uuid, user: &str) -> Option<&mut Participant> {
        let (_, all) = self.meetings.get_mut(&meeting)?;
        all.iter_mut().find(|participant| participant.user == user)
    }
}

impl Store for Memory {
    fn meeting(&self, id: Uuid) -> Option<Meeting> {
        self.meetings.get(&id).map(|(meeting, _)| *meeting)
    }

    fn participants(&self, meeting: Uuid) -> &[Participant] {
        let found = self.meetings.get(&meeting);
        found.map_or(&[], |(_, all)| all.as_slice())
    }

    fn join(
        &mut self,
        meeting: Uuid,
        user: &str,
        name: &str,
        fresh: Uuid,
        at: Duration,
    ) -> Result<Participant, JoinError> {
        let resumption = self.without.resumption(RESUMPTION);
        self.lost
            .retain(|_, (since, _)| at.saturating_sub(*since) < resumption);
        let found = self.meetings.get_mut(&meeting);
        let (meeting, all) = match found {
            Some((meeting, all)) if !meeting.has_ended => (meeting, all),
            Some(_) | None => return Err(JoinError::NoMeeting),
        };
        if all.len() >= meeting.capacity {
            return Err(JoinError::Full);
        }
        let to_anybody = self.without.has(Deviation::LostToAnybody);
        let anywhere = self.without.has(Deviation::LostAnywhere);
        let mut lost = self.lost.keys();
        let earlier =
            lost.find(|(of, who)| (*of == meeting.id || anywhere) && (who == user || to_anybody));
        let earlier = earlier.cloned().and_then(|key| self.lost.remove(&key));
        if self.without.has(Deviation::LostOnce) && earlier.is_some() {
            let resumed = (user.to_owned(), meeting.id.to_string());
            self.remembered.insert(resumed);
        }
        if self.without.has(Deviation::EarlierUnknown) {
            let streams = all.iter().flat_map(|it| &it.streams);
            let streams = streams.map(|stream| (user.to_owned(), key(&stream.id)));
            self.remembered.extend(streams);
        }
        let participant = Participant {
            id: earlier.map_or(fresh, |(_, id)| id), // DT-S-16
            user: user.to_owned(),
            name: name.to_owned(),
            joined_at: at,
            streams: Vec::new(),
            subscriptions: BTreeMap::new(),
        };
        all.push(participant.clone());
        Ok(participant)
    }

    fn leave(&mut self, meeting: Uuid, user: &str, lost: Option<Duration>) {
        let Some((_, all)) = self.meetings.get_mut(&meeting) else {
            return;
        };
        let Some(place) = all.iter().position(|it| it.user == user) else {
            return;
        };
        let gone = all.remove(place);
        for stream in &gone.streams {
            for participant in &mut *all {
                participant.subscriptions.remove(&key(&stream.id));
            }
        }
        let is_remembered = |what| self.remembered.contains(&(gone.user.clone(), what));
        if let Some(at) = lost.filter(|_| !is_remembered(meeting.to_string())) {
            self.lost.insert((meeting, gone.user), (at, gone.id));
        }
    }

    fn publish(&mut self, meeting: Uuid, user: &str, stream: Stream) -> Result<(), StreamError> {
        if self.publisher(meeting, &stream.id).is_some() {
            return Err(StreamError::Name);
        }
        let participant = self.there(meeting, user).ok_or(StreamError::NotInMeeting)?;
        if participant.streams.len() >= MOST_STREAMS {
            return Err(StreamError::TooMany);
        }
        participant.streams.push(stream);
        Ok(())
    }

    fn unpublish(&mut self, meeting: Uuid, user: &str, stream: &str) {
        if let Some(participant) = self.there(meeting, user) {
            participant.streams.retain(|it| it.id != stream);
        }
    }

    fn subscribe(&mut self, meeting: Uuid, user: &str, stream: &str) -> Result<(), StreamError> {
        let is_hidden = self.remembered.contains(&(user.to_owned(), key(stream)));
        if is_hidden || self.publisher(meeting, stream).is_none() {
            return Err(StreamError::Name);
        }
        self.subscriptions += 1;
        let number = self.subscriptions;
        let participant = self.there(meeting, user).ok_or(StreamError::NotInMeeting)?;
        if participant.subscriptions.len() >= MOST_STREAMS {
            return Err(StreamError::TooMany);
        }
        participant
            .subscriptions
            .entry(key(stream))
            .or_insert(number);
        Ok(())
    }

    fn unsubscribe(&mut self, meeting: Uuid, user: &str, stream: &str) {
        if let Some(participant) = self.there(meeting, user) {
            participant.subscriptions.remove(&key(stream));
        }
    }

    fn use_token(&mut self, claims: &Claims, at: Duration) -> bool {
        self.used.retain(|_, exp| at < Duration::from_secs(*exp));
        let earlier = self.used.insert(claims.jti.clone(), claims.exp);
        earlier.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::{TOKEN_LIFETIME, Usage};
    use super::*;

    const MEETING: Uuid = Uuid::from_u128(1);

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn store() -> Memory {
        let meeting = |n, has_ended| Meeting {
            id: Uuid::from_u128(n),
            capacity: 2,
            has_ended,
        };
        Memory::new([meeting(1, false), meeting(2, true)])
    }

    /// The id with which a user joins, if it does.
    fn join(store: &mut Memory, user: &str, fresh: u128, at: u64) -> Result<u128, JoinError> {
        let joined = store.join(MEETING, user, user, Uuid::from_u128(fresh), seconds(at));
        joined.map(|participant| participant.id.as_u128())
    }

    #[test]
    fn a_lost_user_has_the_same_id_for_30_seconds_and_another_one_later() {
        let mut store = store();
        assert_eq!(join(&mut store, "a", 10, 100), Ok(10));
        store.leave(MEETING, "a", Some(seconds(200)));
        assert_eq!(join(&mut store, "b", 11, 229), Ok(11));
        assert_eq!(join(&mut store, "a", 12, 229), Ok(10));
        store.leave(MEETING, "a", Some(seconds(300)));
        assert_eq!(join(&mut store, "a", 13, 330), Ok(13));
        store.leave(MEETING, "a", None);
        assert_eq!(join(&mut store, "a", 14, 331), Ok(14));
    }

    #[test]
    fn there_is_no_place_in_a_meeting_that_is_full_over_or_unknown() {
        let mut store = store();
        join(&mut store, "a", 10, 0).unwrap();
        join(&mut store, "b", 11, 0).unwrap();
        assert_eq!(join(&mut store, "c", 12, 0), Err(JoinError::Full));
        store.leave(MEETING, "a", Some(seconds(1)));
        assert_eq!(join(&mut store, "c", 12, 1), Ok(12));
        for meeting in [2, 3] {
            let meeting = Uuid::from_u128(meeting);
            let joined = store.join(meeting, "a", "a", meeting, seconds(0));
            assert_eq!(joined.unwrap_err(), JoinError::NoMeeting);
        }
    }

    #[test]
    fn a_token_is_used_once_and_forgotten_when_it_has_expired() {
        let mut store = store();
        let claims = |at| {
            Claims::new("a", "m", Usage::Media, seconds(at), TOKEN_LIFETIME).named("1".to_owned())
        };
        assert!(store.use_token(&claims(0), seconds(0)));
        assert!(!store.use_token(&claims(0), seconds(299)));
        assert!(store.use_token(&claims(300), seconds(300)));
        assert_eq!(store.used.len(), 1);
    }

    #[test]
    fn a_stream_has_one_publisher_and_a_subscription_is_another_one_each_time() {
        let mut store = store();
        join(&mut store, "a", 10, 0).unwrap();
        join(&mut store, "b", 11, 0).unwrap();
        let stream = |id: &str| Stream {
            id: id.to_owned(),
            fields: Map::new(),
        };
        assert_eq!(store.subscribe(MEETING, "b", "ab"), Err(StreamError::Name));
        assert_eq!(store.publish(MEETING, "a", stream("ab")), Ok(()));
        let again = store.publish(MEETING, "b", stream("AB"));
        assert_eq!(again, Err(StreamError::Name));
        let subscription = |store: &Memory| {
            let participant = store.participant(MEETING, "b").unwrap();
            participant.subscription("ab")
        };
        store.subscribe(MEETING, "b", "AB").unwrap();
        let first = subscription(&store);
        store.subscribe(MEETING, "b", "ab").unwrap();
        assert_eq!(subscription(&store), first);
        store.unsubscribe(MEETING, "b", "ab");
        assert_eq!(subscription(&store), None);
        store.subscribe(MEETING, "b", "ab").unwrap();
        assert!(subscription(&store) > first);
        store.leave(MEETING, "a", None);
        assert_eq!(store.subscribe(MEETING, "b", "ab"), Err(StreamError::Name));
    }
}
