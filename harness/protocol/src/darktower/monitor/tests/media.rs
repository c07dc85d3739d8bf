use rstest::rstest;

use super::rig::{Rig, audio, header, media};
use crate::requirement::Role::{self, Initiator as Client, Responder as Server};

fn sends(by: Role, bytes: &[u8]) -> Rig {
    let stream = if by == Client { 6 } else { 3 };
    Rig::session().authenticates().opens_in(stream, by, bytes)
}

fn video(frames: &[(u8, u64)]) -> Vec<u8> {
    let frames = frames.iter().map(|(kind, number)| media(*kind, *number, 7));
    [vec![header(1)], frames.collect()].concat().concat()
}

#[rstest]
#[case(usize::MAX)]
#[case(1)]
#[case(47)]
fn media_that_keeps_the_rules_is_judged(#[case] piece: usize) {
    let rig = Rig::session().authenticates().cut(piece);
    let rig = rig.opens_in(6, Client, &audio(&[0, 1, 2]));
    let rig = rig.opens_in(3, Server, &video(&[(1, 1), (2, 2)]));
    let told = rig.end();
    let rules = ["DT-M-04", "DT-M-07", "DT-M-08"];
    let rules = rules.map(|id| [(id, Client), (id, Server)]).concat();
    told.keeps(&rules);
    told.keeps(&[("DT-M-01", Client), ("DT-M-10", Server)]);
    assert_eq!((told.mode(), told.sessions[0].frames), (Some("mh"), 6));
}

#[rstest]
#[case(audio(&[2, 3]), "DT-M-07")]
#[case(audio(&[0, 2]), "DT-M-07")]
#[case(audio(&[1, 1]), "DT-M-07")]
#[case([header(0), media(0, 0, 9), media(0, 1, 8)].concat(), "DT-M-07")]
#[case([header(0), media(1, 0, 9)].concat(), "DT-M-08")]
#[case(video(&[(2, 0)]), "DT-M-08")]
#[case(video(&[(1, 0), (0, 1)]), "DT-M-08")]
#[case(video(&[(3, 0)]), "DT-M-08")]
fn media_that_breaks_a_rule_is_told(#[case] bytes: Vec<u8>, #[case] broken: &'static str) {
    for piece in [1, 50, usize::MAX] {
        let rig = Rig::session().authenticates().cut(piece);
        let told = rig.opens_in(6, Client, &bytes).end();
        told.broke(&[(broken, Client)]);
    }
}

#[test]
fn what_a_media_handler_forwards_may_begin_later_and_leave_frames_out() {
    sends(Server, &audio(&[7, 9]))
        .end()
        .keeps(&[("DT-M-07", Server)]);
    sends(Server, &audio(&[7, 6]))
        .end()
        .broke(&[("DT-M-07", Server)]);
    sends(Server, &video(&[(2, 4)]))
        .end()
        .broke(&[("DT-M-08", Server)]);
}

#[test]
fn a_media_stream_begins_with_its_header() {
    for wrong in [
        &b"DARK, and more"[..],
        b"DART\x02aaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        sends(Client, wrong).end().broke(&[("DT-M-04", Client)]);
    }
    // Without media or authentication it may be another application's.
    let told = Rig::session().opens_in(6, Client, b"GET / and more").end();
    assert_eq!((told.findings.len(), told.mode()), (0, None));
    let cut = sends(Client, &header(0)[..20]);
    cut.fin(6, Client).end().broke(&[("DT-M-04", Client)]);
}

#[test]
fn each_frame_has_the_stream_id_of_the_header() {
    let mut other = media(0, 0, 7);
    other[17] ^= 1;
    let bytes = [header(0), other].concat();
    sends(Client, &bytes).end().broke(&[("DT-M-04", Client)]);
    sends(Server, &bytes).end().broke(&[("DT-M-04", Server)]);
}

#[test]
fn a_payload_is_passed_over_whatever_it_holds() {
    let bytes = [audio(&[0]), media(0, 1, 7_000), media(0, 2, 9_000)].concat();
    let rig = Rig::session().authenticates().cut(13);
    rig.opens_in(6, Client, &bytes)
        .end()
        .keeps(&[("DT-M-07", Client)]);
}

#[test]
fn the_windows_are_those_of_a_media_handler() {
    let with = |stream, all| {
        let rig = Rig::new().connected(stream, all).asks(0);
        rig.answers(0, "200").authenticates().end()
    };
    with(1 << 20, 10 << 20).keeps(&[("DT-M-10", Server)]);
    with(1 << 20, 1 << 20).broke(&[("DT-M-10", Server)]);
    let told = with(65_536, 10 << 20);
    told.broke(&[("DT-M-10", Server)]);
    assert_eq!(told.sessions[0].more_breaches, 1);
}

#[test]
fn a_datagram_is_one_whole_frame_of_audio() {
    let sends = |bytes: &[u8]| Rig::session().authenticates().datagram(Client, bytes).end();
    sends(&media(0, 9, 1)).keeps(&[("DT-M-14", Client)]);
    let whole = media(0, 9, 1);
    let two = [whole.clone(), whole.clone()].concat();
    for wrong in [&whole[..50], &whole[..20], &two, &media(1, 9, 1), &[0xff]] {
        sends(wrong).broke(&[("DT-M-14", Client)]);
    }
}
