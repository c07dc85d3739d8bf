use serde_json::{Map, Value};
use shakedown_protocol::vocabulary::{Described, Vocabulary, WordError};
use shakedown_wire::DecodeError;

/// The words for datagrams that the network cannot read, since they are encrypted: each is a
/// `DATAGRAM`, so that exact faults name them by their numbers (`lose=DATAGRAM#3`).
pub static SEALED: Sealed = Sealed;

/// See [`SEALED`].
#[derive(Debug, Clone, Copy)]
pub struct Sealed;

const DATAGRAM: &str = "DATAGRAM";

impl Vocabulary for Sealed {
    fn frames(&self) -> &'static [&'static str] {
        &[DATAGRAM]
    }

    fn fields(&self, frame: &str) -> Result<&'static [&'static str], WordError> {
        match frame {
            DATAGRAM => Ok(&[]),
            _ => Err(WordError::UnknownFrame {
                protocol: "QUIC",
                name: frame.to_owned(),
                known: self.frames().to_vec(),
            }),
        }
    }

    /// There is none to encode: what is in it is for the endpoints to say.
    fn encode(&self, frame: &str, _fields: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
        self.fields(frame)?;
        Err(WordError::BadValue {
            field: DATAGRAM.to_owned(),
            problem: "cannot be sent by itself: it is encrypted".to_owned(),
        })
    }

    fn decode(&self, _datagram: &[u8]) -> Result<Option<Described>, DecodeError> {
        Ok(Some(Described {
            frame: DATAGRAM,
            fields: Map::new(),
        }))
    }

    fn locate(&self, _frame: &str, _field: &str, _datagram: &[u8]) -> Option<(usize, usize)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shakedown_protocol::requirement::Role;

    use super::*;
    use crate::network::{Flaw, Impair, Network};

    #[test]
    fn datagrams_that_cannot_be_read_are_named_by_their_numbers() {
        let impair: Impair = "lose=DATAGRAM#2,late=responder:DATAGRAM#3+20ms"
            .parse()
            .unwrap();
        let mut network = Network::new(impair, &SEALED, 0);
        for (n, from) in [
            Role::Initiator,
            Role::Responder,
            Role::Responder,
            Role::Responder,
        ]
        .into_iter()
        .enumerate()
        {
            network.send(Duration::ZERO, from, n, vec![0xff; 3]);
        }
        let arrivals: Vec<_> = std::iter::from_fn(|| network.arrive(Duration::MAX))
            .map(|arrival| (arrival.tag, arrival.at.as_millis()))
            .collect();
        assert_eq!(arrivals, [(0, 0), (2, 0), (3, 20)]);
        assert_eq!(network.missed().count(), 0);
    }

    #[test]
    fn no_other_name_is_known() {
        let impair: Impair = "lose=EVENT#2".parse().unwrap();
        let flaws: Vec<Flaw> = impair.flaws(Some(&SEALED));
        assert!(
            flaws[0].message.contains("no frame is called `EVENT`"),
            "{flaws:?}"
        );
        assert!(SEALED.encode(DATAGRAM, &Map::new()).is_err());
    }
}
