//! What faulty twins take for valid tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::{Deviation, Deviations};
use crate::darktower::reference::settings::Service;
use crate::darktower::reference::token::{Claims, Usage};

/// What a twin thinks of tokens that the reference does not, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Lenience {
    /// Those with `alg: none` are valid.
    Unsigned,
    /// Those with any signature are, or without one.
    AnyhowSigned,
    /// Those with this algorithm are, too.
    OfAlgorithm(Algorithm),
    /// Those that have expired are.
    Expired,
    /// Those that have expired in the last half minute are.
    NearlyExpired,
    /// Those that never expire are.
    Endless,
    /// Those for something else are.
    OfAnyUse,
    /// Those that expire in the next two minutes are invalid.
    Early,
    /// All are invalid.
    Nothing,
}

const LENIENCES: [(Service, Deviation, Lenience); 26] = {
    use Deviation as D;
    use Lenience as L;
    use Service::{Controller, Handler, Information};
    [
        (Information, D::BearerUnsigned, L::Unsigned),
        (Information, D::BearerAnyhowSigned, L::AnyhowSigned),
        (
            Information,
            D::BearerOfHs384,
            L::OfAlgorithm(Algorithm::HS384),
        ),
        (
            Information,
            D::BearerOfHs512,
            L::OfAlgorithm(Algorithm::HS512),
        ),
        (Information, D::BearerExpired, L::Expired),
        (Information, D::BearerNearlyExpired, L::NearlyExpired),
        (Information, D::BearerEndless, L::Endless),
        (Information, D::BearerOfAnyUse, L::OfAnyUse),
        (Controller, D::JoinUnsigned, L::Unsigned),
        (Controller, D::JoinAnyhowSigned, L::AnyhowSigned),
        (Controller, D::JoinOfHs384, L::OfAlgorithm(Algorithm::HS384)),
        (Controller, D::JoinOfHs512, L::OfAlgorithm(Algorithm::HS512)),
        (Controller, D::JoinExpired, L::Expired),
        (Controller, D::JoinNearlyExpired, L::NearlyExpired),
        (Controller, D::JoinEarly, L::Early),
        (Controller, D::JoinEndless, L::Endless),
        (Controller, D::JoinOfAnyUse, L::OfAnyUse),
        (Handler, D::MediaUnsigned, L::Unsigned),
        (Handler, D::MediaAnyhowSigned, L::AnyhowSigned),
        (Handler, D::MediaOfHs384, L::OfAlgorithm(Algorithm::HS384)),
        (Handler, D::MediaOfHs512, L::OfAlgorithm(Algorithm::HS512)),
        (Handler, D::MediaExpired, L::Expired),
        (Handler, D::MediaNearlyExpired, L::NearlyExpired),
        (Handler, D::MediaEndless, L::Endless),
        (Handler, D::MediaOfAnyUse, L::OfAnyUse),
        (Handler, D::NobodyTaken, L::Nothing),
    ]
};

impl Deviations {
    /// What a service of the twin thinks of tokens.
    pub(in super::super) fn lenience(self, of: Service) -> Option<Lenience> {
        let mut all = LENIENCES.iter();
        let found = all.find(|(service, fault, _)| *service == of && self.has(*fault));
        found.map(|(.., lenience)| *lenience)
    }
}

impl Lenience {
    /// What a token says that is valid for the twin, of which the reference says `strict`.
    pub(in super::super) fn verify(
        self,
        strict: Option<Claims>,
        key: &[u8],
        token: &str,
        (usage, at): (Usage, Duration),
    ) -> Option<Claims> {
        let since =
            |claims: &Claims, more: u64| at < Duration::from_secs(claims.exp.saturating_add(more));
        let is_for = |claims: &Claims| claims.usage == usage;
        let wrong = || match self {
            Self::Unsigned => unchecked(token).filter(|(alg, _)| alg == "none"),
            Self::AnyhowSigned => unchecked(token),
            Self::OfAlgorithm(algorithm) => signed(token, key, algorithm),
            Self::Expired | Self::NearlyExpired | Self::Endless | Self::OfAnyUse => {
                signed(token, key, Algorithm::HS256)
            }
            Self::Early | Self::Nothing => None,
        };
        let lenient = || {
            let (_, mut claims) = wrong()?;
            if self == Self::Endless && claims["exp"].is_null() {
                claims["exp"] = json!(u64::MAX);
            }
            let claims: Claims = serde_json::from_value(claims).ok()?;
            let is_valid = match self {
                Self::Expired => is_for(&claims),
                Self::NearlyExpired => is_for(&claims) && since(&claims, 30),
                Self::OfAnyUse => since(&claims, 0),
                Self::Unsigned
                | Self::AnyhowSigned
                | Self::OfAlgorithm(_)
                | Self::Endless
                | Self::Early
                | Self::Nothing => is_for(&claims) && since(&claims, 0),
            };
            is_valid.then_some(claims)
        };
        match self {
            Self::Early => strict.filter(|claims| {
                let end = Duration::from_secs(claims.exp);
                at.saturating_add(Duration::from_secs(120)) < end
            }),
            Self::Nothing => None,
            Self::Unsigned
            | Self::AnyhowSigned
            | Self::OfAlgorithm(_)
            | Self::Expired
            | Self::NearlyExpired
            | Self::Endless
            | Self::OfAnyUse => strict.or_else(lenient),
        }
    }
}

/// The algorithm and the claims that a token names, whoever signed it.
fn unchecked(token: &str) -> Option<(String, Value)> {
    let mut parts = token.split('.').map(|part| {
        let json = BASE64.decode(part).ok()?;
        serde_json::from_slice::<Value>(&json).ok()
    });
    let (header, claims) = (parts.next()??, parts.next()??);
    Some((header["alg"].as_str()?.to_owned(), claims))
}

/// The same of a token that is signed with the key by this algorithm.
fn signed(token: &str, key: &[u8], algorithm: Algorithm) -> Option<(String, Value)> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token = decode(token, &DecodingKey::from_secret(key), &validation);
    token.ok().map(|token| (String::new(), token.claims))
}
