use std::collections::BTreeMap;
use std::net::SocketAddr;

use shakedown_protocol::requirement::Role;

/// Who is behind which socket of a relay.
///
/// A relay has sockets at two edges, that of the initiators and that of the responders. Each
/// stands for a peer beyond the other edge: its datagrams leave by it, and datagrams to it are
/// forwarded to the peer. So a peer that uses another port appears on another port.
#[derive(Debug)]
pub(super) struct Paths {
    initiators: Edge,
    responders: Edge,
    most: usize,
}

/// The sockets of one edge, by whom they stand for.
#[derive(Debug, Default)]
struct Edge {
    parties: Vec<SocketAddr>,
    sockets: BTreeMap<SocketAddr, usize>,
}

/// How a datagram goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// The edge at which it leaves.
    pub(super) edge: Role,
    /// By which of its sockets, counted from 0.
    pub(super) socket: usize,
    pub(super) to: SocketAddr,
}

/// Why a datagram cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPath {
    /// Its sender is new: a socket at the other edge must stand for him, which
    /// [`Paths::add`] notes.
    Stranger,
    /// Its sender is new, and there are as many sockets as there may be.
    Full,
    /// There is no such socket.
    NoSocket,
}

impl Paths {
    /// Only the first socket of the initiators' edge, which stands for the responder at `target`.
    pub(super) fn new(target: SocketAddr, most: usize) -> Self {
        let mut paths = Self {
            initiators: Edge::default(),
            responders: Edge::default(),
            most,
        };
        paths.add(Role::Initiator, target);
        paths
    }

    /// How a datagram from `from` goes on that came to this socket at the edge of `edge`.
    pub(super) fn way(&self, edge: Role, socket: usize, from: SocketAddr) -> Result<Path, NoPath> {
        let to = self
            .edge(edge)
            .parties
            .get(socket)
            .ok_or(NoPath::NoSocket)?;
        let other = edge.peer();
        match self.edge(other).socket_for(from) {
            Some(socket) => Ok(Path {
                edge: other,
                socket,
                to: *to,
            }),
            None if self.initiators.parties.len() + self.responders.parties.len() >= self.most => {
                Err(NoPath::Full)
            }
            None => Err(NoPath::Stranger),
        }
    }

    /// The next socket of this edge stands for `party`.
    pub(super) fn add(&mut self, edge: Role, party: SocketAddr) {
        let edge = match edge {
            Role::Initiator => &mut self.initiators,
            Role::Responder => &mut self.responders,
        };
        edge.sockets.insert(canonical(party), edge.parties.len());
        edge.parties.push(party);
    }

    const fn edge(&self, edge: Role) -> &Edge {
        match edge {
            Role::Initiator => &self.initiators,
            Role::Responder => &self.responders,
        }
    }
}

impl Edge {
    fn socket_for(&self, party: SocketAddr) -> Option<usize> {
        let known = self.sockets.get(&canonical(party)).copied();
        // A peer bound to the wildcard address responds from a concrete one.
        known.or_else(|| {
            let first = self.parties.first()?;
            (first.ip().is_unspecified() && first.port() == party.port()).then_some(0)
        })
    }
}

/// Sockets for both versions show IPv4 addresses as IPv6 ones.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn way(edge: Role, socket: usize, to: &str) -> Result<Path, NoPath> {
        let to = at(to);
        Ok(Path { edge, socket, to })
    }

    const TARGET: &str = "127.0.0.1:4444";
    const ONE: &str = "127.0.0.1:1001";
    const OTHER: &str = "127.0.0.1:1002";
    use Role::{Initiator, Responder};

    #[test]
    fn each_initiator_has_a_socket_of_its_own_toward_the_target_and_back() {
        let mut paths = Paths::new(at(TARGET), 100);
        for (n, one) in [ONE, OTHER].into_iter().enumerate() {
            assert_eq!(paths.way(Initiator, 0, at(one)), Err(NoPath::Stranger));
            paths.add(Responder, at(one));
            assert_eq!(paths.way(Initiator, 0, at(one)), way(Responder, n, TARGET));
            assert_eq!(paths.way(Responder, n, at(TARGET)), way(Initiator, 0, one));
        }
    }

    #[test]
    fn an_answer_from_another_port_comes_from_another_port_and_is_answered_there() {
        let mut paths = Paths::new(at(TARGET), 100);
        paths.add(Responder, at(ONE));
        let elsewhere = "127.0.0.1:4445";
        assert_eq!(
            paths.way(Responder, 0, at(elsewhere)),
            Err(NoPath::Stranger)
        );
        paths.add(Initiator, at(elsewhere));
        assert_eq!(
            paths.way(Responder, 0, at(elsewhere)),
            way(Initiator, 1, ONE)
        );
        assert_eq!(
            paths.way(Initiator, 1, at(ONE)),
            way(Responder, 0, elsewhere)
        );
        assert_eq!(paths.way(Initiator, 0, at(ONE)), way(Responder, 0, TARGET));
    }

    #[test]
    fn a_target_at_every_address_is_known_by_its_port() {
        let mut paths = Paths::new(at("0.0.0.0:4444"), 100);
        paths.add(Responder, at(ONE));
        assert_eq!(paths.way(Responder, 0, at(TARGET)), way(Initiator, 0, ONE));
        let elsewhere = at("127.0.0.1:4445");
        assert_eq!(paths.way(Responder, 0, elsewhere), Err(NoPath::Stranger));
    }

    #[test]
    fn an_address_of_version_4_in_version_6_is_the_same() {
        let mut paths = Paths::new(at(TARGET), 100);
        paths.add(Responder, at(ONE));
        let mapped = at("[::ffff:127.0.0.1]:1001");
        assert_eq!(paths.way(Initiator, 0, mapped), way(Responder, 0, TARGET));
    }

    #[test]
    fn there_are_no_more_sockets_than_there_may_be() {
        let mut paths = Paths::new(at(TARGET), 2);
        paths.add(Responder, at(ONE));
        assert_eq!(paths.way(Initiator, 0, at(OTHER)), Err(NoPath::Full));
        assert_eq!(paths.way(Initiator, 0, at(ONE)), way(Responder, 0, TARGET));
        assert_eq!(paths.way(Responder, 7, at(TARGET)), Err(NoPath::NoSocket));
    }
}
