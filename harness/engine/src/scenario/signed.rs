//! JSON Web Tokens (RFC 7519) that the implementation makes, as steps want them.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a token must be: signed by the secret with HS256, with these claims, and this lifetime.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    secret: String,
    /// What its claims must be: values or matchers; those that are not named may be anything.
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// For how long it is valid, from `iat` to `exp`: the fewest seconds and the most.
    lasts: Option<[u64; 2]>,
}

impl Wanted {
    /// # Errors
    /// A human-readable error.
    pub(crate) fn read(described: &Value) -> Result<Self, String> {
        Self::deserialize(described).map_err(|error| format!("`is_jwt`: {error}"))
    }

    /// The claims of a token that is signed, and valid for as long as it must be.
    ///
    /// # Errors
    /// What it is instead, to be read after its name.
    pub(super) fn claims_of(&self, token: &str) -> Result<Value, String> {
        let mut validation = Validation::new(Algorithm::HS256);
        // It would ask the system's clock; steps say when it has to expire.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_secret(self.secret.as_bytes());
        let token = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
        let token = token.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => {
                "is signed by another secret than the description's".to_owned()
            }
            ErrorKind::InvalidAlgorithm => "is not signed with HS256".to_owned(),
            _ => "is no token with claims".to_owned(),
        })?;
        let claims = Value::Object(token.claims);
        let Some([least, most]) = self.lasts else {
            return Ok(claims);
        };
        let ends = claims["exp"].as_f64().zip(claims["iat"].as_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact in 53 bits for millions of years"
        )]
        let bounds = least as f64..=most as f64;
        match ends.map(|(exp, iat)| exp - iat) {
            Some(lasts) if bounds.contains(&lasts) => Ok(claims),
            Some(lasts) => Err(format!("says {claims}: it is valid for {lasts} s")),
            None => Err(format!("says {claims}")),
        }
    }
}
