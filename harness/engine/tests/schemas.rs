//! The committed schemas are those that the types give.

use std::path::Path;

use rstest::rstest;
use serde_json::Value;
use shakedown_engine::schema;

#[rstest]
#[case("scenario", schema::scenario())]
#[case("iut", schema::iut())]
#[case("events", schema::events())]
#[case("trace", schema::trace())]
fn a_committed_schema_is_fresh(#[case] name: &str, #[case] schema: Value) {
    let file = format!("vectors/schema/{name}.schema.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(&file);
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == schema::to_text(&schema),
        "{file} is stale; refresh it by: cargo run -q -p shakedown-cli -- schema {name} > {file}"
    );
}
