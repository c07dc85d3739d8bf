use std::time::Duration;

use uuid::Uuid;

use super::deviation::{Deviation, Deviations};
use super::store::Meeting;
use super::token::{Secret, TOKEN_LIFETIME};
use crate::setting::number;

/// What the three services are, by the names of the modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The Global Controller, which tells of meetings.
    Information,
    /// The Meeting Controller, with which signaling is spoken.
    Controller,
    /// The Media Handler, which media goes through.
    Handler,
}

impl Service {
    pub const ALL: [Self; 3] = [Self::Information, Self::Controller, Self::Handler];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Information => "gc",
            Self::Controller => "mc",
            Self::Handler => "mh",
        }
    }

    /// Those of a mode, with commas between.
    ///
    /// # Errors
    /// One is none; says which there are.
    pub fn of_mode(mode: &str) -> Result<Vec<Self>, String> {
        let one = |name| {
            let found = Self::ALL.into_iter().find(|service| service.name() == name);
            found.ok_or_else(|| format!("{name:?} is none of gc, mc and mh"))
        };
        mode.split(',').map(one).collect()
    }
}

/// Where a server runs, and as what: stands in each record.
#[derive(Debug, Clone)]
pub struct Place {
    pub region: String,
    /// The id of the controller or handler.
    pub id: String,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            region: "local".to_owned(),
            id: "1".to_owned(),
        }
    }
}

/// What a server is told.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    pub services: Vec<Service>,
    /// What tokens are signed with.
    pub secret: Secret,
    pub meetings: Vec<Meeting>,
    /// Where meetings are joined, and where media goes; here, if it is not told.
    pub controller_url: Option<String>,
    pub media_url: Option<String>,
    /// How long its tokens are valid.
    pub lifetime: Duration,
    /// Where it runs, as its metrics and spans say.
    pub place: Place,
    pub seed: u64,
    /// The time since 1970 at which the machine's time is 0.
    pub epoch: Duration,
    pub without: Deviations,
}

/// The meeting that there is where no other is told.
pub const MEETING: Uuid = Uuid::from_u128(0x6d65_6574_0000_4000_8000_0000_0000_0001);

/// The `n`-th of a server's meetings that are numbered, from 0 on.
pub(super) const fn meeting(n: u64) -> Uuid {
    Uuid::from_u128(MEETING.as_u128() + n as u128)
}

/// So many meetings can be asked for by their number.
pub(super) const MOST_MEETINGS: u64 = 100_000;

/// Its capacity, and that of one that does not tell it.
const CAPACITY: usize = 100;

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            services: Service::ALL.to_vec(),
            secret: Secret::new("darktower"),
            // The second has room for two, and the third is over.
            meetings: [
                (meeting(0), CAPACITY, false),
                (meeting(1), 2, false),
                (meeting(2), 0, true),
            ]
            .map(|(id, capacity, has_ended)| Meeting {
                id,
                capacity,
                has_ended,
            })
            .to_vec(),
            controller_url: None,
            media_url: None,
            lifetime: TOKEN_LIFETIME,
            place: Place::default(),
            seed: 0,
            epoch: Duration::ZERO,
            without: Deviations::default(),
        }
    }
}

impl ServerSettings {
    /// As its twin has them.
    pub(super) fn of_twin(mut self) -> Self {
        let without = self.without;
        for meeting in &mut self.meetings {
            if without.has(Deviation::OneMore) {
                meeting.capacity += 1;
            }
            if without.has(Deviation::OneFewer) {
                meeting.capacity = meeting.capacity.saturating_sub(1);
            }
            if without.has(Deviation::EndedGoesOn) && meeting.has_ended {
                (meeting.has_ended, meeting.capacity) = (false, 2);
            }
        }
        self
    }
}

/// What a client publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Audio,
    Video,
    /// Audio, each frame in a datagram (DT-M-14).
    Datagrams,
}

impl std::str::FromStr for MediaKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "audio" => Ok(Self::Audio),
            "video" => Ok(Self::Video),
            "datagrams" => Ok(Self::Datagrams),
            _ => Err("is none of audio, video and datagrams".to_owned()),
        }
    }
}

/// What a client is told.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The services that it uses, one after the other.
    pub services: Vec<Service>,
    /// What a token is signed with that it needs and is not given.
    pub secret: Secret,
    pub meeting: Uuid,
    /// Its name in tokens; a random one, if it is empty.
    pub user: String,
    /// The token for the first service.
    pub token: Option<String>,
    /// The host of the server and its port, as URLs have them.
    pub authority: String,
    pub publishes: Option<MediaKind>,
    /// Frames that it sends of what it publishes.
    pub frames: u32,
    /// Time from one frame to the next.
    pub interval: Duration,
    /// Bytes of the payload of each.
    pub payload: u32,
    /// Frames that it waits for; it subscribes to all streams if these are any.
    pub receives: u32,
    /// Whether it stays when all that is done.
    pub stays: bool,
    pub seed: u64,
    /// The time since 1970 at which the machine's time is 0.
    pub epoch: Duration,
    pub without: Deviations,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            services: Service::ALL.to_vec(),
            secret: Secret::new("darktower"),
            meeting: MEETING,
            user: String::new(),
            token: None,
            authority: "localhost".to_owned(),
            publishes: None,
            frames: 10,
            interval: Duration::from_millis(20),
            payload: 100,
            receives: 0,
            stays: false,
            seed: 0,
            epoch: Duration::ZERO,
            without: Deviations::default(),
        }
    }
}

/// Meetings as they are written: `ID`, `ID:CAPACITY` or `ID:ended`, with commas between; or how many.
pub(super) fn meetings(text: &str) -> Result<Vec<Meeting>, String> {
    if text.parse::<u64>().is_ok() {
        let numbered = |n| Meeting {
            id: meeting(n),
            capacity: CAPACITY,
            has_ended: false,
        };
        return Ok((0..number(text, 1, MOST_MEETINGS)?).map(numbered).collect());
    }
    let one = |written: &str| {
        let (id, rest) = written.split_once(':').unwrap_or((written, ""));
        let id = Uuid::try_parse(id).map_err(|_| format!("{id:?} is no UUID"))?;
        let has_ended = rest == "ended";
        let capacity = match rest {
            "" | "ended" => CAPACITY,
            written => number(written, 1, usize::MAX).map_err(|_| {
                format!("{written:?} is neither a number of participants nor `ended`")
            })?,
        };
        Ok(Meeting {
            id,
            capacity,
            has_ended,
        })
    };
    text.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meetings_are_written_with_their_capacity_or_that_they_are_over() {
        let ids = [1, 2, 3].map(Uuid::from_u128);
        let [first, second, third] = ids;
        let all = meetings(&format!("{first},{second}:2,{third}:ended")).unwrap();
        let all = all.iter().map(|it| (it.id, it.capacity, it.has_ended));
        let expected = [(first, 100, false), (second, 2, false), (third, 100, true)];
        assert_eq!(all.collect::<Vec<_>>(), expected);
        let numbered = meetings("100").unwrap();
        assert_eq!((numbered.len(), numbered[99].id), (100, meeting(99)));
        assert_eq!(meetings("0").unwrap_err(), "is no number from 1 to 100000");
        assert_eq!(meetings("x").unwrap_err(), "\"x\" is no UUID");
        for capacity in ["many", "0", "-1"] {
            let problem = meetings(&format!("{first}:{capacity}")).unwrap_err();
            let expected = format!("{capacity:?} is neither a number of participants nor `ended`");
            assert_eq!(problem, expected);
        }
    }
}
