//! QPACK's dynamic tables (RFC 9204, section 3.2), as who watches a connection reads them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use shakedown_wire::quic::Role;
use shakedown_wire::{DecodeError, Fault};

use super::field_section;
use super::prefixed::{Prefixed, decoded, invalid};
use super::{Field, Setting, Settings};

/// What an entry takes besides its name and value, in bytes.
const OVERHEAD: usize = 32;

/// Most bytes of an instruction that is not whole: the largest table that is followed.
const MOST_PENDING: usize = 65_536;

/// The dynamic tables of both ends of a connection. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct HeaderTables(Arc<Mutex<[DynamicTable; 2]>>);

/// The dynamic table that an end fills and that its header fields refer to.
#[derive(Debug, Default)]
pub(crate) struct DynamicTable {
    /// The oldest first.
    entries: VecDeque<Field>,
    /// How many were ever inserted.
    inserted: usize,
    /// What its entries take, in bytes, and the most that they may take.
    size: usize,
    capacity: usize,
    /// The most that the other end allows for the capacity.
    limit: usize,
    /// The beginning of an instruction.
    pending: Vec<u8>,
}

impl HeaderTables {
    /// An end says how large the other one's table may be.
    pub(crate) fn settings(&self, by: Role, settings: &Settings) {
        let most = settings.get(Setting::QpackMaxTableCapacity);
        let most = most.and_then(|most| usize::try_from(most).ok());
        self.of(by.peer(), |table| table.limit = most.unwrap_or_default());
    }

    /// Takes the next bytes of an end's encoder stream.
    ///
    /// # Errors
    /// They are no instructions: its table is not known from there on.
    pub(crate) fn instructions(&self, by: Role, bytes: &[u8]) -> Result<(), DecodeError> {
        self.of(by, |table| {
            let taken = table.take(bytes);
            if taken.is_err() {
                *table = DynamicTable::default();
            }
            taken
        })
    }

    /// The fields of a section that an end says; `None` if entries of the table are missing.
    ///
    /// # Errors
    /// As [`field_section::decode`].
    pub(crate) fn decode(
        &self,
        by: Role,
        section: &[u8],
    ) -> Result<Option<Vec<Field>>, DecodeError> {
        self.of(by, |table| field_section::decode(section, table))
    }

    fn of<T>(&self, by: Role, with: impl FnOnce(&mut DynamicTable) -> T) -> T {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        with(&mut tables[by.index()])
    }
}

impl DynamicTable {
    /// How many entries were ever inserted.
    pub(super) const fn inserted(&self) -> usize {
        self.inserted
    }

    /// The entry that was inserted after so many others, if it is still there.
    pub(super) fn entry(&self, number: usize) -> Option<&Field> {
        let oldest = self.inserted - self.entries.len();
        self.entries.get(number.checked_sub(oldest)?)
    }

    /// How many entries must be inserted for a section that begins with this number (section 4.5.1.1).
    ///
    /// # Errors
    /// No table of this size can be meant.
    pub(super) fn required(&self, encoded: usize) -> Result<usize, DecodeError> {
        if encoded == 0 {
            return Ok(0);
        }
        let most_entries = self.limit / OVERHEAD;
        let range = 2 * most_entries;
        if encoded > range {
            return Err(invalid(0, "refers to a dynamic table"));
        }
        let most = self.inserted + most_entries;
        let required = most / range * range + encoded - 1;
        let required = match required > most {
            true => required.checked_sub(range),
            false => Some(required),
        };
        required
            .filter(|required| *required > 0)
            .ok_or_else(|| invalid(0, "refers to entries that there cannot be"))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.pending.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        while !rest.is_empty() {
            match self.instruction(rest) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(error) if !matches!(error.fault, Fault::Truncated { .. }) => return Err(error),
                Err(error) if rest.len() > MOST_PENDING => return Err(error),
                Err(_) => break,
            }
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    /// Carries out an instruction (section 4.3); returns how many bytes it has.
    fn instruction(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut reader = Prefixed::new(bytes);
        let first = reader.peek().unwrap_or_default();
        let latest = |index: usize| self.inserted.checked_sub(index + 1);
        let missing = || invalid(0, "refers to an entry that is not there");
        match first.leading_zeros() {
            0 => {
                let index = reader.integer(6)?;
                let name = match first & 0x40 != 0 {
                    true => static_name(index)?,
                    false => {
                        let entry = latest(index).and_then(|entry| self.entry(entry));
                        entry.ok_or_else(missing)?.0.clone()
                    }
                };
                let value = reader.text(7)?;
                self.insert((name, value))?;
            }
            1 => {
                let name = reader.text(5)?;
                let value = reader.text(7)?;
                self.insert((name, value))?;
            }
            2 => {
                self.capacity = reader.integer(5)?;
                if self.capacity > self.limit {
                    return Err(invalid(0, "sets a capacity above what is allowed"));
                }
                self.evict(0);
            }
            _ => {
                let index = reader.integer(5)?;
                let entry = latest(index).and_then(|entry| self.entry(entry));
                let entry = entry.ok_or_else(missing)?.clone();
                self.insert(entry)?;
            }
        }
        Ok(reader.offset())
    }

    fn insert(&mut self, entry: Field) -> Result<(), DecodeError> {
        let size = size(&entry);
        if size > self.capacity {
            return Err(invalid(0, "inserts an entry above the capacity"));
        }
        self.evict(size);
        self.size += size;
        self.entries.push_back(entry);
        self.inserted += 1;
        Ok(())
    }

    /// Drops the oldest entries until there is room for so many bytes.
    fn evict(&mut self, room: usize) {
        while self.size + room > self.capacity
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= size(&oldest);
        }
    }
}

fn size((name, value): &Field) -> usize {
    name.len() + value.len() + OVERHEAD
}

/// A name of the static table.
fn static_name(index: usize) -> Result<String, DecodeError> {
    // A line with this name and an empty value.
    let mut line = match u8::try_from(index) {
        Ok(index @ ..0x0f) => vec![0x50 | index],
        Ok(index) => vec![0x5f, index - 0x0f],
        Err(_) => return Err(invalid(0, "refers to an entry that is not there")),
    };
    line.push(0);
    decoded(&line, 0).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use rstest::rstest;

    use super::*;

    fn table(capacity: usize) -> HeaderTables {
        let tables = HeaderTables::default();
        let most = Setting::QpackMaxTableCapacity.number();
        tables.settings(Role::Server, &Settings::of(vec![(most, capacity as u64)]));
        tables
    }

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).unwrap()
    }

    fn read(tables: &HeaderTables, section: &str) -> Option<String> {
        let fields = tables.decode(Role::Client, &bytes(section)).unwrap()?;
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        Some(fields.collect::<Vec<_>>().join(" "))
    }

    /// The session of RFC 9204, appendix B.2 to B.5: what comes on the encoder stream, and what a section says then.
    const SESSION: [(&str, &str, &str); 4] = [
        (
            "3fbd01 c00f7777772e6578616d706c652e636f6d c10c2f73616d706c652f70617468",
            "0381 10 11",
            ":authority=www.example.com :path=/sample/path",
        ),
        (
            "4a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            "0400 80",
            "custom-key=custom-value",
        ),
        (
            "02",
            "0500 80 c1 81",
            ":authority=www.example.com :path=/ custom-key=custom-value",
        ),
        (
            "810d637573746f6d2d76616c756532",
            "0600 80",
            "custom-key=custom-value2",
        ),
    ];

    #[rstest]
    fn the_examples_of_rfc_9204_appendix_b_are_read(#[values(1, 2, 3, 1_000)] pieces: usize) {
        let tables = table(220);
        for (instructions, section, fields) in SESSION {
            for piece in bytes(instructions).chunks(pieces) {
                tables.instructions(Role::Client, piece).unwrap();
            }
            assert_eq!(read(&tables, section).as_deref(), Some(fields));
        }
        // The last one took the place of the first.
        assert_eq!(read(&tables, "0600 84"), None);
    }

    #[test]
    fn a_section_waits_for_entries_that_come_later() {
        let tables = table(220);
        let (instructions, section, fields) = SESSION[0];
        assert_eq!(read(&tables, section), None);
        tables
            .instructions(Role::Client, &bytes(instructions))
            .unwrap();
        assert_eq!(read(&tables, section).as_deref(), Some(fields));
    }

    #[rstest]
    #[case::a_capacity_above_the_limit("3fbe01")]
    #[case::an_entry_above_the_capacity("c0 00")]
    #[case::a_static_name_that_is_none("3fbd01 ff40 00")]
    #[case::a_name_that_is_not_there("3fbd01 80 00")]
    #[case::a_duplicate_of_nothing("3fbd01 00")]
    #[case::a_number_above_all("3fffffffffff")]
    fn what_is_no_instruction_is_an_error(#[case] instructions: &str) {
        let tables = table(220);
        assert!(
            tables
                .instructions(Role::Client, &bytes(instructions))
                .is_err()
        );
    }

    #[test]
    fn tables_of_both_ends_are_two() {
        let tables = table(220);
        tables
            .instructions(Role::Client, &bytes(SESSION[0].0))
            .unwrap();
        let section = bytes(SESSION[0].1);
        assert!(tables.decode(Role::Server, &section).is_err());
    }

    #[test]
    fn a_capacity_of_0_empties_the_table() {
        let tables = table(220);
        tables
            .instructions(Role::Client, &bytes(SESSION[0].0))
            .unwrap();
        tables.instructions(Role::Client, &[0x20]).unwrap();
        assert_eq!(read(&tables, SESSION[0].1), None);
    }

    proptest! {
        #[test]
        fn a_table_never_holds_more_than_its_capacity(
            instructions in vec(vec(any::<u8>(), 0..40), 0..8),
            section in vec(any::<u8>(), 0..40),
        ) {
            let tables = table(220);
            for piece in [bytes("3fbd01")].iter().chain(&instructions) {
                let _ = tables.instructions(Role::Client, piece);
                let _ = tables.decode(Role::Client, &section);
                tables.of(Role::Client, |table| {
                    let held: usize = table.entries.iter().map(size).sum();
                    assert_eq!(table.size, held);
                    assert!(held <= table.capacity && table.capacity <= table.limit);
                    assert!(table.entries.len() <= table.inserted);
                });
            }
        }
    }
}
