//! Uploads: the JOIN token, and media of the initiator.

use super::*;
use crate::requirement::Role;

impl Talk {
    /// JOIN, the connection-id that answers it, and frames of the initiator.
    fn uploaded(frames: impl IntoIterator<Item = u64>) -> Self {
        let talk = Self::new().ask(b"JOIN").after(1.0).name("one");
        talk.uploads(frames)
    }

    fn uploads(mut self, frames: impl IntoIterator<Item = u64>) -> Self {
        for number in frames {
            self = self.after(20.0);
            let header = self.header(number);
            self = self.ask(&data(header, pattern::prefix(974)));
        }
        self
    }
}

#[test]
fn an_upload_is_healthy_and_shows_nothing_of_a_responders_media() {
    let heard = assert_healthy(&Talk::uploaded(1..=50));
    let session = &heard.sessions[0];
    assert_eq!((heard.sessions.len(), session.mode), (1, "legacy"));
    assert_eq!(session.frames, 50);
    let judged: Vec<_> = session.judged.ids().collect();
    assert_eq!(
        judged,
        [
            "MS-D-11", "MS-W-01", "MS-W-01", "MS-W-09", "MS-W-18", "MS-W-18"
        ]
    );
    let run = Talk::uploaded(1..=50).after(3_000.0).elsewhere();
    let heard = judge(&run, &supervised("legacy"));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
}

#[test]
fn a_join_that_waits_for_its_turn_is_healthy() {
    let talk = Talk::new().ask(b"JOIN").after(520.0).ask(b"JOIN");
    let talk = talk.after(520.0).ask(b"JOIN").after(3_000.0);
    let served = talk.clone().name("one").uploads(1..=50);
    assert_eq!(assert_healthy(&served).sessions.len(), 1);
    assert_healthy(&talk.elsewhere());
    let silent = Talk::new().ask(b"JOIN").after(5_000.0).elsewhere();
    let heard = judge(&silent, &supervised("legacy"));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
}

#[test]
fn what_only_looks_like_a_big_endian_name_begins_no_upload() {
    let talk = Talk::new().ask(b"JOIN").after(1.0).name("another");
    let talk = talk
        .on(1, |bytes| bytes.swap(0, 1))
        .after(300.0)
        .name("one");
    let talk = talk.uploads(1..=50);
    let heard = judge(&talk, &supervised("legacy"));
    // That of the server, who may have meant it.
    assert_eq!(heard.findings, ["MS-W-01"], "{:#?}", heard.all);
    assert_eq!(heard.sessions[0].frames, 50);
}

#[test]
fn a_join_within_a_session_of_3way_begins_no_upload() {
    let talk = Talk::new().greet("one").after(1.0).ask(b"JOIN");
    let heard = judge(&talk.after(1.0).frames(1..=20), &supervised("3way"));
    assert_eq!(heard.sessions.len(), 1);
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
}

#[test]
fn a_join_after_a_named_start_begins_no_upload_whatever_follows() {
    let talk = Talk::new().start().after(1.0).name("one");
    let talk = talk.after(1.0).ask(b"JOIN").after(1.0).syn("wish");
    let heard = judge(&talk.after(1.0).frames(1..=50), &supervised("legacy"));
    assert_eq!(heard.sessions.len(), 1);
    // The initiator's own SYN, which it does not send again.
    assert_eq!(heard.findings, ["MS-H-03"], "{:#?}", heard.all);
}

#[test]
fn a_start_after_a_named_join_asks_for_nothing() {
    let talk = Talk::new().ask(b"JOIN").after(1.0).name("one");
    let talk = talk.after(1.0).start().after(1.0).uploads(1..=50);
    let heard = judge(&talk.after(3_000.0).elsewhere(), &supervised("legacy"));
    assert_eq!(heard.sessions[0].frames, 50);
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
}

#[test]
fn faults_of_uploaded_media_are_the_initiators() {
    let gap = Talk::uploaded(1..=9).uploads(11..=50);
    assert_broken_at_sender(&gap, "MS-D-01");
    let empty = Talk::uploaded(1..=20).on_frame(9, |bytes| bytes.truncate(26));
    assert_broken(&empty, &["MS-W-09"]);
    for talk in [&gap, &empty] {
        let heard = judge(talk, &at(Vantage::Sender));
        for observation in &heard.all {
            if let Observation::Finding(finding) = observation {
                assert_eq!(finding.party, Role::Initiator);
            }
        }
    }
}

#[test]
fn one_upload_after_another_and_a_stream_after_it_are_healthy() {
    let talk = Talk::uploaded(1..=50)
        .after(3_000.0)
        .ask(b"JOIN")
        .after(1.0);
    let talk = talk.name("two").uploads(1..=50).after(3_000.0);
    let talk = talk.start().after(1.0).name("three").frames(1..=50);
    let heard = assert_healthy(&talk);
    let frames: Vec<_> = heard.sessions.iter().map(|it| it.frames).collect();
    assert_eq!(frames, [50, 50, 50]);
}
