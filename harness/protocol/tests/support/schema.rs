//! The schemas of vectors, as files hold them.

use schemars::JsonSchema;

/// Compares `vectors/schema/<name>.schema.json` with the type of the files that it describes.
pub(crate) fn assert_fresh_schema<T: JsonSchema>(name: &str) {
    let file = format!("../../vectors/schema/{name}.schema.json");
    let schema = format!("{:#}\n", schemars::schema_for!(T).to_value());
    if std::env::var_os("SHAKEDOWN_UPDATE").is_some_and(|what| what == "schemas") {
        std::fs::write(&file, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == schema,
        "{file} is stale; run the test with SHAKEDOWN_UPDATE=schemas"
    );
}
