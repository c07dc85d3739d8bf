//! What is seen of QUIC: the one vocabulary of stream events, from the capture that shows them to the
//! monitor that judges them.

mod event;
mod parameters;

pub use event::{
    Acknowledged, At, Carried, CloseCode, Event, EventKind, Flow, Level, Lost, Packet, Role,
    Unreadable, UnreadableReason,
};
pub use parameters::TransportParameters;

/// The protocols in a list of ALPN, each with a length byte before it; what is no list ends it.
pub fn protocols(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (protocol, after) = after.split_at_checked(length.into())?;
        rest = after;
        Some(protocol)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn protocols_are_listed() {
        let all: Vec<_> = super::protocols(b"\x02h3\x06proton\x09cut").collect();
        assert_eq!(all, [&b"h3"[..], b"proton"]);
    }
}
