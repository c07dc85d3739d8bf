use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use crate::{CaptureError, CaptureWriter, Packets, WriteError};

/// Bytes of packets that may wait for their turn.
const MAX_WAITING: usize = 64 << 20;

/// Why packets could not be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The capture cannot be read.
    #[error(transparent)]
    Read(#[from] CaptureError),
    /// The selection cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A packet is not there, or comes so much later than its turn that too many wait for it.
    #[error("packet {0} of the capture does not come at its turn")]
    OutOfTurn(u64),
}

/// Writes packets of a capture in the order in which `numbers` names them, each once, with their
/// times; a packet whose time lies before that of the one before it gets that one's.
///
/// One pass over the capture; packets wait in memory, within bounds, for those that are named
/// before them.
///
/// # Errors
/// [`SelectError`]; what was written until then is of no use.
pub fn select<R: Read, W: Write>(
    numbers: &[u64],
    capture: R,
    copy: &mut CaptureWriter<W>,
) -> Result<(), SelectError> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut packets = Packets::open(capture)?;
    let mut waiting: BTreeMap<u64, (Duration, usize, Vec<u8>)> = BTreeMap::new();
    let mut bytes = 0;
    let mut latest = Duration::ZERO;
    for number in numbers {
        while !waiting.contains_key(number) {
            let packet = packets.next_packet()?;
            let Some(packet) = packet.filter(|_| bytes <= MAX_WAITING) else {
                return Err(SelectError::OutOfTurn(*number));
            };
            if sorted.binary_search(&packet.number).is_ok() {
                bytes += packet.data.len();
                let wire_length = packet.wire_length as usize;
                let kept = (packet.time, wire_length, packet.data.to_vec());
                waiting.insert(packet.number, kept);
            }
        }
        if let Some((time, wire_length, data)) = waiting.remove(number) {
            bytes -= data.len();
            latest = latest.max(time);
            copy.write_packet(latest, &data, wire_length, &[])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriterSettings;

    fn writer() -> CaptureWriter<Vec<u8>> {
        CaptureWriter::new(Vec::new(), &WriterSettings::default()).expect("memory")
    }

    fn selected(numbers: &[u64]) -> Result<Vec<(Vec<u8>, u64)>, SelectError> {
        let mut capture = writer();
        for number in 1..=5_u8 {
            let time = Duration::from_secs(number.into());
            capture
                .write_packet(time, &[number; 3], 4, &[])
                .expect("memory");
        }
        let mut copy = writer();
        select(numbers, &capture.into_inner()[..], &mut copy)?;
        let file = copy.into_inner();
        let mut packets = Packets::open(&file[..]).expect("a capture");
        let mut all = Vec::new();
        while let Some(packet) = packets.next_packet().expect("undamaged") {
            assert_eq!(packet.wire_length, 4);
            all.push((packet.data.to_vec(), packet.time.as_secs()));
        }
        Ok(all)
    }

    #[test]
    fn packets_are_written_in_the_order_in_which_they_are_named() {
        let all = selected(&[2, 1, 5]).expect("all are there");
        assert_eq!(all, [(vec![2; 3], 2), (vec![1; 3], 2), (vec![5; 3], 5)]);
    }

    #[test]
    fn a_packet_that_is_not_there_is_told() {
        assert!(matches!(selected(&[1, 6]), Err(SelectError::OutOfTurn(6))));
    }

    #[test]
    fn a_packet_that_is_named_again_is_told() {
        assert!(matches!(selected(&[1, 1]), Err(SelectError::OutOfTurn(1))));
    }
}
