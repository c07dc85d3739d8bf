use super::*;

const MINUTES: Duration = Duration::from_secs(600);

#[test]
fn two_thousand_initiators_share_64_slots_and_each_gets_its_stream() {
    let options = ["slots=64"];
    let mut clients = ManyClients::new(short(&options, &[("max_awaiting", "1024")], 1));
    let patient = short(&[], &[("buffer_period", "300s")], 1);
    for n in 0..2_000 {
        clients.add_initiator(n, &patient);
    }
    clients.run_until(MINUTES);

    assert_eq!(clients.outcomes.len(), 2_000);
    let failed = clients
        .outcomes
        .values()
        .find(|o| **o != Outcome::Completed);
    assert_eq!(failed, None);
    assert_eq!(clients.server_outcomes.len(), 2_000);
    assert_eq!(clients.most_streams, 64);
    assert_eq!(clients.most_awaiting, 1_024);
    let dispatch = &clients.server.counters()["dispatch"];
    assert_eq!(dispatch["awaiting"], 0);
    assert_eq!(dispatch["free_slots"], 64);
    // 32 rounds of a second, and next to nothing between them.
    assert!(
        clients.now() < Duration::from_secs(33),
        "{:?}",
        clients.now()
    );
}

#[test]
fn a_client_that_waits_longer_than_its_buffer_period_fails_alone() {
    let mut clients = ManyClients::new(short(&["slots=1"], &[], 5));
    let stream = short(&[], &[("buffer_period", "3s")], 5);
    for n in 0..2 {
        clients.add_initiator(n, &stream);
    }
    clients.run_until(MINUTES);
    assert_eq!(clients.outcomes[&remote(0)], Outcome::Completed);
    assert_ne!(clients.outcomes[&remote(1)], Outcome::Completed);
    let dispatch = &clients.server.counters()["dispatch"];
    assert_eq!(dispatch["free_slots"], 1);
}

#[test]
fn uploads_and_streams_run_beside_each_other_in_slots_of_their_own() {
    let options = ["slots=2", "upload_slots=3"];
    let mut clients = ManyClients::new(short(&options, &[], 2));
    let patient = short(&[], &[("buffer_period", "60s")], 2);
    for n in 0..10 {
        clients.add_initiator(n, &patient);
        clients.add_uploader(100 + n, &patient);
    }
    clients.run_until(MINUTES);
    assert_eq!(clients.outcomes.len(), 20);
    let completed = |outcome: &&Outcome| **outcome == Outcome::Completed;
    assert_eq!(clients.outcomes.values().filter(completed).count(), 20);
    let counters = clients.server.counters();
    assert_eq!(counters["frames"], 100);
    assert_eq!(counters["uploads"]["frames"], 100);
    assert_eq!(counters["dispatch"]["free_slots"], 2);
    assert_eq!(counters["dispatch"]["free_upload_slots"], 3);
}

#[test]
fn an_uploader_that_goes_silent_ends_alone_and_frees_its_slot() {
    let mut clients = ManyClients::new(short(&["upload_slots=2"], &[("buffer_period", "3s")], 4));
    let stream = short(&[], &[("buffer_period", "30s")], 4);
    for n in 0..3 {
        clients.add_uploader(n, &stream);
    }
    clients.run_until(Duration::from_secs(1));
    clients.clients.remove(&remote(0));
    clients.run_until(MINUTES);
    let lost: Vec<_> = clients
        .server_outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != Outcome::Completed)
        .map(|(peer, _)| *peer)
        .collect();
    assert_eq!(lost, [remote(0)]);
    assert_eq!(clients.outcomes[&remote(1)], Outcome::Completed);
    assert_eq!(clients.outcomes[&remote(2)], Outcome::Completed);
    assert_eq!(
        clients.server.counters()["dispatch"]["free_upload_slots"],
        2
    );
}

#[test]
fn an_uploader_gives_up_when_nobody_answers() {
    let mut clients = ManyClients::new(short(&["slots=1"], &[], 2));
    clients.add_uploader(0, &short(&[], &[("buffer_period", "2s")], 2));
    clients.run_until(MINUTES);
    let Outcome::Failed(failure) = &clients.outcomes[&remote(0)] else {
        panic!("it completed");
    };
    assert_eq!(
        failure.message,
        "192.0.2.1:4444 did not answer: JOIN was sent 3 times in 2s"
    );
    // A server without upload slots does not know the token.
    let counters = clients.server.counters();
    assert_eq!(counters["validation_errors"]["unknown_flag"], 3);
    assert_eq!(clients.now(), Duration::from_secs(2));
}
