//! What an implementation is set up with that a scenario must know, as the reference has it.

use crate::{GivenValue, ValueForm};

pub(super) const VALUES: [GivenValue; 11] = [
    GivenValue {
        name: "secret",
        summary: "the secret by which tokens are signed (HS256)",
        form: ValueForm::Text,
        reference: r#""darktower""#,
        refused_by: &["UNAUTHORIZED", r#""ok":false"#],
    },
    GivenValue {
        name: "meeting",
        summary: "the id of a meeting with room for many",
        form: ValueForm::Uuid,
        reference: r#""6d656574-0000-4000-8000-000000000001""#,
        refused_by: &["NOT_FOUND"],
    },
    GivenValue {
        name: "small_meeting",
        summary: "the id of a meeting with room for two",
        form: ValueForm::Uuid,
        reference: r#""6d656574-0000-4000-8000-000000000002""#,
        refused_by: &[],
    },
    GivenValue {
        name: "ended_meeting",
        summary: "the id of a meeting that is over",
        form: ValueForm::Uuid,
        reference: r#""6d656574-0000-4000-8000-000000000003""#,
        refused_by: &[],
    },
    GivenValue {
        name: "signaling_path",
        summary: "the path of the Meeting Controller's sessions",
        form: ValueForm::Path,
        reference: r#""/wt""#,
        refused_by: &["status 404", "status 403"],
    },
    GivenValue {
        name: "media_path",
        summary: "the path of the Media Handler's sessions",
        form: ValueForm::Path,
        reference: r#""/media""#,
        refused_by: &["status 404", "status 403"],
    },
    GivenValue {
        name: "signaling_url",
        summary: "where the Global Controller sends clients; {address} is that of [reach]",
        form: ValueForm::Url,
        reference: r#""https://{address}/wt""#,
        refused_by: &[],
    },
    GivenValue {
        name: "media_url",
        summary: "where the Meeting Controller sends clients; {address} is that of [reach]",
        form: ValueForm::Url,
        reference: r#""https://{address}/media""#,
        refused_by: &[],
    },
    GivenValue {
        name: "gc_address",
        summary: "where the Global Controller is reached, if not at the address of [reach]",
        form: ValueForm::Address,
        reference: r#""{address}""#,
        refused_by: &[],
    },
    GivenValue {
        name: "mc_address",
        summary: "where the Meeting Controller is reached, if not at the address of [reach]",
        form: ValueForm::Address,
        reference: r#""{address}""#,
        refused_by: &[],
    },
    GivenValue {
        name: "mh_address",
        summary: "where the Media Handler is reached, if not at the address of [reach]",
        form: ValueForm::Address,
        reference: r#""{address}""#,
        refused_by: &[],
    },
];
