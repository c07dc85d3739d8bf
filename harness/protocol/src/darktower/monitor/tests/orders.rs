//! What has to come before what.

use super::rig::{Rig, audio, auth, media, supervised};
use crate::requirement::Role::{Initiator as Client, Responder as Server};

#[test]
fn authentication_comes_before_media() {
    let told = Rig::session().opens_in(6, Client, &audio(&[0])).end();
    told.broke(&[("DT-M-01", Client)]);
    let told = Rig::session().opens_in(6, Client, &audio(&[0]));
    told.authenticates().end().broke(&[("DT-M-01", Client)]);
    let told = Rig::session().datagram(Client, &media(0, 0, 1));
    told.authenticates().end().broke(&[("DT-M-01", Client)]);
    let told = Rig::session().datagram(Client, &auth()[4..]);
    let told = told.opens_in(6, Client, &audio(&[0])).end();
    told.keeps(&[("DT-M-01", Client)]);
    // What the other side sends is no matter of it.
    let told = Rig::session().opens_in(3, Server, &audio(&[0])).end();
    told.broke(&[]);
}

#[test]
fn authentication_may_come_later_in_the_capture_than_it_was_sent() {
    let early = || Rig::session().opens_in(6, Client, &audio(&[0]));
    let told = early().renumbered(Client, 2, 0).authenticates().end();
    told.keeps(&[("DT-M-01", Client)]);
    early()
        .with_gaps()
        .authenticates()
        .end()
        .doubts(&["DT-M-01"]);
    let rig = early().opens_in(2, Client, &[]).lacks(2, Client);
    rig.end().broke(&[]);
}

#[test]
fn a_datagram_that_is_not_in_the_capture_may_have_been_the_authentication() {
    let sends = |rig: Rig| {
        let rig = rig.renumbered(Client, 0, 1);
        rig.opens_in(6, Client, &audio(&[0])).end()
    };
    sends(Rig::session()).doubts(&["DT-M-01"]);
    sends(Rig::with_session(&supervised())).broke(&[("DT-M-01", Client)]);
}

fn talks() -> Rig {
    let rig = Rig::session().authenticates().fin(2, Client);
    let rig = rig.opens_in(6, Client, &audio(&[0]));
    rig.opens_in(3, Server, &audio(&[0]))
}

#[test]
fn whoever_closes_a_session_has_finished_its_streams() {
    let told = talks().fin(6, Client).closes(Client, 0).end();
    told.keeps(&[("DT-M-13", Client)]);
    let told = talks().fin(3, Server).closes(Server, 0).end();
    told.keeps(&[("DT-M-13", Server)]);
    talks()
        .closes(Client, 0)
        .end()
        .broke(&[("DT-M-13", Client)]);
    talks()
        .closes(Server, 0)
        .end()
        .broke(&[("DT-M-13", Server)]);
    let told = talks().closes(Client, 0).fin(6, Client).end();
    told.broke(&[("DT-M-13", Client)]);
    // A session ends with the stream of its request, too, and with the connection.
    talks().fin(0, Client).end().broke(&[("DT-M-13", Client)]);
    talks()
        .ends(Client, 0x100)
        .end()
        .broke(&[("DT-M-13", Client)]);
}

#[test]
fn a_stream_that_was_finished_may_come_later_in_the_capture() {
    let told = talks().renumbered(Client, 0, 1).closes(Client, 0);
    let told = told.renumbered(Client, 2, 0).fin(6, Client).end();
    told.keeps(&[("DT-M-13", Client)]);
    // The packet that may have finished it is missing.
    let told = talks().renumbered(Client, 0, 1).closes(Client, 0).end();
    told.doubts(&["DT-M-13"]);
    talks().lacks(6, Client).closes(Client, 0).end().broke(&[]);
}

#[test]
fn a_session_that_is_broken_off_owes_no_order() {
    talks().closes(Client, 2).end().broke(&[]);
    talks().ends(Client, 0x10e).end().broke(&[]);
    talks().ends(Client, 0).end().broke(&[]);
    talks().resets(0, Client, 0).end().broke(&[]);
    talks()
        .resets(6, Client, 1)
        .closes(Client, 0)
        .end()
        .broke(&[]);
    // The other side was quicker.
    let told = talks().fin(3, Server).closes(Server, 0);
    told.closes(Client, 0).end().keeps(&[("DT-M-13", Server)]);
    talks().end().broke(&[]);
}
