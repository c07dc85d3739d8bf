//! Captures whose key logs do not suffice: nothing in them is judged to be kept or broken.

use shakedown_capture::quic::Role::{self, Client, Server};
use shakedown_engine::judge::judge;
use shakedown_protocol::MonitorSettings;
use shakedown_protocol::monitor::{Observation, UnjudgedConnection, Unread};

use super::healthy::{exchange, reset};
use super::judged::Recording;
use super::network::in_virtual_time;
use super::setup::Setup;

fn captures() -> [Recording; 2] {
    let files = in_virtual_time(async {
        let setup = Setup::new();
        let mut pair = setup.session().await;
        exchange(&mut pair).await;
        pair.end().await;
        [setup.capture(), reset().await.capture()]
    });
    files.map(|file| Recording::of(&file))
}

/// Asserts that with these lines of the key log no connection is judged, and why.
fn is_inconclusive(keys: impl Fn(&str) -> Option<String>, why: Unread, side: Option<Role>) {
    for (whole, connections) in captures().iter().zip([1, 2]) {
        let capture = whole.with_keys(|lines| {
            let lines = lines.lines().filter_map(&keys);
            lines.map(|line| line + "\n").collect()
        });
        let settings = MonitorSettings::default();
        let judged = judge(
            &capture[..],
            &[&shakedown_protocol::proton::PROTOCOL],
            &settings,
            b"",
            &mut |said| match said.observation {
                Observation::Finding(it) => panic!("{it:?}"),
                Observation::Session(it) => assert!(it.judged.is_empty(), "{it:?}"),
                Observation::Inconclusive(_) => {}
            },
        );
        let protocol = "proton";
        let unjudged: Vec<_> = judged.unwrap().unjudged.into_iter().collect();
        assert_eq!(
            unjudged,
            [(
                UnjudgedConnection {
                    protocol,
                    why,
                    side
                },
                connections
            )]
        );
    }
}

fn without(lacking: &str) -> impl Fn(&str) -> Option<String> {
    move |line| (!line.starts_with(lacking)).then(|| line.to_owned())
}

#[test]
fn secrets_of_one_side_alone() {
    is_inconclusive(without("CLIENT_TRAFFIC"), Unread::NoSecrets, Some(Client));
    is_inconclusive(without("SERVER_TRAFFIC"), Unread::NoSecrets, Some(Server));
}

#[test]
fn secrets_of_the_handshake_alone() {
    let handshake = |line: &str| line.contains("HANDSHAKE").then(|| line.to_owned());
    is_inconclusive(handshake, Unread::NoSecrets, None);
}

#[test]
fn secrets_that_are_wrong() {
    let wrong = |line: &str| {
        let (rest, secret) = line.rsplit_once(' ')?;
        let other: String = secret.chars().rev().collect();
        Some(format!("{rest} {other}"))
    };
    is_inconclusive(wrong, Unread::WrongKeys, None);
}
