//! Pieces of fragmented IP packets: only the first has ports, so the kernel's filter lets all
//! others through, and those of strangers are sorted out here.

use std::collections::VecDeque;

/// Fragmented packets that are remembered. Their pieces follow at once on a loopback interface.
const REMEMBERED: usize = 256;

/// Remembers the first pieces that the filter let through.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    known: VecDeque<Key>,
}

/// Addresses and identification of an IP packet.
type Key = ([u8; 32], [u8; 4]);

impl Pieces {
    /// Whether a frame that the filter let through is ours: no later piece of a packet whose first
    /// piece was not.
    pub(super) fn keep(&mut self, frame: &[u8]) -> bool {
        let Some((key, first)) = piece(frame) else {
            return true;
        };
        if !first {
            return self.known.contains(&key);
        }
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(key);
        true
    }
}

/// What packet an Ethernet frame is a piece of, and whether the first; `None` if it is whole.
fn piece(frame: &[u8]) -> Option<(Key, bool)> {
    let mut addresses = [0; 32];
    let mut identification = [0; 4];
    let offset_and_flags = match frame.get(12..14)? {
        [0x08, 0x00] => {
            addresses[..8].copy_from_slice(frame.get(26..34)?);
            identification[..2].copy_from_slice(frame.get(18..20)?);
            // Three flags, of which one is "more", then the offset.
            u16::from_be_bytes(*frame.get(20..)?.first_chunk()?) & 0x3fff
        }
        // A fragment header directly behind the IPv6 header: offset, two bits, "more".
        [0x86, 0xdd] if frame.get(20) == Some(&44) => {
            addresses.copy_from_slice(frame.get(22..54)?);
            identification.copy_from_slice(frame.get(58..62)?);
            u16::from_be_bytes(*frame.get(56..)?.first_chunk()?).rotate_right(3) & 0x3fff
        }
        _ => return None,
    };
    (offset_and_flags != 0).then_some(((addresses, identification), offset_and_flags & 0x1fff == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(id: u8, fragment: u16) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[19] = id;
        frame[20..22].copy_from_slice(&fragment.to_be_bytes());
        frame
    }

    fn ipv6(id: u8, fragment: u16) -> Vec<u8> {
        let mut frame = vec![0; 80];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[20] = 44;
        frame[61] = id;
        frame[56..58].copy_from_slice(&fragment.to_be_bytes());
        frame
    }

    #[test]
    fn later_pieces_are_kept_if_the_first_was() {
        let mut pieces = Pieces::default();
        // "more" at offset 0, then offset 8 without.
        assert!(pieces.keep(&ipv4(1, 0x2000)));
        assert!(pieces.keep(&ipv4(1, 0x0001)));
        assert!(!pieces.keep(&ipv4(2, 0x0001)));
        assert!(pieces.keep(&ipv6(1, 0x0001)));
        assert!(pieces.keep(&ipv6(1, 0x0008)));
        assert!(pieces.keep(&ipv6(1, 0x0009)));
        assert!(!pieces.keep(&ipv6(2, 0x0008)));
    }

    #[test]
    fn whole_packets_are_kept() {
        let mut pieces = Pieces::default();
        // "Do not fragment" is no fragment; neither is an IPv6 fragment header that says nothing.
        assert!(pieces.keep(&ipv4(1, 0x4000)));
        assert!(pieces.keep(&ipv6(1, 0)));
        assert!(pieces.keep(&[]));
        assert!(pieces.known.is_empty());
    }
}
