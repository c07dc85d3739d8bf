//! JSON Web Tokens (RFC 7519) that the implementation makes, as steps want them.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::matcher;

/// What a token must be: signed by the secret with HS256, with these claims, and valid for so long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    secret: String,
    /// What its claims must be: values or matchers; those that are not named may be anything.
    #[serde(default)]
    claims: Map<String, Value>,
    /// For how long it is valid, from `iat` to `exp`: the fewest seconds and the most.
    lasts: Option<[u64; 2]>,
}

impl Wanted {
    /// # Errors
    /// A sentence for people.
    pub(crate) fn read(described: &Value) -> Result<Self, String> {
        Self::deserialize(described).map_err(|error| format!("`is_jwt`: {error}"))
    }
}

/// Whether a value is a token as it must be.
///
/// # Errors
/// What it is instead, to be read after its name.
pub(super) fn check(wanted: &Value, got: Option<&Value>) -> Result<(), String> {
    let wanted = Wanted::read(wanted)?;
    let token = got.and_then(Value::as_str).unwrap_or_default();
    let mut validation = Validation::new(Algorithm::HS256);
    // It would ask the system's clock; steps say when it has to expire.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(wanted.secret.as_bytes());
    let token = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
    let claims = token.map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => {
            "is signed by another secret than the description's".to_owned()
        }
        ErrorKind::InvalidAlgorithm => "is not signed with HS256".to_owned(),
        _ => "is no token with claims".to_owned(),
    })?;
    let claims = Value::Object(claims.claims);
    let is_met = matcher::matches(&Value::Object(wanted.claims), Some(&claims), &|_| None);
    let lasts = claims["exp"]
        .as_f64()
        .zip(claims["iat"].as_f64())
        .map(|(exp, iat)| exp - iat);
    let is_long_enough = wanted.lasts.is_none_or(|[least, most]| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact in 53 bits for millions of years"
        )]
        let bounds = least as f64..=most as f64;
        lasts.is_some_and(|lasts| bounds.contains(&lasts))
    });
    match (is_met, is_long_enough, lasts) {
        (true, true, _) => Ok(()),
        (true, false, Some(lasts)) => Err(format!("says {claims}: it is valid for {lasts} s")),
        (_, _, _) => Err(format!("says {claims}")),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn token(algorithm: Algorithm, secret: &str, claims: &Value) -> Value {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(algorithm), claims, &key);
        json!(token.unwrap())
    }

    fn checked(got: &Value) -> Result<(), String> {
        let claims = json!({ "sub": "a", "exp": { "at_least": 1_300 }, "jti": { "empty": false } });
        let wanted = json!({ "secret": "s", "claims": claims, "lasts": [285, 315] });
        check(&wanted, Some(got))
    }

    fn right() -> Value {
        json!({ "sub": "a", "iat": 1_000, "exp": 1_300, "jti": "1", "more": true })
    }

    #[test]
    fn a_token_is_met_by_its_signature_its_claims_and_its_time() {
        let token = token(Algorithm::HS256, "s", &right());
        assert_eq!(checked(&token), Ok(()));
    }

    #[rstest]
    #[case::another_user("sub", json!("b"))]
    #[case::no_name("jti", Value::Null)]
    #[case::an_empty_name("jti", json!(""))]
    #[case::too_early("exp", json!(1_299))]
    #[case::too_short("iat", json!(1_016))]
    #[case::too_long("exp", json!(1_316))]
    #[case::no_beginning("iat", Value::Null)]
    fn a_claim_that_is_not_as_it_must_be_is_told(#[case] claim: &str, #[case] value: Value) {
        let mut claims = right();
        claims[claim] = value;
        let why = checked(&token(Algorithm::HS256, "s", &claims)).unwrap_err();
        assert!(why.starts_with("says {") && why.contains("more"), "{why}");
    }

    #[rstest]
    #[case::another_secret(token(Algorithm::HS256, "t", &right()), "another secret")]
    #[case::another_algorithm(token(Algorithm::HS512, "s", &right()), "not signed with HS256")]
    #[case::no_token(json!("a.b.c"), "no token")]
    #[case::no_text(json!(7), "no token")]
    fn what_is_no_token_of_the_secret_says_why(#[case] got: Value, #[case] why: &str) {
        let told = checked(&got).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}
