//! Tokens: JWT with HMAC-SHA256 (specification, section 1).

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::deviation::Lenience;

/// How long a token is valid (DT-G-01).
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub mid: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub usage: Usage,
    /// When it was made, in seconds since 1970.
    pub iat: u64,
    /// From when on it is invalid, in seconds since 1970.
    pub exp: u64,
    /// Its own name.
    pub jti: String,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// To join a meeting, as often as one likes.
    Join,
    /// To send and receive media, once.
    Media,
}

/// A token that is not valid: nobody is told what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no valid token")]
pub struct InvalidToken;

/// The secret that all services share.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    key: Vec<u8>,
    /// What a faulty twin thinks of tokens.
    lenience: Option<Lenience>,
}

impl Secret {
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            key: bytes.into(),
            lenience: None,
        }
    }

    /// The same for a faulty twin.
    #[must_use]
    pub(super) fn with(mut self, lenience: Option<Lenience>) -> Self {
        self.lenience = lenience;
        self
    }

    /// The token that says this.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "claims are strings and numbers, and HMAC takes any key: nothing of it can fail"
    )]
    pub fn mint(&self, claims: &Claims) -> String {
        let key = EncodingKey::from_secret(&self.key);
        let token = encode(&Header::new(Algorithm::HS256), claims, &key);
        token.unwrap_or_else(|error| panic!("a token cannot be made: {error}"))
    }

    /// What a token says that is valid at this time since 1970 for this.
    ///
    /// # Errors
    /// It is malformed, signed otherwise, expired, without an expiry or for another use.
    pub fn verify(&self, token: &str, usage: Usage, at: Duration) -> Result<Claims, InvalidToken> {
        let strict = self.verify_strictly(token, usage, at);
        let Some(lenience) = self.lenience else {
            return strict;
        };
        let claims = lenience.verify(strict.ok(), &self.key, token, (usage, at));
        claims.ok_or(InvalidToken)
    }

    fn verify_strictly(
        &self,
        token: &str,
        usage: Usage,
        at: Duration,
    ) -> Result<Claims, InvalidToken> {
        // `alg: none` and any other algorithm are refused by this.
        let mut validation = Validation::new(Algorithm::HS256);
        // It would ask the system's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(&self.key);
        let token = decode::<Claims>(token, &key, &validation).map_err(|_| InvalidToken)?;
        let claims = token.claims;
        let is_valid = claims.usage == usage && at < Duration::from_secs(claims.exp);
        is_valid.then_some(claims).ok_or(InvalidToken)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Claims {
    /// Claims that are valid from this time since 1970 for so long.
    #[must_use]
    pub fn new(user: &str, meeting: &str, usage: Usage, at: Duration, lifetime: Duration) -> Self {
        Self {
            sub: user.to_owned(),
            mid: meeting.to_owned(),
            usage,
            iat: at.as_secs(),
            exp: at.saturating_add(lifetime).as_secs(),
            jti: String::new(),
        }
    }

    /// The same under a name.
    #[must_use]
    pub fn named(self, jti: String) -> Self {
        Self { jti, ..self }
    }

    /// Whether they are of this meeting. UUIDs are the same in either case.
    #[must_use]
    pub fn are_of(&self, meeting: &str) -> bool {
        self.mid.eq_ignore_ascii_case(meeting)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn secret() -> Secret {
        Secret::new("secret")
    }

    fn claims() -> Claims {
        Claims::new("alice", "m", Usage::Join, NOW, TOKEN_LIFETIME).named("1".to_owned())
    }

    /// A token with these claims and any algorithm of HMAC, signed by the secret.
    fn signed(algorithm: Algorithm, claims: &Value) -> String {
        let key = EncodingKey::from_secret(b"secret");
        encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    #[test]
    fn a_token_says_what_was_minted_until_its_last_moment() {
        let token = secret().mint(&claims());
        let verify = |at| secret().verify(&token, Usage::Join, at);
        assert_eq!(verify(NOW), Ok(claims()));
        let end = NOW + TOKEN_LIFETIME;
        assert_eq!(verify(end - Duration::from_nanos(1)), Ok(claims()));
        assert_eq!(verify(end), Err(InvalidToken));
    }

    #[test]
    fn a_token_is_of_one_use_one_meeting_and_one_secret() {
        let token = secret().mint(&claims());
        assert_eq!(
            secret().verify(&token, Usage::Media, NOW),
            Err(InvalidToken)
        );
        let other = Secret::new("other");
        assert_eq!(other.verify(&token, Usage::Join, NOW), Err(InvalidToken));
        assert!(claims().are_of("M") && !claims().are_of("n"));
    }

    #[rstest]
    #[case::no_expiry("exp", Value::Null)]
    #[case::no_number("exp", json!("soon"))]
    #[case::no_use("use", Value::Null)]
    #[case::another_use("use", json!("admin"))]
    #[case::no_user("sub", Value::Null)]
    #[case::no_meeting("mid", Value::Null)]
    fn a_claim_that_is_missing_or_wrong_makes_it_invalid(
        #[case] claim: &str,
        #[case] value: Value,
    ) {
        let mut changed = serde_json::to_value(claims()).unwrap();
        let right = signed(Algorithm::HS256, &changed);
        assert!(secret().verify(&right, Usage::Join, NOW).is_ok());
        match value {
            Value::Null => drop(changed.as_object_mut().unwrap().remove(claim)),
            value => changed[claim] = value,
        }
        let token = signed(Algorithm::HS256, &changed);
        assert_eq!(secret().verify(&token, Usage::Join, NOW), Err(InvalidToken));
    }

    #[test]
    fn only_hs256_is_taken() {
        let claims = serde_json::to_value(claims()).unwrap();
        let verify = |token: &str| secret().verify(token, Usage::Join, NOW);
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(verify(&signed(algorithm, &claims)), Err(InvalidToken));
        }
        let right = signed(Algorithm::HS256, &claims);
        let [_, body, signature] = right.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts");
        };
        // {"alg":"none","typ":"JWT"}
        let header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        assert_eq!(verify(&format!("{header}.{body}.")), Err(InvalidToken));
        let with_signature = format!("{header}.{body}.{signature}");
        assert_eq!(verify(&with_signature), Err(InvalidToken));
        for malformed in ["", ".", "..", "a.b.c", body] {
            assert_eq!(verify(malformed), Err(InvalidToken), "{malformed}");
        }
    }
}
