//! The Global Controller: what a client must know to join a meeting (specification, section 1).

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::deviation::{Deviation, Deviations};
use super::messages::ErrorCode;
use super::random::Random;
use super::store::Store;
use super::token::{Claims, Secret, Usage};

/// What stands before the id of a meeting in a path.
pub const MEETINGS: &str = "/api/v1/meetings/";

/// What a Global Controller is told.
#[derive(Debug, Clone)]
pub struct InformationSettings {
    pub secret: Secret,
    /// How long a join token is valid (DT-G-01).
    pub lifetime: Duration,
    pub seed: u64,
    pub without: Deviations,
}

/// Answers requests for meetings.
#[derive(Debug)]
pub struct Information {
    settings: InformationSettings,
    random: Random,
    /// Whether a request was refused.
    has_refused: bool,
}

/// A request of HTTP, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// The field `authorization`, if it is there.
    pub authorization: Option<&'a str>,
}

/// An answer: its status and its JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// Why there is no information.
struct NoInformation(ErrorCode, &'static str);

impl Information {
    #[must_use]
    pub fn new(settings: InformationSettings) -> Self {
        Self {
            random: Random::new(settings.seed, 0),
            settings,
            has_refused: false,
        }
    }

    /// Answers a request at this time since 1970; meetings are joined at `url`.
    pub fn answer(
        &mut self,
        request: &Request<'_>,
        url: &str,
        at: Duration,
        store: &dyn Store,
    ) -> Answer {
        match self.information(request, url, at, store) {
            Ok(body) => Answer { status: 200, body },
            Err(NoInformation(code, why)) => {
                self.has_refused = true;
                let code = self.settings.without.refused_with(code);
                let (code, status) = (code.name(), code.status());
                let error = json!({ "code": code, "message": why, "details": {} });
                let mut body = json!({ "error": error });
                self.settings.without.error(&mut body);
                Answer { status, body }
            }
        }
    }

    fn information(
        &mut self,
        request: &Request<'_>,
        url: &str,
        at: Duration,
        store: &dyn Store,
    ) -> Result<Value, NoInformation> {
        let path = request.path.split('?').next().unwrap_or_default();
        let Some(id) = path.strip_prefix(MEETINGS) else {
            return Err(NoInformation(ErrorCode::NotFound, "No such resource"));
        };
        if request.method != "GET" {
            let why = "Only GET is answered";
            return Err(NoInformation(ErrorCode::InvalidRequest, why));
        }
        // DT-G-02
        let uuid = Uuid::try_parse(id).ok().filter(|_| id.len() == 36);
        let why = "The meeting's id is no UUID";
        let uuid = uuid.ok_or(NoInformation(ErrorCode::InvalidRequest, why))?;
        let user = self.user(request.authorization, id, at);
        let why = "No valid bearer token";
        let user = user.ok_or(NoInformation(ErrorCode::Unauthorized, why))?;
        let meeting = store.meeting(uuid).filter(|meeting| !meeting.has_ended);
        let meeting = meeting.ok_or(NoInformation(ErrorCode::NotFound, "No such meeting"))?;
        // DT-G-01
        let meeting = meeting.id.to_string();
        let lifetime = self.settings.lifetime;
        let claims = Claims::new(&user, &meeting, Usage::Join, at, lifetime);
        let claims = claims.named(self.random.uuid().to_string());
        let claims = self.settings.without.issued_token(claims);
        let without = self.settings.without;
        let secret = without.signing_secret(&self.settings.secret, Deviation::OtherJoinSecret);
        let mut body = json!({
            "meeting_id": meeting,
            "meeting_controller_url": url,
            "join_token": secret.mint(&claims),
            "expires_at": rfc_3339(self.settings.without.issued_expiry(claims.exp)),
        });
        self.settings.without.informed(&mut body);
        Ok(body)
    }

    /// Who shows a token to join this meeting.
    fn user(&self, authorization: Option<&str>, meeting: &str, at: Duration) -> Option<String> {
        if self.lacks(Deviation::AnyBearer) {
            return Some("anybody".to_owned());
        }
        let (scheme, token) = authorization?.split_once(' ')?;
        let is_bearer = scheme.eq_ignore_ascii_case("bearer") || self.lacks(Deviation::AnyScheme);
        let token = token.trim_matches(' ');
        let claims = self.settings.secret.verify(token, Usage::Join, at).ok()?;
        let is_of_it = claims.are_of(meeting) || self.lacks(Deviation::BearerOfAnyMeeting);
        let is_stuck = self.has_refused && self.lacks(Deviation::RefusalStays);
        (is_bearer && is_of_it && !is_stuck).then_some(claims.sub)
    }

    const fn lacks(&self, deviation: Deviation) -> bool {
        self.settings.without.has(deviation)
    }
}

impl ErrorCode {
    /// Its status in HTTP.
    const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthorized => 401,
            Self::NotFound => 404,
            // These two are of signaling.
            Self::Conflict => 409,
            Self::CapacityExceeded => 429,
        }
    }
}

/// This many seconds since 1970 as a time of day in Universal Time.
fn rfc_3339(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).ok();
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    // After the year 9999.
    text.unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::store::{Meeting, Memory};
    use super::super::token::TOKEN_LIFETIME;
    use super::*;

    const NOW: Duration = Duration::from_millis(1_800_000_000_900);
    const MEETING: &str = "0a0a0a0a-0000-4000-8000-00000000000a";
    const ENDED: &str = "0b0b0b0b-0000-4000-8000-00000000000b";
    const UNKNOWN: &str = "0c0c0c0c-0000-4000-8000-00000000000c";

    fn secret() -> Secret {
        Secret::new("secret")
    }

    fn bearer(meeting: &str, usage: Usage, at: Duration) -> String {
        let claims = Claims::new("alice", meeting, usage, at, TOKEN_LIFETIME);
        format!("Bearer {}", secret().mint(&claims))
    }

    fn ask(method: &str, path: &str, authorization: Option<&str>) -> Answer {
        let mut information = Information::new(InformationSettings {
            secret: secret(),
            lifetime: TOKEN_LIFETIME,
            seed: 1,
            without: Deviations::default(),
        });
        let meeting = |id: &str, has_ended| Meeting {
            id: id.parse().unwrap(),
            capacity: 1,
            has_ended,
        };
        let store = Memory::new([meeting(MEETING, false), meeting(ENDED, true)]);
        let request = Request {
            method,
            path,
            authorization,
        };
        information.answer(&request, "https://localhost:4433/wt", NOW, &store)
    }

    fn get(meeting: &str, authorization: Option<&str>) -> Answer {
        ask("GET", &format!("{MEETINGS}{meeting}"), authorization)
    }

    #[rstest]
    #[case::as_it_is_written(MEETING.to_owned())]
    #[case::in_upper_case(MEETING.to_uppercase())]
    fn a_meeting_is_told_with_a_join_token_for_five_minutes(#[case] id: String) {
        let answer = get(&id, Some(&bearer(MEETING, Usage::Join, NOW)));
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.body;
        assert_eq!(body["meeting_id"], MEETING);
        assert_eq!(body["meeting_controller_url"], "https://localhost:4433/wt");
        assert_eq!(body["expires_at"], "2027-01-15T08:05:00Z");
        let token = body["join_token"].as_str().unwrap();
        let verify = |at| secret().verify(token, Usage::Join, at);
        let claims = verify(NOW).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.mid.as_str()),
            ("alice", MEETING)
        );
        assert!(verify(Duration::from_secs(1_800_000_300)).is_err());
    }

    #[rstest]
    #[case::no_bearer(None)]
    #[case::no_token(Some("Bearer ".to_owned()))]
    #[case::another_scheme(Some(bearer(MEETING, Usage::Join, NOW).replace("Bearer", "Basic")))]
    #[case::another_use(Some(bearer(MEETING, Usage::Media, NOW)))]
    #[case::another_meeting(Some(bearer(ENDED, Usage::Join, NOW)))]
    #[case::expired(Some(bearer(MEETING, Usage::Join, NOW - TOKEN_LIFETIME)))]
    fn without_a_valid_bearer_nothing_is_told(#[case] bearer: Option<String>) {
        let answer = get(MEETING, bearer.as_deref());
        assert_eq!(answer.status, 401);
        assert_eq!(answer.body["error"]["code"], "UNAUTHORIZED");
    }

    #[rstest]
    #[case::unknown(UNKNOWN, 404, "NOT_FOUND")]
    #[case::over(ENDED, 404, "NOT_FOUND")]
    #[case::no_uuid("0a0a0a0a", 400, "INVALID_REQUEST")]
    #[case::without_hyphens("0a0a0a0a00004000800000000000000a", 400, "INVALID_REQUEST")]
    #[case::more_behind_it(concat!("0a0a0a0a-0000-4000-8000-00000000000a", "/x"), 400, "INVALID_REQUEST")]
    #[case::none("", 400, "INVALID_REQUEST")]
    fn a_meeting_that_is_not_there_has_an_error_of_its_own(
        #[case] id: &str,
        #[case] status: u16,
        #[case] code: &str,
    ) {
        let answer = get(id, Some(&bearer(id, Usage::Join, NOW)));
        assert_eq!(answer.status, status);
        let error = &answer.body["error"];
        assert_eq!(error["code"], code);
        assert!(error["message"].is_string() && error["details"].is_object());
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let bearer = bearer(MEETING, Usage::Join, NOW);
        let path = format!("{MEETINGS}{MEETING}");
        assert_eq!(ask("GET", "/", Some(&bearer)).status, 404);
        assert_eq!(ask("POST", &path, Some(&bearer)).status, 400);
    }
}
