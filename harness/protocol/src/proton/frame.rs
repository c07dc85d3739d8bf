//! The frames. On the wire each is one byte, or a u32 that says nothing of itself: what it is
//! follows from who sends it and on which stream ([`word`]).
//!
//! ```text
//!  0      1              0              4
//!  +------+              +--------------+
//!  | kind |              |  id, value   |
//!  +------+              +--------------+
//!     u8                    u32_le
//! ```

use serde_json::{Value, json};
use shakedown_wire::{DecodeError, DefaultValue, Field, Form, Kind as Shape, Rule, Start};

use super::{Kind, Profile, RESET};
use crate::requirement::Role;
use crate::vocabulary::Forms;

/// The frames by name.
pub static VOCABULARY: Forms = Forms::new("proton", &FORMS, |bytes| match bytes {
    [] => Err(DecodeError::truncated("kind", 0, 1, 0)),
    [byte] => first(*byte).map(|(form, _)| Some(form)),
    // Of a u32 the bytes do not say what it is.
    [_, ..] => Ok(None),
});

/// The first byte of a stream.
const DISCRIMINATOR: Form = Form {
    usual: &[("kind", DefaultValue::Needed("`Event`, say"))],
    ..Form::new("DISCRIMINATOR", Start::Bytes(&[]), &[KIND])
};
/// The first byte of a stream that resets an older connection.
const RESETS: Form = Form::new("RESET", Start::Bytes(&[RESET]), &[]);
const EVENT: Form = number("EVENT", &[ID]);
const EVENT_ACK: Form = number("EVENT-ACK", &[ID]);
const COMMIT: Form = number("COMMIT", &[VALUE]);
const COMMIT_ANSWER: Form = number("COMMIT-ANSWER", &[VALUE]);
/// Its value is ignored.
const ACTION_REQUEST: Form = Form {
    usual: &[("value", DefaultValue::Number(1))],
    ..number("ACTION-REQUEST", &[VALUE])
};
const ACTION: Form = number("ACTION", &[VALUE]);

pub(super) static FORMS: [&Form; 8] = [
    &DISCRIMINATOR,
    &RESETS,
    &EVENT,
    &EVENT_ACK,
    &COMMIT,
    &COMMIT_ANSWER,
    &ACTION_REQUEST,
    &ACTION,
];

const KIND: Field = field(
    "kind",
    Shape::Named(&[
        (Kind::Event.name(), Kind::Event.number()),
        (Kind::StateCommit.name(), Kind::StateCommit.number()),
        (Kind::Action.name(), Kind::Action.number()),
    ]),
);
const ID: Field = field("id", Shape::U32Le);
const VALUE: Field = field("value", Shape::U32Le);

const fn field(name: &'static str, kind: Shape) -> Field {
    Field {
        name,
        key: name,
        kind,
    }
}

/// What a u32 says must be given.
const fn number(name: &'static str, fields: &'static [Field]) -> Form {
    const NUMBER: DefaultValue = DefaultValue::Needed("a number such as 1");
    Form {
        usual: &[("id", NUMBER), ("value", NUMBER)],
        ..Form::new(name, Start::Bytes(&[]), fields)
    }
}

/// What a u32 is that `by` sends on a stream of this kind. The client is the [`Role::Initiator`].
pub(super) const fn word(kind: Kind, by: Role) -> &'static Form {
    match (kind, by) {
        (Kind::Event, Role::Initiator) => &EVENT,
        (Kind::Event, Role::Responder) => &EVENT_ACK,
        (Kind::StateCommit, Role::Initiator) => &COMMIT,
        (Kind::StateCommit, Role::Responder) => &COMMIT_ANSWER,
        (Kind::Action, Role::Initiator) => &ACTION_REQUEST,
        (Kind::Action, Role::Responder) => &ACTION,
    }
}

/// Whether this side sends this frame in this profile of the Action stream, or in any.
pub(super) fn sends(role: Role, profile: &str, frame: &str) -> bool {
    let asks = profile != Profile::Push.name();
    match (frame == DISCRIMINATOR.name || frame == RESETS.name, role) {
        (true, role) => role == Role::Initiator,
        (false, role) => {
            let mut words = Kind::ALL.into_iter().map(|kind| word(kind, role));
            words.any(|form| form.name == frame) && (asks || frame != ACTION_REQUEST.name)
        }
    }
}

/// What the numbers on the streams are, by the first byte of a stream and by who sends them.
pub(super) fn words() -> Value {
    let kinds = [Kind::Event, Kind::StateCommit, Kind::Action].into_iter();
    let words = kinds.map(|kind| {
        let name = |by| word(kind, by).name;
        let by = json!({ "client": name(Role::Initiator), "server": name(Role::Responder) });
        (kind.number().to_string(), by)
    });
    json!({ "words": words.collect::<serde_json::Map<_, _>>() })
}

/// What the first byte of a stream says; the kind is missing if it resets.
///
/// # Errors
/// If it is none of the four (PR-S-03).
pub(super) fn first(byte: u8) -> Result<(&'static Form, Option<Kind>), DecodeError> {
    match (Kind::from_number(byte), byte) {
        (Some(kind), _) => Ok((&DISCRIMINATOR, Some(kind))),
        (None, RESET) => Ok((&RESETS, None)),
        (None, _) => Err(DecodeError::invalid(
            "kind",
            0,
            Rule::Value,
            "must be 1, 2, 3 or 0xFF",
        )),
    }
}
