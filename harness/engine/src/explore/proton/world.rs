use std::time::Duration;

use shakedown_protocol::proton::{
    Client, ClientSettings, News, OPERATION, Profile, STARTUP_DELAY, ServerSettings, TRANSPORT,
};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::StreamMachine;

use super::Run;
use super::counters;
use super::judge::Judge;
use crate::dice::Dice;
use crate::network::Delay;
use crate::streams::{Conditions, Place, Spins, StreamNetwork};

/// Things that may happen in a run before it is given up.
const MOST_STEPS: u32 = 200_000;

/// A client, or what stands in for one.
pub(super) trait Asked: StreamMachine {
    /// The client.
    fn client(&mut self) -> &mut Client;
}

impl Asked for Client {
    fn client(&mut self) -> &mut Client {
        self
    }
}

/// A server, its clients and what befalls them.
pub(super) struct World<C, S> {
    seed: u64,
    dice: Dice,
    settings: ServerSettings,
    conditions: Conditions,
    clients: usize,
    network: StreamNetwork<C, S, Judge>,
    commands: u64,
    cuts: u64,
    steps: u32,
}

/// Why a run ends before its end.
enum Stop {
    Spins(Spins),
    TooLong,
}

impl<C: Asked, S: StreamMachine> World<C, S> {
    /// Everything follows from the seed.
    pub(super) fn new(
        seed: u64,
        tells: bool,
        server: impl FnOnce(ServerSettings) -> S,
        client: impl Fn(ClientSettings) -> C,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let settings = server_settings(&mut dice);
        let conditions = conditions(&mut dice, seed);
        let judge = Judge::new(&settings, tells);
        let mut network = StreamNetwork::new(server(settings.clone()), conditions.clone(), judge);
        let clients = 1 + dice.below(3);
        for _ in 0..clients {
            let told = ClientSettings {
                profile: settings.profile,
                first_event: match dice.one_in(8) {
                    true => u32::MAX - dice.below(4),
                    false => 1 + dice.below(100),
                },
            };
            network.join(client(told));
            network.watch_mut().joins(settings.first_action);
        }
        Self {
            seed,
            dice,
            settings,
            conditions,
            clients: usize::try_from(clients).unwrap_or(1),
            network,
            commands: 0,
            cuts: 0,
            steps: 0,
        }
    }

    /// Plays the run.
    pub(super) fn play(mut self) -> Run {
        let played = self.mishaps().and_then(|()| self.heals());
        let now = self.network.now();
        let problem = match played {
            Ok(()) => None,
            Err(Stop::Spins(spins)) => Some(spins.to_string()),
            Err(Stop::TooLong) => Some("the run has no end".to_owned()),
        };
        if let Some(problem) = problem {
            let found = &mut self.network.watch_mut().found;
            found.add("PR-R-03", Role::Responder, now, problem);
        }
        let setting = self.setting();
        let judge = self.network.watch_mut();
        let answers = judge.clients.iter().map(|client| {
            let counts = client.counts;
            counts.acks + counts.answers + counts.items
        });
        Run {
            seed: self.seed,
            setting,
            commands: self.commands,
            connections: judge.server.counts.connections,
            answers: answers.sum(),
            cuts: self.cuts,
            violations: std::mem::take(&mut judge.found.0),
            log: std::mem::take(&mut judge.log),
        }
    }

    /// Commands at any time, and cables that are pulled.
    fn mishaps(&mut self) -> Result<(), Stop> {
        let is_long = self.dice.one_in(8);
        for _ in 0..5 + self.dice.below(30) {
            let client = self.dice.below(u32::try_from(self.clients).unwrap_or(1));
            self.command(usize::try_from(client).unwrap_or_default());
            let pause = match self.dice.below(20) {
                0..12 => self.dice.millis(300),
                12..18 => self.dice.millis(3_000),
                18 => self.dice.millis(12_000),
                _ if is_long => self.dice.millis(310_000),
                _ => Duration::ZERO,
            };
            self.pass(pause)?;
        }
        Ok(())
    }

    fn command(&mut self, client: usize) {
        self.commands += 1;
        let choice = self.dice.below(20);
        let number = match self.dice.one_in(3) {
            true => u32::MAX - self.dice.below(2),
            false => self.dice.below(1_000),
        };
        match choice {
            0..4 => self.connect(client, false),
            4 | 5 => self.connect(client, true),
            6..10 => {
                for _ in 0..=self.dice.below(5) {
                    self.send_event(client);
                }
            }
            10..13 => self.commit(client, number),
            13..16 => self.read_action(client),
            16 => self.close(client),
            17 => self.cut_off(Place::Client(client), true),
            18 => self.cut_off(Place::Server, true),
            _ => self.heal(),
        }
    }

    fn connect(&mut self, client: usize, resets: bool) {
        self.tell(|| format!("client {client} is asked to connect, resets: {resets}"));
        self.network
            .ask(client, |asked, _| asked.client().connect(resets).is_ok());
        self.hear(client);
    }

    fn send_event(&mut self, client: usize) {
        self.tell(|| format!("client {client} is asked for an event"));
        let sent = self
            .network
            .ask(client, |asked, now| asked.client().send_event(now));
        let now = self.network.now();
        if let (Some(Ok(id)), Some((side, found))) = (sent, self.network.watch_mut().client(client))
        {
            side.sends(now, id, found);
        }
        self.hear(client);
    }

    fn commit(&mut self, client: usize, number: u32) {
        self.tell(|| format!("client {client} is asked to commit {number}"));
        let sent = self
            .network
            .ask(client, |asked, now| asked.client().commit(now, number));
        let now = self.network.now();
        if let (Some(Ok(())), Some((side, _))) = (sent, self.network.watch_mut().client(client)) {
            side.commits(now, number);
        }
        self.hear(client);
    }

    fn read_action(&mut self, client: usize) {
        self.tell(|| format!("client {client} is asked to read an item"));
        let asked = self
            .network
            .ask(client, |asked, now| asked.client().read_action(now));
        let now = self.network.now();
        if let (Some(Ok(())), Some((side, _))) = (asked, self.network.watch_mut().client(client)) {
            side.reads(now);
        }
        self.hear(client);
    }

    fn close(&mut self, client: usize) {
        self.tell(|| format!("client {client} is asked to close"));
        if let Some((side, _)) = self.network.watch_mut().client(client) {
            side.is_to_end();
        }
        self.network
            .ask(client, |asked, now| asked.client().close(now));
        self.hear(client);
    }

    fn cut_off(&mut self, place: Place, is_cut_off: bool) {
        self.tell(|| format!("{place:?} is cut off: {is_cut_off}"));
        self.cuts += u64::from(is_cut_off);
        self.network.watch_mut().server.is_disturbed |= is_cut_off;
        self.network.cut_off(place, is_cut_off);
    }

    /// All cables are back.
    fn heal(&mut self) {
        self.cut_off(Place::Server, false);
        for client in 0..self.clients {
            self.cut_off(Place::Client(client), false);
        }
    }

    /// Everything heals and ends; then a client comes and is served.
    fn heals(&mut self) -> Result<(), Stop> {
        self.heal();
        for client in 0..self.clients {
            self.close(client);
        }
        // Longer than the idle timeout, and than a server that was started anew waits.
        self.pass(STARTUP_DELAY + Duration::from_secs(2))?;
        let now = self.network.now();
        let left = self.network.connections() > 0 || self.network.server().deadline().is_some();
        let said = self.network.server().counters();
        let judge = self.network.watch_mut();
        if left {
            let property = "all is over, and something is left";
            judge.found.add("PR-C-02", Role::Responder, now, property);
        }
        judge.server.finish(now, &mut judge.found);
        counters::of_server(judge.server.counts, &said, now, &mut judge.found);
        for client in 0..self.clients {
            let said = self.network.client(client).map(StreamMachine::counters);
            let judge = self.network.watch_mut();
            if let (Some(said), Some((side, found))) = (said, judge.client(client)) {
                counters::of_client(side.counts, &said, now, found);
            }
        }
        self.is_served_again()
    }

    fn is_served_again(&mut self) -> Result<(), Stop> {
        let client = 0;
        self.network.watch_mut().server.is_disturbed = false;
        let resets = self.settings.resets && self.dice.one_in(2);
        self.connect(client, resets);
        self.pass(Duration::from_secs(2))?;
        self.send_event(client);
        self.commit(client, 7);
        self.read_action(client);
        let is_slow = self.settings.commit_delay >= OPERATION;
        let work = self.settings.commit_delay.min(OPERATION);
        self.pass(work + self.settings.action_interval * 2 + Duration::from_secs(2))?;
        let now = self.network.now();
        let judge = self.network.watch_mut();
        let Some((side, found)) = judge.client(client) else {
            return Ok(());
        };
        let (is_connected, waits) = (side.is_connected(), side.waits());
        // Without an answer in time the client has closed it (PR-T-01).
        if is_connected == is_slow || waits > 0 {
            let property = format!("a new client is not served: {waits} things wait");
            found.add("PR-C-02", Role::Responder, now, property);
        }
        Ok(())
    }

    /// Lets time pass, with everything that happens meanwhile.
    fn pass(&mut self, span: Duration) -> Result<(), Stop> {
        let until = self.network.now() + span;
        while self.network.next().is_some_and(|next| next <= until) {
            self.network.step().map_err(Stop::Spins)?;
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(Stop::TooLong);
            }
            for client in 0..self.clients {
                self.hear(client);
            }
            let now = self.network.now();
            self.network.watch_mut().look(now);
        }
        self.network.run_until(until).map_err(Stop::Spins)
    }

    /// The owner of a client hears what there is.
    fn hear(&mut self, client: usize) {
        let now = self.network.now();
        let take = |asked: &mut C, _| {
            let news = std::iter::from_fn(|| asked.client().take_news());
            news.collect::<Vec<News>>()
        };
        for news in self.network.ask(client, take).unwrap_or_default() {
            self.network.watch_mut().news(now, client, &news);
        }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.network.now();
        self.network.watch_mut().tell(now, line);
    }

    fn setting(&self) -> String {
        let (settings, conditions) = (&self.settings, &self.conditions);
        let resets = match settings.resets {
            true => "",
            false => ", no reset",
        };
        format!(
            "{}{resets}, commits of {:?}, an item every {:?}, {} clients, delays up to {:?} and {:?}, \
             pieces up to {} bytes, windows of {} bytes",
            settings.profile.name(),
            settings.commit_delay,
            settings.action_interval,
            self.clients,
            conditions.to_server.most,
            conditions.to_client.most,
            conditions.longest_piece,
            conditions.window,
        )
    }
}

fn server_settings(dice: &mut Dice) -> ServerSettings {
    ServerSettings {
        profile: match dice.one_in(2) {
            true => Profile::Push,
            false => Profile::Pull,
        },
        resets: !dice.one_in(4),
        commit_delay: match dice.below(8) {
            0 => Duration::from_secs(240),
            1 => Duration::from_secs(310),
            2..5 => dice.millis(3_000),
            _ => Duration::ZERO,
        },
        action_interval: match dice.one_in(4) {
            true => dice.millis(500) + Duration::from_millis(50),
            false => Duration::from_secs(1),
        },
        first_action: match dice.one_in(4) {
            true => u32::MAX - dice.below(3),
            false => 123,
        },
        startup_delay: match dice.one_in(8) {
            true => STARTUP_DELAY,
            false => Duration::ZERO,
        },
    }
}

fn conditions(dice: &mut Dice, seed: u64) -> Conditions {
    let mut delay = || {
        let least = dice.millis(50) + Duration::from_millis(1);
        let most = least + dice.millis(150);
        Delay { least, most }
    };
    let (to_server, to_client) = (delay(), delay());
    Conditions {
        to_server,
        to_client,
        longest_piece: 1 + dice.below(8),
        window: match dice.one_in(3) {
            true => u64::from(4 + dice.below(60)),
            false => 64 * 1024,
        },
        ..Conditions::of(&TRANSPORT, seed)
    }
}
