use shakedown_wire::{DecodeError, Fault, Rule};

shakedown_wire::codes! {
    /// Why a media stream was broken off (specification, section 3).
    pub enum StreamCode: u32 {
        Graceful = 0 "graceful",
        InvalidFormat = 1 "invalid stream format",
        AuthenticationFailed = 2 "authentication failed",
        QuotaExceeded = 3 "quota exceeded",
        InternalError = 4 "internal error",
    }
}

impl StreamCode {
    /// The code for a stream that cannot be read so: too long a payload is too much (DT-M-09), all else is
    /// a wrong format (DT-M-05).
    #[must_use]
    pub const fn of(error: &DecodeError) -> Self {
        match error.fault {
            Fault::Invalid {
                rule: Rule::Length, ..
            } => Self::QuotaExceeded,
            Fault::Invalid { .. } | Fault::Truncated { .. } => Self::InvalidFormat,
        }
    }
}
