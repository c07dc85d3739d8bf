//! What the bodies of fuzz targets have in common.

use crate::Protocol;
use crate::monitor::{Finding, Observation};

/// What a monitor may say, whatever it saw: requirements that there are, packets and fields that
/// there were, and no more than the packets can give rise to.
#[derive(Debug)]
pub struct Audit {
    protocol: &'static Protocol,
    /// Most observations about one packet; the end may give as many for each packet.
    most: usize,
    newest: u64,
    /// Length of the newest packet's payload on the wire, in bytes, where it is what the monitor sees.
    length: Option<usize>,
    /// How many observations are still allowed.
    room: usize,
}

impl Audit {
    #[must_use]
    pub const fn new(protocol: &'static Protocol, most: usize) -> Self {
        Self {
            protocol,
            most,
            newest: 0,
            length: None,
            room: 0,
        }
    }

    /// The monitor is about to see the packet with this number and length in bytes.
    pub fn begin(&mut self, number: u64, length: Option<usize>) {
        self.newest = self.newest.max(number);
        self.length = length;
        self.room += self.most;
    }

    /// The capture is about to end.
    pub const fn end(&mut self) {
        self.room += self.most;
    }

    /// The monitor says this.
    pub fn hear(&mut self, said: &Observation) {
        let room = self.room.checked_sub(1);
        self.room = room.unwrap_or_else(|| {
            unreachable!("more is said than {} packets can give rise to", self.newest)
        });
        match said {
            Observation::Finding(finding) | Observation::Inconclusive(finding) => {
                self.check(finding);
            }
            Observation::Session(session) => {
                assert!((1..=self.newest).contains(&session.first_packet));
                assert!(self.length.is_none() || session.datagrams <= self.newest);
                session.judged.ids().for_each(|id| self.check_id(id));
            }
        }
    }

    fn check(&self, finding: &Finding) {
        self.check_id(finding.requirement);
        assert!(!finding.expected.is_empty() && !finding.got.is_empty());
        let Some(number) = finding.packet else {
            return;
        };
        assert!((1..=self.newest).contains(&number), "{finding:?}");
        let field = finding.field.filter(|_| number == self.newest);
        if let (Some(field), Some(length)) = (field, self.length) {
            assert!(field.offset + field.length <= length, "{finding:?}");
        }
    }

    fn check_id(&self, id: &str) {
        assert!(
            self.protocol.requirement(id).is_some(),
            "no requirement {id}"
        );
    }
}
