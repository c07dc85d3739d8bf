//! The datagrams of one frame: MS-D-02 within a frame, frames sent twice (MS-D-01), and their size (MS-D-13).

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::time::Moment;
use super::view::{FRAGMENT_OFFSET, Media, QPC, SEQUENCE};
use crate::monitor::NetworkCounts;

/// How many bytes at either end of a payload tell it from others.
const ENDS: usize = 32;

/// How many datagrams of a frame are remembered, to tell repetitions.
const PRINTS: usize = 4;

/// One frame as its datagrams came.
///
/// MS-D-02 at the sender (elsewhere counted as reordered, and a doubt):
/// - fragments: a FragmentOffset that is not above that of the fragment before it;
/// - a plain split has no positions. Its datagrams came in another order if their lengths are those
///   of the other frames in another order, or if QPC falls from one to the next while the lengths
///   do not tell them apart. (If the lengths stand as in the other frames and QPC falls, the clock
///   fell: MS-D-04.)
///
/// MS-D-01 at the sender (elsewhere counted as repeated, and a doubt): a datagram of a plain frame
/// is there twice, and the frame is longer than the others by just that, or the others are of one
/// datagram each. (Two parts of a split may be equal in every byte.)
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameSeen {
    pub(super) sequence: u64,
    at: Moment,
    bytes: u64,
    parts: u32,
    /// Lengths of the parts in their order.
    shape: u64,
    first_length: usize,
    are_equal: bool,
    prints: [u64; PRINTS],
    doubled: Option<(Moment, u64)>,
    /// QPC of the newest part.
    qpc: Option<u64>,
    fell: Option<Moment>,
    /// TotalLength and FragmentOffset of the newest part.
    position: Option<(u64, u64)>,
}

impl FrameSeen {
    pub(super) fn new(sequence: u64, media: &Media<'_>, now: &Moment) -> Self {
        let mut prints = [0; PRINTS];
        prints[0] = print(media);
        Self {
            sequence,
            at: *now,
            bytes: media.length as u64,
            parts: 1,
            shape: mix(0, media.length as u64),
            first_length: media.length,
            are_equal: true,
            prints,
            doubled: None,
            qpc: media.clock.map(|(qpc, _)| qpc),
            fell: None,
            position: media.position,
        }
    }

    /// MS-D-13, where the stream is known: at the sender (elsewhere a doubt), a frame whose datagrams have
    /// another size in all than the stream says. A quotient that is not whole may be rounded either way.
    pub(super) fn size(&self, scope: &mut Scope<'_>) {
        let Some(stream) = scope.stream.filter(|_| self.doubled.is_none()) else {
            return;
        };
        scope.exercised(Rule::D13);
        let right = stream.frame_bytes();
        let per_frame = 8 * u64::from(stream.frames_per_second.max(1));
        let most = right + u64::from(!stream.bits_per_second.is_multiple_of(per_frame));
        if !(right..=most).contains(&self.bytes) {
            // MS-D-13
            scope.breach_unless_network(Rule::D13, || {
                let want = format!("{right} bytes in frame {}, headers included", self.sequence);
                Evidence::new(want, format!("{} bytes", self.bytes)).at(&self.at)
            });
        }
    }

    /// TotalLength of the fragments so far.
    pub(super) fn total_length(&self) -> Option<u64> {
        self.position.map(|(_, total)| total)
    }

    /// A later part, in order; `qpc` as it was meant.
    pub(super) fn add(
        &mut self,
        media: &Media<'_>,
        qpc: Option<u64>,
        network: &mut NetworkCounts,
        scope: &mut Scope<'_>,
    ) {
        if self.parts == 1 && self.position.is_some() {
            scope.exercised(Rule::D02);
        }
        if let (Some((offset, _)), Some((before, _))) = (media.position, self.position)
            && offset <= before
        {
            network.reordered += 1;
            // MS-D-02
            scope.breach_unless_network(Rule::D02, || {
                let want = format!("a FragmentOffset above {before}");
                Evidence::new(want, format!("FragmentOffset {offset}")).field(FRAGMENT_OFFSET)
            });
        }
        let print = print(media);
        let known = &self.prints[..PRINTS.min(self.parts as usize)];
        if self.doubled.is_none() && media.position.is_none() && known.contains(&print) {
            self.doubled = Some((scope.now, media.length as u64));
        }
        if let Some(slot) = self.prints.get_mut(self.parts as usize) {
            *slot = print;
        }
        if let (Some(qpc), Some(before), None) = (qpc, self.qpc, self.fell)
            && qpc < before
        {
            self.fell = Some(scope.now);
        }
        self.qpc = qpc.or(self.qpc);
        self.are_equal &= media.length == self.first_length;
        self.shape = mix(self.shape, media.length as u64);
        self.bytes += media.length as u64;
        self.parts += 1;
        self.position = media.position.or(self.position);
    }

    /// A part that came after a later frame began.
    pub(super) const fn add_late(&mut self, media: &Media<'_>) {
        self.bytes += media.length as u64;
        self.parts += 1;
    }

    /// Whether it is longer than a usual frame by some datagrams of `length` bytes.
    fn is_longer_by(&self, length: u64, model: &Model) -> bool {
        let surplus = self.bytes.saturating_sub(model.bytes);
        surplus > 0 && length > 0 && surplus.is_multiple_of(length)
    }

    /// Whether a datagram that comes late is a part that the frame still lacks.
    pub(super) fn lacks(&self, media: &Media<'_>, usual: Option<u64>) -> bool {
        if let (Some((offset, _)), Some((newest, total))) = (media.position, self.position) {
            return offset != newest && offset.saturating_add(media.payload.len() as u64) <= total;
        }
        usual.is_some_and(|usual| self.bytes + media.length as u64 <= usual)
    }
}

/// What the frames of a stream have in common.
#[derive(Debug, Default)]
pub(super) struct TypicalFrame {
    /// A frame that is beyond suspicion.
    model: Option<Model>,
    /// A frame that may be in disorder, from before there was a model.
    held: Option<FrameSeen>,
}

#[derive(Debug, Clone, Copy)]
struct Model {
    bytes: u64,
    parts: u32,
    shape: u64,
}

impl TypicalFrame {
    /// Bytes of a usual frame, headers included, if that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.model.map(|model| model.bytes)
    }

    /// A frame is complete.
    pub(super) fn complete(
        &mut self,
        frame: &FrameSeen,
        network: &mut NetworkCounts,
        scope: &mut Scope<'_>,
    ) {
        if frame.position.is_some() {
            return;
        }
        let model = match (self.model, self.held.take()) {
            (Some(model), _) => model,
            (None, None) if frame.doubled.is_some() || frame.fell.is_some() => {
                self.held = Some(*frame);
                return;
            }
            (None, held) => {
                let model = Model {
                    bytes: frame.bytes,
                    parts: frame.parts,
                    shape: frame.shape,
                };
                self.model = Some(model);
                if let Some(held) = held {
                    judge(&held, &model, network, scope);
                }
                model
            }
        };
        judge(frame, &model, network, scope);
    }

    /// The session is over.
    pub(super) fn close(&mut self, scope: &mut Scope<'_>) {
        let stream = scope.stream.map(|stream| stream.frame_bytes());
        if let (Some(held), Some(bytes)) = (self.held.take(), stream)
            && held.bytes > bytes
            && let Some((at, _)) = held.doubled
        {
            repeated(&held, &at, scope);
        }
    }
}

fn judge(frame: &FrameSeen, model: &Model, network: &mut NetworkCounts, scope: &mut Scope<'_>) {
    if let Some((at, length)) = frame.doubled
        && (frame.is_longer_by(length, model) || model.parts == 1)
    {
        network.repeated += 1;
        repeated(frame, &at, scope);
        return;
    }
    if frame.parts < 2 {
        return;
    }
    scope.exercised(Rule::D02);
    let is_permuted =
        frame.bytes == model.bytes && frame.parts == model.parts && frame.shape != model.shape;
    if is_permuted || (frame.fell.is_some() && frame.are_equal) {
        network.reordered += 1;
        // MS-D-02
        scope.breach_unless_network(Rule::D02, || {
            let want = format!("the datagrams of frame {} in offset order", frame.sequence);
            let got = if is_permuted {
                "their lengths in another order than in other frames"
            } else {
                "a later QPC before an earlier one"
            };
            Evidence::new(want, got).at(&frame.at)
        });
    } else if let Some(at) = frame.fell {
        // MS-D-04
        scope.breach(Rule::D04, || {
            let want = format!("QPC that does not fall within frame {}", frame.sequence);
            Evidence::new(want, "a lower QPC than in the datagram before")
                .at(&at)
                .field(QPC)
        });
    }
}

fn repeated(frame: &FrameSeen, at: &Moment, scope: &mut Scope<'_>) {
    // MS-D-01
    scope.breach_unless_network(Rule::D01, || {
        let want = format!("SequenceNumber {}", frame.sequence.saturating_add(1));
        let got = format!("SequenceNumber {} again, the same datagram", frame.sequence);
        Evidence::new(want, got).at(at).field(SEQUENCE)
    });
}

/// What tells two datagrams apart: lengths, the sender's clock and both ends of the payload.
fn print(media: &Media<'_>) -> u64 {
    let mut print = mix(0x9e37_79b9, media.length as u64);
    if let Some((qpc, _)) = media.clock {
        print = mix(print, qpc);
    }
    let payload = media.payload;
    let head = &payload[..payload.len().min(ENDS)];
    let tail = &payload[payload.len().saturating_sub(ENDS)..];
    let words = head.chunks(8).chain(tail.chunks(8)).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    words.fold(print, mix)
}

/// One step of FNV-1a over a whole word.
const fn mix(hash: u64, value: u64) -> u64 {
    (hash ^ value ^ 0xcbf2_9ce4_8422_2325).wrapping_mul(0x0000_0100_0000_01b3)
}
