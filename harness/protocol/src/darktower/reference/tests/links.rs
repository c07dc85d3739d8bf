//! Clients that URLs send to other servers.

use std::time::Duration;

use super::pair::Rig;
use super::*;
use crate::streams::{Closing, Input, StreamMachine};

const HERE: &str = "10.0.0.1:4433";
const SECOND: &str = "10.0.0.2:4433";
const THIRD: &str = "10.0.0.3:443";

/// All services, with these URLs.
fn rig(controller: &str, media: &str) -> Rig {
    Rig::with(|settings| {
        settings.controller_url = Some(controller.to_owned());
        settings.media_url = Some(media.to_owned());
    })
}

/// A client of all services that is connected to [`HERE`].
fn add(rig: &mut Rig, change: impl FnOnce(&mut ClientSettings)) {
    rig.add(|settings| {
        settings.authority = HERE.to_owned();
        change(settings);
    });
}

fn apart() -> Rig {
    rig("https://10.0.0.2:4433/wt", "https://10.0.0.3/media")
}

#[test]
fn each_service_is_asked_where_the_one_before_says() {
    let mut rig = apart();
    add(&mut rig, |settings| settings.receives = 10);
    add(&mut rig, |settings| {
        settings.publishes = Some(MediaKind::Audio);
    });
    rig.wait(Duration::from_secs(5));
    for client in &rig.clients {
        let counters = client.counters();
        assert_eq!(client.outcome(), Some(&Ok(())), "{counters}");
        assert_eq!(counters["connections"], 3, "{counters}");
    }
    let expected = [SECOND, THIRD, SECOND, THIRD].map(|address| address.parse().unwrap());
    assert_eq!(rig.went_to, expected);
    assert_eq!(rig.clients[0].counters()["frames_received"], 10);
    let counters = rig.server.counters();
    assert_eq!(counters["signaling"]["left"]["VOLUNTARY"], 2, "{counters}");
}

#[rstest::rstest]
#[case::by_another_name("127.0.0.1:4433", "localhost:4433")]
#[case::of_ipv6("[::1]:4433", "localhost:4433")]
#[case::without_its_port("10.0.0.1:443", "10.0.0.1")]
#[case::by_a_name_that_is_its_own("example.org", "example.org")]
fn a_url_that_names_the_server_at_hand_needs_no_other_connection(
    #[case] here: &str,
    #[case] named: &str,
) {
    let mut rig = rig(
        &format!("https://{named}/wt"),
        &format!("https://{named}/media"),
    );
    rig.add(|settings| settings.authority = here.to_owned());
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.clients[0].outcome(), Some(&Ok(())));
    assert_eq!(rig.clients[0].counters()["connections"], 1);
}

#[rstest::rstest]
#[case::a_name("https://mc.example.org/wt", "only an IP address or localhost")]
#[case::no_https("http://10.0.0.2/wt", "is no URL of https")]
#[case::the_path_of_nothing("https://10.0.0.2/nothing", "404")]
fn a_url_that_leads_nowhere_is_a_failure(#[case] url: &str, #[case] why: &str) {
    let mut rig = rig(url, "");
    add(&mut rig, |_| ());
    rig.wait(Duration::from_secs(5));
    let failure = rig.clients[0].failure().unwrap();
    assert!(failure.contains(why), "{failure}");
}

#[test]
fn a_service_that_is_not_asked_may_be_anywhere() {
    let mut rig = rig("", "https://mh.example.org/media");
    add(&mut rig, |settings| {
        settings.services = vec![Service::Controller];
    });
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.clients[0].outcome(), Some(&Ok(())));
}

#[test]
fn all_begins_anew_when_the_connection_of_media_is_lost() {
    let mut rig = apart();
    add(&mut rig, |settings| settings.stays = true);
    let connection = ConnectionNumber(2);
    let why = Closing::TimedOut;
    rig.clients[0].handle(rig.now, Input::Closed { connection, why });
    rig.settle();
    let counters = rig.clients[0].counters();
    for (counter, count) in [("connections", 6), ("informed", 2), ("joined", 2)] {
        assert_eq!(counters[counter], count, "{counters}");
    }
    // Who was lost comes back (DT-S-16).
    let counters = rig.server.counters();
    let left = &counters["signaling"]["left"];
    assert_eq!(left["CONNECTION_LOST"], 1, "{counters}");
}

#[test]
fn a_handler_that_is_not_there_is_given_up() {
    let mut rig = apart();
    rig.dead = Some(THIRD.parse().unwrap());
    add(&mut rig, |_| ());
    let failure = rig.clients[0].failure().unwrap();
    let expected = "at 10.0.0.3: nobody answered";
    assert_eq!(failure, expected);
    assert_eq!(rig.clients[0].counters()["joined"], 3);
}
