//! Connections and streams by their names, as steps over streams mean them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The connection that steps mean which name none.
pub const MAIN: &str = "main";

pub(crate) fn main_connection() -> String {
    MAIN.to_owned()
}

pub(crate) fn is_main(name: &String) -> bool {
    name == MAIN
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfConnection {
    /// Its name.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfStream {
    /// Its name.
    pub stream: String,
}

/// A stream, and the code of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithCode {
    /// Its name.
    pub stream: String,
    /// The code.
    pub code: u64,
}

/// What a step acts on or waits for, by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// Nothing that is there.
    Nothing,
    Connection(&'a str, Access),
    Stream(&'a str, Access),
    /// A session of WebTransport.
    Session(&'a str, Access),
    /// A request over HTTP/3.
    Request(&'a str, Access),
}

/// What a step does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It does something to it.
    Acts,
    /// It waits for something that may have come before the end.
    Waits,
    /// It wants it alive.
    NeedsAlive,
    /// It lets packets pass again, which does no harm.
    Restores,
}
