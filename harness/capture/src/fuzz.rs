//! Bodies of the fuzz targets of capture files: each takes any bytes and panics if what must hold does not.

use pcap_parser::{Block, PcapBlockOwned, PcapError};

use crate::{Capture, Packets};

/// The largest file that is compared.
const LARGEST: usize = 1 << 20;
/// Bytes before the options of an interface's description, and of a packet's block, in each order.
const INTERFACE: [u8; 8] = [1, 0, 0, 0, 0, 0, 4, 0];

/// Takes the bytes as a capture file, whose packets are those that another reader finds if nothing
/// is wrong with it, as far as both read.
///
/// # Panics
/// If they are not.
pub fn differential(bytes: &[u8]) {
    let mut ours = Vec::new();
    let Ok(mut packets) = Packets::open(bytes) else {
        return;
    };
    loop {
        match packets.next_packet() {
            Ok(Some(packet)) => ours.push(packet.data.to_vec()),
            Ok(None) => break,
            // The other reader does not outlive every damaged file.
            Err(_) => return,
        }
    }
    let theirs = theirs(bytes);
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "packet {number}");
    }
}

/// What the other reader finds, up to what it does not read: obsolete blocks, and packets of which it gives more
/// or less than was captured.
fn theirs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let Ok(mut reader) = pcap_parser::create_reader(bytes.len().clamp(1, LARGEST), bytes) else {
        return found;
    };
    let mut snap_length = None;
    loop {
        let is_exhausted = reader.reader_exhausted();
        let length = match reader.next() {
            Ok((length, block)) => {
                match block {
                    PcapBlockOwned::Legacy(packet) => found.push(packet.data.to_vec()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let data = packet.data.get(..packet.caplen as usize);
                        found.push(data.unwrap_or(packet.data).to_vec());
                    }
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        snap_length.get_or_insert(interface.snaplen);
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                        let snapped = snap_length.filter(|length| *length > 0).unwrap_or(u32::MAX);
                        let kept = packet.origlen.min(snapped) as usize;
                        let Some(data) = packet.data.get(..kept) else {
                            return found;
                        };
                        found.push(data.to_vec());
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => snap_length = None,
                    PcapBlockOwned::NG(Block::Unknown(block)) if block.block_type == 2 => {
                        return found;
                    }
                    PcapBlockOwned::NG(_) | PcapBlockOwned::LegacyHeader(_) => {}
                }
                length
            }
            Err(PcapError::Incomplete(_)) if !is_exhausted => {
                if reader.refill().is_err() {
                    return found;
                }
                continue;
            }
            Err(_) => return found,
        };
        reader.consume(length);
    }
}

/// Takes the bytes as options: the first says in which order of bytes, and of what (an interface or a packet).
pub fn options(bytes: &[u8]) {
    let Some((first, options)) = bytes.split_first() else {
        return;
    };
    let is_big = first & 1 == 1;
    let u32 = |number: u32| match is_big {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    let block = |kind: u32, body: &[u8]| {
        let padded = [body, &[0; 3][..body.len().wrapping_neg() % 4]].concat();
        let length = u32(12 + padded.len() as u32);
        [&u32(kind)[..], &length, &padded, &length].concat()
    };
    let section = [
        &u32(0x1a2b_3c4d)[..],
        &u32(match is_big {
            true => 1 << 16,
            false => 1,
        }),
        &[0xff; 8],
    ]
    .concat();
    let (of_interface, of_packet) = match first & 2 {
        0 => (options, &[][..]),
        _ => (&[][..], options),
    };
    let interface = match is_big {
        true => [0, 1, 0, 0, 0, 0, 4, 0],
        false => INTERFACE,
    };
    let packet = [&[0; 12][..], &u32(4), &u32(4), &[1, 2, 3, 4], of_packet].concat();
    let file = [
        block(0x0a0d_0d0a, &section),
        block(1, &[&interface, of_interface].concat()),
        block(6, &packet),
    ];
    let file = file.concat();
    if let Ok(mut capture) = Capture::open(file.as_slice()) {
        while let Ok(Some(_)) = capture.next_item() {}
    }
    differential(&file);
}
