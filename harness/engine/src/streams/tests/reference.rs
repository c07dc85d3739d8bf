//! The reference of proton over this network.

use rstest::rstest;
use shakedown_protocol::proton::{Client, ClientSettings, News, Profile, Server, ServerSettings};

use super::*;

type Proton<W = ()> = StreamNetwork<Client, Server, W>;

fn proton(server: ServerSettings, conditions: Conditions) -> Proton {
    StreamNetwork::new(Server::new(server), conditions, ())
}

/// A client more, which asks for a connection.
fn connect<W: Watch>(network: &mut Proton<W>, profile: Profile, resets: bool) -> usize {
    let client = network.join(Client::new(ClientSettings {
        profile,
        ..ClientSettings::default()
    }));
    let asked = network.ask(client, |client, _| client.connect(resets));
    assert!(asked.unwrap().is_ok());
    network.run_for(seconds(1)).unwrap();
    client
}

fn news<W: Watch>(network: &mut Proton<W>, client: usize) -> Vec<News> {
    let take = |client: &mut Client, _| std::iter::from_fn(|| client.take_news()).collect();
    network.ask(client, take).unwrap()
}

fn count(network: &Proton, group: &str, name: &str) -> u64 {
    network.server().counters()[group][name]
        .as_u64()
        .unwrap_or_default()
}

fn closed(news: &[News]) -> Option<(&str, bool)> {
    news.iter().find_map(|news| match news {
        News::Closed { why, is_own } => Some((why.as_str(), *is_own)),
        News::Connected | News::Acked(_) | News::Committed { .. } | News::Item(_) => None,
    })
}

fn of(request: u32, answer: u32) -> News {
    News::Committed { request, answer }
}

#[rstest]
fn a_client_gets_everything_in_its_order_however_slow_and_cut_the_streams_are(
    #[values(Profile::Push, Profile::Pull)] profile: Profile,
    #[values(1, 2, 3, 4, 5)] seed: u64,
) {
    let settings = ServerSettings {
        profile,
        ..ServerSettings::default()
    };
    let mut network = proton(settings, rough(seed));
    let client = connect(&mut network, profile, false);
    network.ask(client, |client, now| {
        for _ in 0..10 {
            client.send_event(now).unwrap();
        }
        for request in [42, 0, u32::MAX] {
            client.commit(now, request).unwrap();
        }
        for _ in 0..3 {
            client.read_action(now).unwrap();
        }
    });
    network.run_for(seconds(10)).unwrap();
    let news = news(&mut network, client);
    let kept = |keep: fn(&&News) -> bool| news.iter().filter(keep).cloned().collect::<Vec<_>>();
    let acks: Vec<_> = (1..=10).map(News::Acked).collect();
    assert_eq!(kept(|news| matches!(news, News::Acked(_))), acks);
    let answers = [of(42, 84), of(0, 0), of(u32::MAX, u32::MAX - 1)];
    assert_eq!(kept(|news| matches!(news, News::Committed { .. })), answers);
    let items = [123, 124, 125].map(News::Item);
    assert_eq!(kept(|news| matches!(news, News::Item(_))), items);
    network.ask(client, Client::close).unwrap().unwrap();
    network.run_for(seconds(1)).unwrap();
    assert_eq!(count(&network, "ended", "normal"), 1);
    assert_eq!(network.connections(), 0);
}

/// A server that works so long on a commit, and a client that sent one.
fn committing(delay: Duration) -> (Proton, usize) {
    let settings = ServerSettings {
        commit_delay: delay,
        ..ServerSettings::default()
    };
    let mut network = proton(settings, rough(3));
    let client = connect(&mut network, Profile::Push, false);
    network.ask(client, |client, now| client.commit(now, 42).unwrap());
    (network, client)
}

#[test]
fn a_commit_that_takes_four_minutes_is_answered_and_events_go_on() {
    let (mut network, client) = committing(seconds(240));
    for _ in 0..239 {
        network.ask(client, |client, now| client.send_event(now).unwrap());
        network.run_for(seconds(1)).unwrap();
    }
    let before = news(&mut network, client);
    assert!(before.contains(&News::Acked(239)) && !before.contains(&of(42, 84)));
    network.run_for(seconds(2)).unwrap();
    assert_eq!(news(&mut network, client), [of(42, 84)]);
}

#[test]
fn a_commit_without_an_answer_is_closed_with_code_4_after_five_minutes() {
    let (mut network, client) = committing(seconds(360));
    network.run_for(seconds(299)).unwrap();
    assert_eq!(closed(&news(&mut network, client)), None);
    network.run_for(seconds(2)).unwrap();
    let why = "the server did not answer or read within 5 minutes";
    assert_eq!(closed(&news(&mut network, client)), Some((why, true)));
    assert_eq!(count(&network, "ended", "operation timeout"), 1);
    // The answer that comes then is nobody's (PR-T-03).
    network.run_for(seconds(120)).unwrap();
    let client = connect(&mut network, Profile::Push, false);
    assert!(news(&mut network, client).contains(&News::Connected));
}

/// A server with a client, and another client that comes.
fn two(resets: bool, second_resets: bool) -> (Proton, usize, usize) {
    let settings = ServerSettings {
        resets,
        ..ServerSettings::default()
    };
    let mut network = proton(settings, rough(5));
    let first = connect(&mut network, Profile::Push, false);
    news(&mut network, first);
    let second = connect(&mut network, Profile::Push, second_resets);
    network.run_for(seconds(2)).unwrap();
    (network, first, second)
}

#[rstest]
fn a_second_connection_is_refused_and_the_first_goes_on(#[values(true, false)] resets: bool) {
    let (mut network, first, second) = two(resets, false);
    let refused = news(&mut network, second);
    assert_eq!(closed(&refused), Some(("Connection refused", false)));
    network.ask(first, |client, now| client.send_event(now).unwrap());
    network.run_for(seconds(1)).unwrap();
    assert_eq!(news(&mut network, first), [News::Acked(1)]);
    let (refused, late) = match resets {
        true => (0, 1),
        false => (1, 0),
    };
    assert_eq!(network.server().counters()["refused"], refused);
    assert_eq!(count(&network, "closed", "already connected"), late);
}

#[test]
fn a_reset_takes_the_place_of_the_first_connection_at_once() {
    let (mut network, first, second) = two(true, true);
    let why = "the server closed it: reset by client";
    assert_eq!(closed(&news(&mut network, first)), Some((why, false)));
    network.ask(second, |client, now| client.send_event(now).unwrap());
    network.run_for(seconds(1)).unwrap();
    assert_eq!(
        news(&mut network, second),
        [News::Connected, News::Acked(1)]
    );
}

/// When a client whose process is a new one is served, after the old one fell silent.
fn served_after(resets: bool) -> Duration {
    let mut network = proton(ServerSettings::default(), rough(7));
    let old = connect(&mut network, Profile::Push, false);
    network.cut_off(Place::Client(old), true);
    let fell_silent = network.now();
    loop {
        let new = connect(&mut network, Profile::Push, resets);
        network.ask(new, |client, now| client.send_event(now));
        network.run_for(seconds(2)).unwrap();
        if news(&mut network, new).contains(&News::Acked(1)) {
            return network.now() - fell_silent;
        }
        assert!(network.now() < seconds(60), "it is never served");
    }
}

#[test]
fn a_client_that_vanished_is_waited_for_unless_the_next_one_resets() {
    assert!(served_after(true) <= seconds(3));
    let waited = served_after(false);
    assert!(waited > seconds(5) && waited < seconds(12), "{waited:?}");
}

#[test]
fn a_vanished_server_is_lost_and_the_client_knows_since_when() {
    let mut network = proton(ServerSettings::default(), rough(7));
    let client = connect(&mut network, Profile::Push, false);
    network.cut_off(Place::Server, true);
    network.run_for(seconds(7)).unwrap();
    let lost = news(&mut network, client);
    assert_eq!(closed(&lost), Some(("Connection timed out", false)));
    assert!(network.client(client).unwrap().lost_at().is_some());
    assert_eq!(count(&network, "ended", "idle timeout"), 1);
}

#[test]
fn a_client_that_does_not_read_is_closed_with_code_4_and_little_is_kept_for_it() {
    let conditions = Conditions {
        window: 64,
        ..rough(9)
    };
    let mut network = StreamNetwork::new(Server::new(ServerSettings::default()), conditions, ());
    let client = network.join(Puppet {
        reads_nothing: true,
        ..Puppet::default()
    });
    network.ask(client, |client, _| {
        client.wants.push_back(Output::Connect(FIRST))
    });
    network.run_for(seconds(1)).unwrap();
    network.ask(client, |client, _| {
        for (stream, kind) in [(0, 1), (4, 2), (8, 3)] {
            client.open(stream, &[kind]);
        }
        // More than the server may keep for a stream that nobody reads.
        for id in 1..50_000_u32 {
            client.write(0, &id.to_le_bytes());
        }
    });
    // 16 items fill the window of the Action stream; the next one is not taken.
    network.run_for(seconds(310)).unwrap();
    assert_eq!(network.client(client).unwrap().heard("closed 4"), 1);
    assert_eq!(
        network.server().counters()["closed"]["operation timeout"],
        1
    );
    let acked = network.server().counters()["events"].as_u64().unwrap();
    assert!(acked < 20_000, "{acked}: it stops reading");
}

#[rstest]
#[case(vec![(0, vec![9])], 1)]
#[case(vec![(0, vec![1]), (4, vec![1])], 1)]
#[case(vec![(0, vec![1]), (4, vec![])], 3)]
#[case(vec![(0, vec![1]), (4, vec![2])], 3)]
#[case(vec![(0, vec![1, 5, 0, 0, 0, 5, 0, 0, 0])], 5)]
#[case(vec![(0, vec![3, 0])], 5)]
fn a_client_that_breaks_a_rule_hears_the_code(
    #[case] streams: Vec<(u64, Vec<u8>)>,
    #[case] code: u64,
) {
    let server = Server::new(ServerSettings::default());
    let mut network = StreamNetwork::new(server, rough(11), ());
    let client = network.join(Puppet::default());
    network.ask(client, |client, _| {
        client.wants.push_back(Output::Connect(FIRST))
    });
    network.run_for(seconds(1)).unwrap();
    network.ask(client, |client, _| {
        for (stream, bytes) in &streams {
            client.open(*stream, bytes);
            if bytes.is_empty() {
                // It is heard of by the one above it.
                client.open(8, &[3]);
            }
        }
    });
    network.run_for(seconds(7)).unwrap();
    let heard = &network.client(client).unwrap().heard;
    assert_eq!(heard.last().unwrap(), &format!("closed {code}"));
}

#[test]
fn both_end_when_they_are_stopped() {
    let mut network = proton(ServerSettings::default(), rough(13));
    let client = connect(&mut network, Profile::Push, false);
    network.stop(Place::Server);
    network.run_for(seconds(1)).unwrap();
    let why = "the server closed it: normal";
    assert_eq!(closed(&news(&mut network, client)), Some((why, false)));
    let refused = connect(&mut network, Profile::Push, false);
    let heard = news(&mut network, refused);
    assert_eq!(closed(&heard), Some(("Connection refused", false)));
    network.stop(Place::Client(client));
    assert!(network.client(client).unwrap().is_finished() && network.server().is_finished());
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    let log = |seed| {
        let server = Server::new(ServerSettings::default());
        let mut network: Proton<Log> = StreamNetwork::new(server, rough(seed), Log::default());
        let client = connect(&mut network, Profile::Push, false);
        network.ask(client, |client, now| client.send_event(now).unwrap());
        network.run_for(seconds(20)).unwrap();
        std::mem::take(network.watch_mut())
    };
    assert_eq!(log(1), log(1));
    assert_ne!(log(1), log(2));
}
