//! Faulty twins of the reference.

crate::twin::twins! {
    pub(super) struct Deviations;

    StartBeginsAnew = "MS-L-04": "a START token on a tuple that streams begins the stream anew",
    SynOnce = "MS-H-03": "an unanswered SYN is not sent again",
    RepeatedSynBeginsAnew = "MS-H-08": "a repeated SYN is a new request: another SYN-ACK, another session",
    AckOfAnotherId = "MS-H-09": "the ACK bears another id than the assigned one",
    AckOnce = "MS-H-11": "a repeated SYN-ACK is not answered",
    AnyAckCompletes = "MS-H-12": "an ACK with whatever id completes the handshake",
    MediaBeforeAck = "MS-H-15": "media flows before the ACK",
    UnnamedOptimisticMedia = "MS-H-16": "optimistic media bears no connection-id before the ACK",
    SynAckOnce = "MS-H-18": "SYN-ACK is sent once, and the half-open session waits for its age",
    MediaBeforeConfirm = "MS-S-04": "media flows before the START_CONFIRM, though START_ACK did not say so",
    StartOnce = "MS-S-08": "an unanswered START (`0x0200`) is not sent again",
    RepeatedStartBeginsAnew = "MS-S-11": "a repeated START (`0x0200`) is a new request: another START_ACK",
    ConfirmOnce = "MS-S-12": "a repeated START_ACK is not answered",
    StartAckOnce = "MS-S-13": "START_ACK is sent once, and the half-open session waits for its age",
}
