use shakedown_wire::DecodeError;

/// The bytes of a stream, of which items are taken from the front once they are whole. It holds the
/// bytes of the item that is not, and no more: whatever length is announced.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    pending: Vec<u8>,
    offset: usize,
}

impl Items {
    /// Takes the next bytes. `item` is given what there is of the next item and its offset in the
    /// stream, and says how long it was; `None` if there is too little of it.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        mut item: impl FnMut(&[u8], usize) -> Result<Option<usize>, DecodeError>,
    ) -> Result<(), DecodeError> {
        let joined;
        let mut rest = match self.pending.as_slice() {
            [] => bytes,
            [_, ..] => {
                self.pending.extend_from_slice(bytes);
                joined = std::mem::take(&mut self.pending);
                &joined
            }
        };
        while let Some(length) = item(rest, self.offset)? {
            self.offset += length;
            rest = rest.get(length..).unwrap_or_default();
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    /// What is there of an item that is not whole.
    pub(super) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Where it begins in the stream.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }
}
