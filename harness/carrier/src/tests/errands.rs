//! The reference server and client of proton.

use std::time::Duration;

use crate::{Carrier, Security};
use shakedown_protocol::proton::{Errand, Runner, Server, ServerSettings};

use super::world::{World, server_address, settings};

const MINUTE: Duration = Duration::from_secs(60);

fn errand(security: Security) -> World<Server, Runner> {
    let server = Server::new(ServerSettings::default());
    let server = Carrier::server(server, &settings(security)).unwrap();
    let mut world = World::new(server);
    let client = Runner::new(Errand {
        events: 3,
        commits: 2,
        actions: 2,
        ..Errand::default()
    });
    let client = Carrier::client(client, server_address(), &settings(security)).unwrap();
    world.join(client);
    world.run_for(MINUTE);
    world
}

#[test]
fn an_errand_is_done() {
    for security in [Security::Tls, Security::Seeded(7)] {
        let world = errand(security);
        assert_eq!(world.clients[0].machine().outcome(), Some(&Ok(())));
        assert!(world.server.is_idle() && world.clients[0].is_idle());
    }
}

#[test]
fn everything_that_is_sent_follows_from_the_seed() {
    let sent = |seed| errand(Security::Seeded(seed)).sent;
    let first = sent(7);
    assert_eq!(sent(7), first);
    assert_ne!(sent(8), first);
}

#[test]
fn packets_without_cryptography_have_the_same_lengths_at_the_same_times() {
    for seed in 0..20 {
        let shape = |security| {
            let sent = errand(security).sent.into_iter();
            let shape = sent.map(|it| (it.at, it.from, it.to, it.payload.len()));
            shape.collect::<Vec<_>>()
        };
        assert_eq!(shape(Security::Plain(seed)), shape(Security::Seeded(seed)));
    }
}
