//! What media carries: MS-W-09, MS-D-03 and MS-D-11.

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::time::Moment;
use super::view::{Media, field};
use crate::mediastream::frame::Header;
use crate::mediastream::pattern;

/// Shortest payload that says anything about a pattern, in bytes.
const TELLING: usize = 8;

/// Fewest datagrams with the pattern that make it evident, and the bytes in them, of which it is no accident.
const EVIDENT: u64 = 3;
const EVIDENT_BYTES: usize = 64;

/// Whether the stream verifies its payload, and where it is wrong then.
///
/// MS-W-09, any vantage: a data datagram of at most 26 bytes on the wire, a fragment of at most 42.
/// What the capture lacks of a datagram is not missing on the wire.
///
/// MS-D-03, any vantage: the same in a later datagram of a frame that is split: the rest was too
/// small. It never comes without MS-W-09.
///
/// MS-D-11, any vantage: a payload that is not the counter pattern, in a stream that evidently uses
/// it: at least three datagrams (of 8 or more bytes) match, with 64 bytes together, or the
/// payload counts by one and only starts elsewhere or is big-endian. Whatever else a stream
/// carries is its own affair. Of a cut datagram what is there is compared, and the rest is a doubt.
#[derive(Debug, Default)]
pub(super) struct Payload {
    cut: Option<Moment>,
    matching: u64,
    matching_bytes: usize,
    first_difference: Option<Difference>,
}

#[derive(Debug, Clone, Copy)]
struct Difference {
    at: Moment,
    offset: usize,
    expected: u8,
    got: u8,
}

impl Payload {
    /// Any datagram; `is_rest` if it is not the first of its frame.
    #[inline]
    pub(super) fn observe(&mut self, media: &Media<'_>, is_rest: bool, scope: &mut Scope<'_>) {
        scope.exercised(Rule::W09);
        if is_rest {
            scope.exercised(Rule::D03);
        }
        if media.payload_length.unwrap_or(0) == 0 {
            empty(media, is_rest, scope);
            return;
        }
        if media.payload_length > Some(media.payload.len()) {
            self.cut.get_or_insert(scope.now);
        }
        if media.payload.len() >= TELLING {
            self.compare(media, scope);
        }
    }

    /// The session is over.
    pub(super) fn close(&mut self, scope: &mut Scope<'_>) {
        self.settle(scope);
        if let Some(at) = self.cut.filter(|_| self.is_evident()) {
            let why = "the capture lacks the rest";
            scope.doubt(Rule::D11, why, || {
                let want = "the counter pattern to the end of the payload";
                Evidence::new(want, "a part of it").at(&at)
            });
        }
    }

    fn compare(&mut self, media: &Media<'_>, scope: &mut Scope<'_>) {
        let Some(offset) = pattern::first_difference(media.payload) else {
            self.matching += 1;
            self.matching_bytes += media.payload.len();
            if self.is_evident() {
                scope.exercised(Rule::D11);
                self.settle(scope);
            }
            return;
        };
        let difference = Difference {
            at: scope.now,
            offset: media.header_length() + offset,
            expected: pattern::prefix(media.payload.len())[offset],
            got: media.payload[offset],
        };
        if counts(media.payload) {
            report(&difference, scope);
            return;
        }
        self.first_difference.get_or_insert(difference);
    }

    /// Tells the first difference once the pattern is evident.
    fn settle(&mut self, scope: &mut Scope<'_>) {
        if self.is_evident()
            && let Some(difference) = self.first_difference.take()
        {
            report(&difference, scope);
        }
    }

    const fn is_evident(&self) -> bool {
        self.matching >= EVIDENT && self.matching_bytes >= EVIDENT_BYTES
    }
}

fn report(difference: &Difference, scope: &mut Scope<'_>) {
    // MS-D-11
    scope.breach(Rule::D11, || {
        let Difference {
            at,
            offset,
            expected,
            got,
        } = difference;
        let want = format!("the counter pattern: {expected:#04x} at offset {offset}");
        Evidence::new(want, format!("{got:#04x}"))
            .at(at)
            .field(field("payload", *offset, 1))
    });
}

fn empty(media: &Media<'_>, is_rest: bool, scope: &mut Scope<'_>) {
    let evidence = || {
        let want = format!(
            "at least {} bytes: a header and a byte of payload",
            media.header_length() + 1
        );
        Evidence::new(want, format!("{} bytes", media.length)).field(field(
            "payload",
            media.length.min(Header::LENGTH),
            0,
        ))
    };
    // MS-W-09
    scope.breach(Rule::W09, evidence);
    if is_rest {
        // MS-D-03
        scope.breach(Rule::D03, evidence);
    }
}

/// Whether a payload of at least 16 bytes counts by one in 16-bit steps, from anywhere and in
/// either byte order.
fn counts(payload: &[u8]) -> bool {
    let steps = |read: fn([u8; 2]) -> u16| {
        let mut numbers = payload.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        let mut before = numbers.next().unwrap_or_default();
        numbers.all(|number| {
            let follows = number == before.wrapping_add(1);
            before = number;
            follows
        })
    };
    payload.len() >= 16 && (steps(u16::from_le_bytes) || steps(u16::from_be_bytes))
}
