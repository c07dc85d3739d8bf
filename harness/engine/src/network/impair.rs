use std::time::Duration;

use shakedown_protocol::requirement::Role;

/// What the network does to datagrams. By default nothing: they arrive at once, in order, once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Impair {
    /// Whose datagrams suffer; both sides' if not given. Exact faults have a side of their own.
    pub from: Option<Role>,
    /// Share of the datagrams that are lost, from 0 to 1.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplicate: f64,
    /// Share that is overtaken by the next datagram of its direction.
    pub reorder: f64,
    /// Share of which one bit is flipped under a checksum that is right.
    pub corrupt: f64,
    /// How long a datagram takes: anything between two times, each with the same chance. Later ones do
    /// not overtake earlier ones by this.
    pub delay: Delay,
    /// Bytes a second that one direction carries; what comes faster waits.
    pub rate: Option<u64>,
    /// Stretches of time in which everything is lost: begin and end, from the first datagram on.
    pub cut: Vec<(Duration, Duration)>,
    /// Exact faults.
    pub faults: Vec<Fault>,
    /// Seed of everything random.
    pub seed: Option<u64>,
}

/// How long datagrams take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// The shortest time.
    pub least: Duration,
    /// The longest time.
    pub most: Duration,
}

/// Something that happens to one datagram: `the second SYN-ACK is lost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The frame's name.
    pub frame: String,
    /// Which of its kind, from 1, as they are sent.
    pub nth: u32,
    /// Who sends it, where both sides may.
    pub from: Option<Role>,
    /// What happens to it.
    pub mishap: Mishap,
}

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It never arrives.
    Lost,
    /// It arrives twice.
    Twice,
    /// It arrives so much later.
    Late(Duration),
    /// It arrives after so many later ones of its direction.
    After(u32),
    /// One bit of it, counted from the first byte's lowest, is flipped.
    Flipped(u32),
}
