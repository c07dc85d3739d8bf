use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::net::SocketAddr;

use crate::{Capture, CaptureError, Datagram};

/// Which packets of two captures of the same exchange are the same datagrams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Correspondence {
    /// Packet numbers of the first capture, and those of the same datagrams in the second.
    pub numbers: BTreeMap<u64, u64>,
    /// Packets of the first that the second lacks.
    pub missing: Vec<u64>,
    /// Packets of the second that the first lacks.
    pub extra: Vec<u64>,
}

/// Finds in `theirs` (a live capture) every datagram of `ours` (the tap of our own sockets), with
/// the same addresses and payload. Repeated datagrams correspond in their order. What is missing
/// in a live capture was dropped on the way to it.
///
/// Memory grows with the number of packets, not with their size.
///
/// # Errors
/// [`CaptureError`] of whichever capture is damaged.
pub fn correspond<A: Read, B: Read>(
    ours: &mut Capture<A>,
    theirs: &mut Capture<B>,
) -> Result<Correspondence, CaptureError> {
    let mut open: HashMap<Key, VecDeque<u64>> = HashMap::new();
    let mut extra = Vec::new();
    while let Some(datagram) = theirs.next_datagram()? {
        open.entry(key(&datagram))
            .or_default()
            .push_back(datagram.number);
        extra.push(datagram.number);
    }
    let mut found = Correspondence::default();
    while let Some(datagram) = ours.next_datagram()? {
        match open.get_mut(&key(&datagram)).and_then(VecDeque::pop_front) {
            Some(number) => {
                found.numbers.insert(datagram.number, number);
            }
            None => found.missing.push(datagram.number),
        }
    }
    let mut taken: Vec<u64> = found.numbers.values().copied().collect();
    taken.sort_unstable();
    extra.retain(|number| taken.binary_search(number).is_err());
    found.extra = extra;
    Ok(found)
}

/// What makes datagrams the same; the payload by its length and a hash of 64 bits.
type Key = (SocketAddr, SocketAddr, usize, u64);

fn key(datagram: &Datagram<'_>) -> Key {
    let mut hasher = DefaultHasher::new();
    datagram.payload.hash(&mut hasher);
    (
        datagram.source,
        datagram.destination,
        datagram.length,
        hasher.finish(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Tap, WriterSettings};

    fn tap(payloads: &[&[u8]]) -> Vec<u8> {
        let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for payload in payloads {
            tap.record(Duration::ZERO, address(1), address(2), payload)
                .expect("recorded");
        }
        tap.into_inner()
    }

    fn compared(ours: &[&[u8]], theirs: &[&[u8]]) -> (Vec<(u64, u64)>, Vec<u64>, Vec<u64>) {
        let (ours, theirs) = (tap(ours), tap(theirs));
        let found = correspond(
            &mut Capture::open(&ours[..]).expect("a capture"),
            &mut Capture::open(&theirs[..]).expect("a capture"),
        )
        .expect("undamaged");
        let numbers = found.numbers.into_iter().collect();
        (numbers, found.missing, found.extra)
    }

    #[test]
    fn the_same_datagrams_correspond_in_their_order() {
        let (numbers, missing, extra) = compared(&[b"a", b"b", b"a"], &[b"b", b"a", b"a"]);
        assert_eq!(numbers, [(1, 2), (2, 1), (3, 3)]);
        assert!(missing.is_empty() && extra.is_empty());
    }

    #[test]
    fn what_one_of_them_lacks_is_told() {
        let (numbers, missing, extra) = compared(&[b"a", b"b", b"a"], &[b"x", b"a", b"b", b"y"]);
        assert_eq!(numbers, [(1, 2), (2, 3)]);
        assert_eq!(missing, [3]);
        assert_eq!(extra, [1, 4]);
    }
}
