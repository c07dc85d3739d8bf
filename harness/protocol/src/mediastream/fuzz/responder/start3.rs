//! What a responder of `start3` may send, and what its peer may tell it.

use crate::mediastream::frame::tlv::Tlvs;
use crate::mediastream::frame::{Frame, Start3};
use crate::mediastream::fuzz::talk;

/// Sends of one START_ACK that nobody asks for again (MS-S-13).
const SENDS: u32 = 3;

/// The numbers by which the frames of a session are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    stream_id: u64,
    nonce: u64,
    sender_nonce: u64,
}

impl Numbers {
    fn of(body: &Start3<'_>) -> Self {
        Self {
            stream_id: body.stream_id,
            nonce: body.nonce,
            sender_nonce: body.sender_nonce,
        }
    }

    /// Whether a START with these asks for this session.
    fn is_asked_by(self, start: Self) -> bool {
        (self.stream_id, self.nonce) == (start.stream_id, start.nonce)
    }

    fn body<'a>(self) -> Start3<'a> {
        Start3::new(self.stream_id, self.nonce, self.sender_nonce)
    }
}

/// What a sender leaves zero is zero (MS-W-10, MS-W-12), and the version is ours.
fn assert_clean(body: &Start3<'_>, flags: u16) {
    assert_eq!(body.header, Default::default(), "MS-W-10");
    assert_eq!(body.version, Start3::VERSION);
    assert_eq!((body.reserved, body.flags & !flags), (0, 0), "MS-W-12");
}

/// A Sender's session, as its Receiver sees it.
#[derive(Default)]
pub(super) struct Granted {
    /// STARTs of our version that went out.
    asked: Vec<Numbers>,
    /// What went out last was an ERROR.
    last_was_error: bool,
    /// A START of any kind went out, so that an ERROR may come.
    may_be_refused: bool,
    live: Option<Live>,
}

struct Live {
    numbers: Numbers,
    start_ack: Vec<u8>,
    /// START_ACKs that came, and STARTs that asked for them.
    acks: u32,
    starts: u32,
}

impl Granted {
    /// A datagram that is none of these frames goes to the Sender.
    pub(super) fn hears_another(&mut self, is_start: bool) {
        self.last_was_error = false;
        self.may_be_refused |= is_start;
    }

    /// A START goes to the Sender.
    pub(super) fn hears_start(&mut self, start: &Start3<'_>) {
        self.hears_another(true);
        if start.version == Start3::VERSION {
            let numbers = Numbers::of(start);
            self.asked.push(numbers);
            if let Some(live) = &mut self.live {
                live.starts += u32::from(live.numbers.is_asked_by(numbers));
            }
        }
    }

    /// A START_CONFIRM goes to the Sender; whether it entitles to media.
    pub(super) fn hears_confirm(&mut self, confirm: &Start3<'_>) -> bool {
        self.hears_another(false);
        let is_ours = |live: &Live| live.numbers == Numbers::of(confirm);
        confirm.version == Start3::VERSION && self.live.as_ref().is_some_and(is_ours)
    }

    pub(super) fn hears_error(&mut self) {
        self.last_was_error = true;
    }

    /// Time goes on: what comes now answers nothing.
    pub(super) fn waits(&mut self) {
        self.last_was_error = false;
    }

    /// A START_ACK comes; whether it is that of a new session.
    pub(super) fn receives_start_ack(&mut self, ack: &Start3<'_>, may_begin: bool) -> bool {
        assert_clean(ack, Start3::ACK_REQUIRED | Start3::BEGIN_IMMEDIATELY);
        let numbers = Numbers::of(ack);
        let was_asked = self.asked.iter().any(|start| numbers.is_asked_by(*start));
        assert!(was_asked, "MS-S-02: {numbers:?} answers no START");
        assert!(ack.stream_id != 0 && ack.sender_nonce != 0, "MS-S-02");
        assert_eq!(ack.has(Start3::BEGIN_IMMEDIATELY), may_begin);
        let datagram = Frame::StartAck(*ack).to_vec();
        match &mut self.live {
            Some(live) => {
                assert_eq!(live.start_ack, datagram, "MS-S-11: the same START_ACK");
                live.acks += 1;
                let most = live.starts + SENDS - 1;
                assert!(live.acks <= most, "MS-S-13: {} START_ACKs", live.acks);
                false
            }
            None => {
                self.live = Some(Live {
                    numbers,
                    start_ack: datagram,
                    acks: 1,
                    starts: 1,
                });
                true
            }
        }
    }

    pub(super) fn receives_error(&self, error: &Start3<'_>) {
        assert_clean(error, 0);
        assert!(!self.last_was_error, "MS-S-15: ERROR answers an ERROR");
        assert!(self.may_be_refused, "nobody asked for anything");
    }

    /// The session is over.
    pub(super) fn ends(&mut self) {
        self.live = None;
    }

    pub(super) const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// One of the frames that make sense now.
    pub(super) fn answer(&self, choice: u8) -> Vec<u8> {
        let wished = Numbers {
            stream_id: 1 + u64::from(choice / 64),
            nonce: 1,
            sender_nonce: 0,
        };
        let live = self.live.as_ref().map_or(wished, |live| live.numbers);
        let asks = |nonce| {
            let parameters = talk::parameters();
            let mut body = Start3::new(wished.stream_id, nonce, 0);
            body.tlvs = Tlvs::from_bytes(&parameters);
            Frame::Start(body).to_vec()
        };
        match choice % 5 {
            0 => asks(1),
            1 => Frame::StartConfirm(live.body()).to_vec(),
            2 => asks(2),
            3 => {
                let mut body = live.body();
                body.sender_nonce ^= 1;
                Frame::StartConfirm(body).to_vec()
            }
            _ => talk::error(live.body(), 7),
        }
    }
}
