use serde_json::{Map, Value};
use shakedown_wire::DecodeError;

use crate::vocabulary::{Described, Vocabulary, WordError};

pub(super) struct Words;

impl Vocabulary for Words {
    fn frames(&self) -> &'static [&'static str] {
        &[
            "START",
            "data",
            "fragment",
            "SYN",
            "SYN-ACK",
            "ACK",
            "connection-id",
        ]
    }

    fn fields(&self, _frame: &str) -> Result<&'static [&'static str], WordError> {
        todo!()
    }

    fn encode(&self, _frame: &str, _fields: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
        todo!()
    }

    fn decode(&self, _datagram: &[u8]) -> Result<Option<Described>, DecodeError> {
        todo!()
    }

    fn locate(&self, _frame: &str, _field: &str, _datagram: &[u8]) -> Option<(usize, usize)> {
        todo!()
    }
}
