use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ports from which those of implementations are chosen. The kernel gives out ports from 32768 on
/// to sockets that ask for any, so none of ours can take one between the choice and its use.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Ports of the scripted peer. A port that was closed is not given out again before all others
/// were: late datagrams to it must not reach another scenario.
const PEERS: std::ops::Range<u16> = 33_000..60_000;

static NEXT_PEER: AtomicU32 = AtomicU32::new(0);

static TAKEN: Mutex<Taken> = Mutex::new(Taken {
    ports: BTreeSet::new(),
    next: None,
});

struct Taken {
    ports: BTreeSet<u16>,
    next: Option<u16>,
}

/// A UDP port that is reserved within this program until this is dropped.
#[derive(Debug)]
pub struct FreePort {
    port: u16,
}

impl FreePort {
    /// Chooses a port that can be bound at `ip` now.
    ///
    /// # Errors
    /// The system's, if the address is not ours or no port is left.
    pub fn choose(ip: IpAddr) -> io::Result<Self> {
        let mut taken = taken();
        let length = RANGE.end - RANGE.start;
        // Several runs at once start at different places.
        let mut next = taken
            .next
            .unwrap_or_else(|| (std::process::id().wrapping_mul(397) % u32::from(length)) as u16);
        let mut problem = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..length {
            let port = RANGE.start + next % length;
            next = (next + 1) % length;
            if taken.ports.contains(&port) {
                continue;
            }
            match UdpSocket::bind(SocketAddr::new(ip, port)) {
                Ok(_) => {
                    taken.ports.insert(port);
                    taken.next = Some(next);
                    return Ok(Self { port });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => problem = error,
                Err(error) => return Err(error),
            }
        }
        Err(problem)
    }

    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for FreePort {
    fn drop(&mut self) {
        taken().ports.remove(&self.port);
    }
}

/// Binds something to a port of the scripted peer.
///
/// # Errors
/// Those of `bind`; a port that is in use only if all are.
pub(crate) fn bind_peer<T>(bind: impl Fn(u16) -> io::Result<T>) -> io::Result<T> {
    let length = u32::from(PEERS.end - PEERS.start);
    let mut problem = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..length {
        let turn = NEXT_PEER.fetch_add(1, Ordering::Relaxed);
        // Several runs at once start at different places.
        let offset = std::process::id().wrapping_mul(7919).wrapping_add(turn) % length;
        let port = u16::try_from(offset).unwrap_or_default() + PEERS.start;
        match bind(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => problem = error,
            bound => return bound,
        }
    }
    Err(problem)
}

fn taken() -> MutexGuard<'static, Taken> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn no_port_is_given_twice_at_a_time() {
        let ports: Vec<_> = (0..50).map(|_| FreePort::choose(HERE).unwrap()).collect();
        let different: BTreeSet<_> = ports.iter().map(FreePort::port).collect();
        assert_eq!(different.len(), ports.len());
    }

    #[test]
    fn a_port_of_the_peer_is_not_used_again_when_it_is_free() {
        let bind = |port| UdpSocket::bind((HERE, port));
        let ports: Vec<u16> = (0..500)
            .map(|_| bind_peer(bind).unwrap().local_addr().unwrap().port())
            .collect();
        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), ports.len());
    }

    #[test]
    fn a_port_that_somebody_has_bound_is_not_chosen() {
        let first = FreePort::choose(HERE).unwrap();
        // The ports after the first choice are the next candidates.
        let bound: Vec<_> = (1..20)
            .filter_map(|n| UdpSocket::bind((HERE, first.port().saturating_add(n))).ok())
            .map(|socket| (socket.local_addr().unwrap().port(), socket))
            .collect();
        assert!(!bound.is_empty());
        let second = FreePort::choose(HERE).unwrap();
        assert!(bound.iter().all(|(port, _)| *port != second.port()));
    }
}
