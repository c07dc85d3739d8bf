use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ports from which those of implementations are chosen. The kernel gives out ports from 32768 on
/// to sockets that ask for any, so none of ours can take one between the choice and its use.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

static TAKEN: Mutex<Taken> = Mutex::new(Taken {
    ports: BTreeSet::new(),
    next: None,
});

struct Taken {
    ports: BTreeSet<u16>,
    next: Option<u16>,
}

/// A UDP port that nobody else in this program gets until this is dropped.
#[derive(Debug)]
pub struct FreePort {
    port: u16,
}

impl FreePort {
    /// Chooses a port that can be bound at `ip` now.
    ///
    /// # Errors
    /// The system's, if the address is not ours or no port is left.
    pub fn choose(ip: IpAddr) -> std::io::Result<Self> {
        let mut taken = taken();
        let length = RANGE.end - RANGE.start;
        // Several runs at once start at different places.
        let mut next = taken
            .next
            .unwrap_or_else(|| (std::process::id().wrapping_mul(397) % u32::from(length)) as u16);
        let mut problem = std::io::Error::from(std::io::ErrorKind::AddrInUse);
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
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => problem = error,
                Err(error) => return Err(error),
            }
        }
        Err(problem)
    }

    /// The port.
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
