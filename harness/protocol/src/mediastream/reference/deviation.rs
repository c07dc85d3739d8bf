//! Faulty twins of the reference, for tests of what must find them.

/// A behaviour that the reference can be told to leave out: the setting `without` with the id of
/// the requirement that demands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deviation {
    /// An unanswered SYN is not sent again.
    SynOnce,
    /// A repeated SYN is a new request: another SYN-ACK, another session.
    RepeatedSynBeginsAnew,
    /// The ACK bears another id than the assigned one.
    AckOfAnotherId,
    /// A repeated SYN-ACK is not answered.
    AckOnce,
    /// An ACK with whatever id completes the handshake.
    AnyAckCompletes,
    /// Media flows before the ACK.
    MediaBeforeAck,
    /// Optimistic media bears no connection-id before the ACK.
    UnnamedOptimisticMedia,
    /// SYN-ACK is sent once, and the half-open session waits for its age.
    SynAckOnce,
    /// A START token on a tuple that streams begins the stream anew.
    StartBeginsAnew,
    /// Media flows before the START_CONFIRM, though START_ACK did not say so.
    MediaBeforeConfirm,
    /// An unanswered START (`0x0200`) is not sent again.
    StartOnce,
    /// A repeated START (`0x0200`) is a new request: another START_ACK.
    RepeatedStartBeginsAnew,
    /// A repeated START_ACK is not answered.
    ConfirmOnce,
    /// START_ACK is sent once, and the half-open session waits for its age.
    StartAckOnce,
}

impl Deviation {
    /// All of them, each with the requirement that it breaks.
    pub(super) const ALL: [(&'static str, Self); 14] = [
        ("MS-L-04", Self::StartBeginsAnew),
        ("MS-H-03", Self::SynOnce),
        ("MS-H-08", Self::RepeatedSynBeginsAnew),
        ("MS-H-09", Self::AckOfAnotherId),
        ("MS-H-11", Self::AckOnce),
        ("MS-H-12", Self::AnyAckCompletes),
        ("MS-H-15", Self::MediaBeforeAck),
        ("MS-H-16", Self::UnnamedOptimisticMedia),
        ("MS-H-18", Self::SynAckOnce),
        ("MS-S-04", Self::MediaBeforeConfirm),
        ("MS-S-08", Self::StartOnce),
        ("MS-S-11", Self::RepeatedStartBeginsAnew),
        ("MS-S-12", Self::ConfirmOnce),
        ("MS-S-13", Self::StartAckOnce),
    ];

    /// The one that breaks the requirement with this id.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub(super) fn of(requirement: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(id, _)| *id == requirement);
        known.map(|(_, deviation)| *deviation).ok_or_else(|| {
            let ids = Self::ALL.map(|(id, _)| id).join(", ");
            format!("is no behaviour that can be left out; there are {ids}")
        })
    }
}

/// A set of deviations; empty in the reference itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Deviations(u32);

impl Deviations {
    /// Leaves one behaviour out.
    pub(super) const fn add(&mut self, deviation: Deviation) {
        self.0 |= 1 << deviation as u32;
    }

    /// Whether it is left out.
    pub(super) const fn has(self, deviation: Deviation) -> bool {
        self.0 & 1 << deviation as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deviation_has_a_requirement_that_exists() {
        for (id, deviation) in Deviation::ALL {
            assert!(crate::mediastream::PROTOCOL.requirement(id).is_some());
            assert_eq!(Deviation::of(id), Ok(deviation));
            let mut some = Deviations::default();
            some.add(deviation);
            let found = Deviation::ALL.iter().filter(|(_, other)| some.has(*other));
            assert_eq!(found.count(), 1, "{id}");
        }
    }

    #[test]
    fn a_behaviour_that_cannot_be_left_out_is_refused_with_what_can() {
        let error = Deviation::of("MS-W-01").unwrap_err();
        assert!(error.starts_with("is no behaviour"), "{error}");
        assert!(error.contains("MS-H-18"), "{error}");
    }
}
