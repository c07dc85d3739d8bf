use std::borrow::Cow;
use std::io::Read;

use crate::file::Step;
use crate::layers::{
    Dissected, IpPacket, Key, Outcome, Reassembly, Udp, Unusable, dissect, extensions, udp,
};
use crate::{CaptureError, Datagram, Packets, RawPacket, Statistics};

/// The UDP datagrams of a capture, in one pass and with bounded memory.
///
/// ```
/// # fn main() -> Result<(), shakedown_capture::CaptureError> {
/// # let file: &[u8] = &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
/// #     0, 0, 4, 0, 1, 0, 0, 0];
/// let mut capture = shakedown_capture::Capture::open(file)?;
/// while let Some(datagram) = capture.next_datagram()? {
///     println!("{} {} bytes", datagram.source, datagram.length);
/// }
/// println!("{}", capture.statistics());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Capture<R> {
    packets: Packets<R>,
    reassembly: Reassembly,
    /// The IP payload that was put together last.
    assembled: Vec<u8>,
    statistics: Statistics,
}

/// What stands in a capture, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    Datagram(Datagram<'a>),
    /// Secrets of TLS (a Decryption Secrets Block of pcapng), in the key log format.
    KeyLog(&'a [u8]),
}

/// What a capture came to.
enum Reached {
    /// A datagram, and whether it was put together from fragments.
    Datagram(Udp, bool),
    KeyLog,
    End,
}

impl<R: Read> Capture<R> {
    /// Reads the beginning of a pcap or pcapng file.
    ///
    /// # Errors
    /// [`CaptureError`] if it is no capture, is cut off or damaged in its header, or cannot be
    /// read.
    pub fn open(source: R) -> Result<Self, CaptureError> {
        Ok(Self {
            packets: Packets::open(source)?,
            reassembly: Reassembly::default(),
            assembled: Vec::new(),
            statistics: Statistics::default(),
        })
    }

    /// The next datagram; `None` at the end of the file, and for ever after an error.
    ///
    /// # Errors
    /// [`CaptureError`] where the file is cut off or damaged, or cannot be read. Everything before
    /// was delivered. It is returned once.
    pub fn next_datagram(&mut self) -> Result<Option<Datagram<'_>>, CaptureError> {
        loop {
            match self.advance()? {
                Reached::Datagram(udp, assembled) => {
                    return Ok(Some(self.deliver(udp, assembled)));
                }
                Reached::KeyLog => {}
                Reached::End => return Ok(None),
            }
        }
    }

    /// The next datagram, or the next key log; `None` at the end of the file, and for ever after an
    /// error.
    ///
    /// # Errors
    /// As [`Self::next_datagram`].
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, CaptureError> {
        Ok(match self.advance()? {
            Reached::Datagram(udp, assembled) => Some(Item::Datagram(self.deliver(udp, assembled))),
            Reached::KeyLog => Some(Item::KeyLog(self.packets.key_log())),
            Reached::End => None,
        })
    }

    #[inline]
    fn advance(&mut self) -> Result<Reached, CaptureError> {
        loop {
            let step = self.packets.step();
            if !matches!(step, Ok(Step::Packet)) {
                match step {
                    Ok(Step::KeyLog) => {
                        self.statistics.key_logs += 1;
                        return Ok(Reached::KeyLog);
                    }
                    Ok(Step::UnreadKeyLog) => {
                        self.statistics.unread_key_logs += 1;
                        continue;
                    }
                    Ok(Step::Packet | Step::End) | Err(_) => {
                        self.reassembly.finish(&mut self.statistics.fragments);
                        return step.map(|_| Reached::End);
                    }
                }
            }
            let packet = self.packets.current();
            self.statistics.packets += 1;
            self.statistics.untimed += u64::from(!packet.timed);
            match dissect(&packet) {
                Ok(Dissected::Datagram(udp)) => return Ok(Reached::Datagram(udp, false)),
                Ok(Dissected::Fragment {
                    vlan,
                    packet: ip,
                    fragment,
                }) => {
                    let key = Key {
                        interface: packet.interface,
                        vlan,
                        source: ip.source,
                        destination: ip.destination,
                        identification: fragment.identification,
                        protocol: ip.protocol,
                    };
                    let outcome = self.reassembly.add(
                        key,
                        &ip,
                        fragment,
                        packet.time,
                        &mut self.statistics.fragments,
                    );
                    let Outcome::Complete(payload) = outcome else {
                        continue;
                    };
                    match reassembled(&key, &payload) {
                        Ok(udp) => {
                            self.assembled = payload;
                            return Ok(Reached::Datagram(udp, true));
                        }
                        Err(why) => count(&mut self.statistics, why, &packet),
                    }
                }
                Err(why) => count(&mut self.statistics, why, &packet),
            }
        }
    }

    /// What was read so far.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The comments on the packet that was delivered last; of a datagram in fragments, on its last piece.
    #[must_use]
    pub fn comments(&self) -> Vec<Cow<'_, str>> {
        self.packets.current().comments()
    }

    /// Bytes of the file that were read and understood so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.packets.bytes_read()
    }

    #[inline]
    fn deliver(&mut self, udp: Udp, assembled: bool) -> Datagram<'_> {
        self.statistics.datagrams += 1;
        self.statistics.cut += u64::from(udp.captured < udp.wire_length);
        let packet = self.packets.current();
        let bytes = if assembled {
            &self.assembled
        } else {
            packet.data
        };
        Datagram {
            number: packet.number,
            time: packet.time,
            source: udp.source,
            destination: udp.destination,
            payload: &bytes[udp.offset..udp.offset + udp.captured],
            length: udp.wire_length,
        }
    }
}

/// The datagram in an IP payload that was put together.
fn reassembled(key: &Key, payload: &[u8]) -> Result<Udp, Unusable> {
    let packet = extensions(IpPacket {
        source: key.source,
        destination: key.destination,
        protocol: key.protocol,
        offset: 0,
        payload,
        length: payload.len(),
        fragment: None,
    })?;
    let mut udp = udp(&packet)?;
    udp.offset += packet.offset;
    Ok(udp)
}

#[cold]
fn count(statistics: &mut Statistics, why: Unusable, packet: &RawPacket<'_>) {
    match why {
        Unusable::Link => {
            statistics.unsupported_link += 1;
            statistics.unsupported_link_type.get_or_insert(packet.link);
        }
        Unusable::NotIp => statistics.not_ip += 1,
        Unusable::NotUdp => statistics.not_udp += 1,
        Unusable::Cut => statistics.headers_cut += 1,
        Unusable::MalformedLink => statistics.malformed_link += 1,
        Unusable::MalformedIp => statistics.malformed_ip += 1,
        Unusable::MalformedUdp => statistics.malformed_udp += 1,
    }
}
