//! What an implementation is set up with that a scenario must know, as the reference has it.

use crate::GivenValue;

pub(super) const VALUES: [GivenValue; 6] = [
    GivenValue {
        name: "secret",
        summary: "the secret by which tokens are signed (HS256)",
        reference: r#""darktower""#,
        refused_by: &["UNAUTHORIZED", r#""ok":false"#],
    },
    GivenValue {
        name: "meeting",
        summary: "the id of a meeting with room for many",
        reference: r#""6d656574-0000-4000-8000-000000000001""#,
        refused_by: &[],
    },
    GivenValue {
        name: "small_meeting",
        summary: "the id of a meeting with room for two",
        reference: r#""6d656574-0000-4000-8000-000000000002""#,
        refused_by: &[],
    },
    GivenValue {
        name: "ended_meeting",
        summary: "the id of a meeting that is over",
        reference: r#""6d656574-0000-4000-8000-000000000003""#,
        refused_by: &[],
    },
    GivenValue {
        name: "signaling_path",
        summary: "the path of the Meeting Controller's sessions",
        reference: r#""/wt""#,
        refused_by: &[],
    },
    GivenValue {
        name: "media_path",
        summary: "the path of the Media Handler's sessions",
        reference: r#""/media""#,
        refused_by: &[],
    },
];
