//! Whether an implementation under test is there at all.

mod handshake;
mod refusals;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shakedown_engine::scenario::Span;
use shakedown_protocol::{Protocol, Transport};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::handshake::Answer;
use self::refusals::{REFUSED, Refusals};
use crate::clock::Clock;
use crate::host::Host;
use crate::launch::{Instance, open_sockets, printed_output};
use crate::socket::PeerSocket;

/// How long an answer is waited for before the question is asked again.
const TRY: Duration = Duration::from_secs(1);

/// How often it is asked after a scenario. Half-open sessions may take all its room for 10 s
/// (MS-H-19).
pub const LATER_TRIES: u32 = 12;

/// An implementation that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tried}, and {}; {state}", .came.as_deref().unwrap_or("nothing was received"))]
pub struct Silent {
    /// What was tried, in words.
    pub tried: String,
    /// What was received instead of a response, as text.
    pub came: Option<String>,
    /// What is known of its process, in words.
    pub state: String,
    /// Whether its process ended, and how long after the first question.
    pub ended_after: Option<Duration>,
}

/// Any port of the family in which `peer` is reached.
#[must_use]
pub fn any_address_for(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// The address of ours from which something at `remote` is reached.
///
/// # Errors
/// The system's, if there is no way to it.
pub fn local_address_for(remote: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    if remote.ip().is_loopback() {
        return Ok(match remote {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    // Nothing is sent: the system only looks which way it would go.
    let socket = std::net::UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// A fresh id of a probe; `turn` distinguishes probes of one run.
pub(crate) fn fresh_id(seed: u64, turn: u64) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Probes a responder: over streams by a handshake, over datagrams by the first frame of a
/// session. The socket of that, if there is one, is to be kept until the implementation
/// is stopped: what it still sends there must not reach the next owner of the port.
///
/// # Errors
/// [`Silent`] after this many attempts of a second, or as soon as its process is gone.
pub async fn responder(
    protocol: &'static Protocol,
    mode: &str,
    instance: &Instance,
    tries: u32,
    turn: (u64, u64),
) -> Result<PeerSocket, Silent> {
    match protocol.transport {
        None => ask_for_stream(protocol, mode, instance, tries, turn).await,
        Some(transport) => handshake(transport, instance, tries).await,
    }
}

/// Connects by QUIC and closes at once, until there is a response. An unanswered connection is
/// kept until its own timeout, since a slow server would be left with it.
async fn handshake(
    transport: Transport,
    instance: &Instance,
    tries: u32,
) -> Result<PeerSocket, Silent> {
    let begun = Instant::now();
    let Some(address) = instance.address else {
        return Err(silent(instance, begun, String::from("it has no address")));
    };
    let tried = |times: u32| {
        let alpn = transport.alpn;
        let waited = waited(begun, times);
        format!("{address} was asked for a QUIC connection ({alpn}) {waited}")
    };
    let until = begun + TRY * tries;
    let mut times = 0;
    loop {
        times += 1;
        let problem = |why: String| Silent {
            came: Some(why),
            ..silent(instance, begun, tried(times))
        };
        let ip = local_address_for(address).map_err(|error| problem(error.to_string()))?;
        let host = Host::bind(SocketAddr::new(ip, 0));
        let mut host = host.map_err(|error| problem(error.to_string()))?;
        let refusals = Refusals::of(host.socket());
        let again = Instant::now() + TRY;
        let answer = tokio::select! {
            biased;
            answer = handshake::ask(transport, &mut host, address) => answer,
            () = gone(instance) => Ok(Answer::Silence(None)),
            () = refusals.next() => {
                sleep_until(again).await;
                Ok(Answer::Silence(Some(REFUSED.to_owned())))
            }
        };
        match answer.map_err(&problem)? {
            Answer::Connected | Answer::Refused => return Ok(host.into_socket()),
            Answer::Stranger(why) => return Err(problem(format!("its handshake failed: {why}"))),
            Answer::Silence(_) if Instant::now() < until && !instance.has_ended() => {}
            Answer::Silence(None) => return Err(silent(instance, begun, tried(times))),
            Answer::Silence(Some(came)) => return Err(problem(came)),
        }
    }
}

/// How often it was asked, and how long that took.
fn waited(begun: Instant, times: u32) -> String {
    let seconds = begun.elapsed().as_secs_f64();
    match times {
        1 => format!("once, for {seconds:.1} s"),
        times => format!("{times} times in {seconds:.1} s"),
    }
}

/// Requests a stream from a separate port until any response arrives. No other process knows the
/// port, so a response from another address counts; the scenarios judge whether it is allowed.
async fn ask_for_stream(
    protocol: &'static Protocol,
    mode: &str,
    instance: &Instance,
    tries: u32,
    (seed, turn): (u64, u64),
) -> Result<PeerSocket, Silent> {
    let begun = Instant::now();
    let Some(address) = instance.address else {
        return Err(silent(instance, begun, String::from("it has no address")));
    };
    let problem = |what: String| {
        silent(
            instance,
            begun,
            format!("{address} was to be asked: {what}"),
        )
    };
    let id = fresh_id(seed, turn);
    let hello = protocol.hello.and_then(|hello| hello(mode, &id));
    let Some((frame, fields)) = hello else {
        return Err(problem(format!("no probe is known for mode {mode}")));
    };
    let question = protocol.vocabulary.encode(frame, &fields);
    let question = question.map_err(|error| problem(error.to_string()))?;
    let ip = local_address_for(address).map_err(|error| problem(error.to_string()))?;
    let socket = PeerSocket::bind(SocketAddr::new(ip, 0));
    let socket = socket.map_err(|error| problem(error.to_string()))?;
    let refusals = Refusals::of(&socket);
    let clock = Clock::start();
    let mut times = 0;
    while times < tries {
        times += 1;
        // A failed send is like an unanswered one; the next attempt may succeed.
        if let Err(error) = socket.send(&question, address).await {
            tracing::debug!("probe of {address}: {error}");
        }
        let until = Instant::now() + TRY;
        let answered = tokio::select! {
            biased;
            answered = timeout_at(until, any(&socket, &clock)) => answered.is_ok(),
            () = gone(instance) => break,
        };
        if answered {
            return Ok(socket);
        }
    }
    let waited = waited(begun, times);
    let tried = format!("{frame} was sent to {address} (mode {mode}) {waited}");
    Err(Silent {
        came: refusals.came().then(|| REFUSED.to_owned()),
        ..silent(instance, begun, tried)
    })
}

/// Waits for the first datagram of an initiator at `socket`, for this long.
///
/// # Errors
/// [`Silent`] if none comes, or its process ends before.
pub async fn initiator(
    socket: &PeerSocket,
    instance: &Instance,
    within: Span,
) -> Result<(), Silent> {
    let tried = || {
        format!(
            "its first datagram was waited for at {} ({within})",
            socket.local()
        )
    };
    let begun = Instant::now();
    let until = begun + within.as_fixed().unwrap_or_default();
    let clock = Clock::start();
    tokio::select! {
        biased;
        first = timeout_at(until, any(socket, &clock)) => {
            first.map(drop).map_err(|_| silent(instance, begun, tried()))
        }
        () = gone(instance) => {
            // Its last word may still be in the socket.
            match socket.receive(&clock) {
                Ok(Some(_)) => Ok(()),
                Ok(None) | Err(_) => Err(silent(instance, begun, tried())),
            }
        }
    }
}

/// The source of the next datagram.
async fn any(socket: &PeerSocket, clock: &Clock) -> SocketAddr {
    loop {
        std::future::poll_fn(|context| socket.poll_readable(context)).await;
        match socket.receive_if_ready(clock) {
            Ok(Some(arrival)) => return arrival.from,
            // An ICMP error about the question; the next try may do better.
            Ok(None) | Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Waits until the process is gone; for ever if it is not ours.
async fn gone(instance: &Instance) {
    match &instance.process {
        Some(process) => drop(process.wait().await),
        None => std::future::pending().await,
    }
}

fn silent(instance: &Instance, begun: Instant, tried: String) -> Silent {
    Silent {
        tried,
        came: None,
        state: state(instance),
        ended_after: instance.has_ended().then(|| begun.elapsed()),
    }
}

/// What is known of its process, in words.
fn state(instance: &Instance) -> String {
    match &instance.process {
        None => String::from("it was not started by this run"),
        Some(process) => {
            let output = printed_output(&process.output().tail());
            match process.ended() {
                Some(ended) => format!("its process ended ({ended}); {output}"),
                None => format!("its process runs; {}; {output}", open_sockets(process)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(address: SocketAddr) -> Instance {
        Instance::found(address)
    }

    fn mediastream() -> &'static Protocol {
        shakedown_protocol::protocol("mediastream").unwrap()
    }

    #[tokio::test]
    async fn whoever_answers_anything_is_there() {
        let iut = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let instance = at(iut.local());
        let clock = Clock::start();
        let echo = async {
            let from = any(&iut, &clock).await;
            iut.send(b"anything", from).await.unwrap();
        };
        let (asked, ()) =
            tokio::join!(responder(mediastream(), "3way", &instance, 3, (1, 1)), echo);
        assert!(asked.is_ok(), "{asked:?}");
    }

    #[tokio::test]
    async fn one_who_answers_from_elsewhere_is_there() {
        let iut = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let other = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let instance = at(iut.local());
        let clock = Clock::start();
        let echo = async {
            let from = any(&iut, &clock).await;
            other.send(b"not where you asked", from).await.unwrap();
        };
        let asking = responder(mediastream(), "legacy", &instance, 1, (1, 1));
        let (asked, ()) = tokio::join!(asking, echo);
        assert!(asked.is_ok(), "{asked:?}");
    }

    #[rstest]
    #[case("mediastream", "legacy", "127.0.0.1:0")]
    #[case("mediastream", "3way", "[::1]:0")]
    #[case("proton", "push", "127.0.0.1:0")]
    #[case("proton", "push", "[::1]:0")]
    #[tokio::test]
    async fn where_nothing_listens_that_is_told_after_a_second(
        #[case] protocol: &str,
        #[case] mode: &str,
        #[case] address: SocketAddr,
    ) {
        let closed = PeerSocket::bind(address).unwrap().local();
        let protocol = shakedown_protocol::protocol(protocol).unwrap();
        let asked = responder(protocol, mode, &at(closed), 1, (1, 1)).await;
        let silent = asked.unwrap_err().to_string();
        assert!(silent.contains("once, for 1."), "{silent}");
        assert!(
            silent.contains(", and nothing listens there (ICMP"),
            "{silent}"
        );
    }

    #[tokio::test]
    async fn one_who_is_silent_is_told_with_what_was_sent_and_how_long_was_waited() {
        let iut = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let instance = at(iut.local());
        let asked = responder(mediastream(), "legacy", &instance, 1, (1, 1)).await;
        assert_eq!(
            asked.unwrap_err().to_string(),
            format!(
                "START token was sent to {} (mode legacy) once, for 1.0 s, and nothing was received; \
                 it was not started by this run",
                iut.local()
            )
        );
    }
}
