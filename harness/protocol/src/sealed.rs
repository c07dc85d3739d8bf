use serde_json::{Map, Value};
use shakedown_wire::DecodeError;

use crate::vocabulary::{Described, Vocabulary, WordError};

/// The words for datagrams that a network cannot read, since they are encrypted: each is a
/// `DATAGRAM`, so that exact faults name them by their numbers (`drop=DATAGRAM#3`).
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
