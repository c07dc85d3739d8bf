//! JSON Web Tokens (RFC 7519), as scenarios make them: right ones, and ones that are damaged in a named way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a token is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    claims: Map<String, Value>,
    #[serde(default)]
    secret: String,
    /// The algorithm; HS256 if not given. `none` has no signature.
    #[serde(default = "usual")]
    alg: String,
    /// Changes it after it was signed.
    damage: Option<Damage>,
}

fn usual() -> String {
    "HS256".to_owned()
}

/// How a token is damaged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Damage {
    /// Its signature is another one.
    Signature,
    /// It has no signature; the dot before it is there.
    NoSignature,
    /// It has two parts: the dot before the signature lacks too.
    TwoParts,
    /// Its claims are others than those that were signed.
    Claims,
    /// Its header names another algorithm than signed it: `none`.
    Header,
}

/// The token that `{"jwt": {"claims": {..}, "secret": "..", "alg": "..", "damage": ".."}}` stands for.
///
/// # Errors
/// A human-readable error.
pub(super) fn made(described: &Value) -> Result<Value, String> {
    let token = Token::deserialize(described).map_err(|error| format!("`jwt`: {error}"))?;
    let text = match token.alg.as_str() {
        "none" => unsigned(&token.claims),
        name => {
            let algorithm: Algorithm = name
                .parse()
                .map_err(|_| format!("`jwt`: no algorithm is called {name:?}"))?;
            let key = EncodingKey::from_secret(token.secret.as_bytes());
            let made = jsonwebtoken::encode(&Header::new(algorithm), &token.claims, &key);
            made.map_err(|error| format!("`jwt`: {name} cannot sign with a secret: {error}"))?
        }
    };
    let text = token
        .damage
        .map_or_else(|| text.clone(), |damage| damaged(&text, damage));
    Ok(Value::String(text))
}

/// The claim that `{"claim": ["<token>", "<name>"]}` stands for, `null` if the token does not have it. Its
/// signature is not verified.
///
/// # Errors
/// A human-readable error.
pub(super) fn claim(argument: &Value) -> Result<Value, String> {
    let (token, name) = match argument.as_array().map(Vec::as_slice) {
        Some([Value::String(token), Value::String(name)]) => (token, name),
        _ => return Err("`claim` takes a token and the name of a claim".to_owned()),
    };
    let claims = token.split('.').nth(1).and_then(decoded);
    let mut claims = claims.ok_or_else(|| format!("`claim`: {token:?} is no token with claims"))?;
    Ok(claims.remove(name).unwrap_or_default())
}

fn decoded(claims: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
}

fn unsigned(claims: &Map<String, Value>) -> String {
    let header = encoded(&json!({ "alg": "none", "typ": "JWT" }));
    format!("{header}.{}.", encoded(&json!(claims)))
}

fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn damaged(token: &str, damage: Damage) -> String {
    let mut parts = token.splitn(3, '.');
    let mut part = || parts.next().unwrap_or_default();
    let (header, claims, signature) = (part(), part(), part());
    match damage {
        Damage::Signature => {
            // The first character: all of its bits count.
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            let rest = signature.get(1..).unwrap_or_default();
            format!("{header}.{claims}.{first}{rest}")
        }
        Damage::NoSignature => format!("{header}.{claims}."),
        Damage::TwoParts => format!("{header}.{claims}"),
        Damage::Claims => {
            let mut claims = decoded(claims).unwrap_or_default();
            claims.insert("added".to_owned(), json!(true));
            format!("{header}.{}.{signature}", encoded(&json!(claims)))
        }
        Damage::Header => {
            let header = encoded(&json!({ "alg": "none", "typ": "JWT" }));
            format!("{header}.{claims}.{signature}")
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use rstest::rstest;

    use super::*;

    fn is_valid(token: &Value) -> bool {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(b"s");
        let token = token.as_str().unwrap();
        jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).is_ok()
    }

    fn described(more: Value) -> Value {
        let mut all = json!({ "claims": { "sub": "a", "exp": 5 }, "secret": "s" });
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    }

    #[test]
    fn a_token_is_signed_with_its_secret() {
        assert!(is_valid(&made(&described(json!({}))).unwrap()));
        assert!(!is_valid(
            &made(&described(json!({ "secret": "t" }))).unwrap()
        ));
    }

    #[rstest]
    #[case(json!({ "alg": "HS512" }))]
    #[case(json!({ "alg": "none" }))]
    #[case(json!({ "damage": "signature" }))]
    #[case(json!({ "damage": "no_signature" }))]
    #[case(json!({ "damage": "two_parts" }))]
    #[case(json!({ "damage": "claims" }))]
    #[case(json!({ "damage": "header" }))]
    fn a_token_of_another_algorithm_or_a_damaged_one_is_not_valid(#[case] more: Value) {
        let plain = made(&described(json!({}))).unwrap();
        let token = made(&described(more)).unwrap();
        assert!(!is_valid(&token));
        assert_ne!(token, plain);
    }

    #[rstest]
    #[case(json!({ "alg": "HS257" }), "no algorithm")]
    #[case(json!({ "alg": "RS256" }), "cannot sign")]
    #[case(json!({ "damage": "all" }), "unknown variant")]
    #[case(json!({ "claims": 7 }), "invalid type")]
    #[case(json!({ "key": 7 }), "unknown field")]
    fn what_makes_no_token_is_an_error(#[case] more: Value, #[case] message: &str) {
        let error = made(&described(more)).unwrap_err();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn a_claim_of_a_token_is_read() {
        let token = made(&described(json!({}))).unwrap();
        assert_eq!(claim(&json!([token, "sub"])), Ok(json!("a")));
        assert_eq!(claim(&json!([token, "jti"])), Ok(Value::Null));
    }

    #[rstest]
    #[case(json!("a.b.c"), "takes a token")]
    #[case(json!(["a.b.c"]), "takes a token")]
    #[case(json!(["a.b.c", "sub"]), "\"a.b.c\" is no token")]
    #[case(json!(["", "sub"]), "\"\" is no token")]
    fn what_is_no_claim_of_a_token_is_an_error(#[case] argument: Value, #[case] message: &str) {
        let error = claim(&argument).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
