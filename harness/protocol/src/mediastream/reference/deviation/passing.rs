use std::net::SocketAddr;
use std::ops::RangeInclusive;

use super::super::start3::Identity;
use crate::mediastream::frame::tlv::Tlvs;
use crate::mediastream::frame::{
    ConnectionId, Control, ErrorCode, Fragment, Frame, Header, Start3, flag,
};
use crate::mediastream::{Grammar, Rejection, pattern};

/// ProtocolFlags; a datagram shorter than one has 0xFFFF.
pub(super) type Flags = RangeInclusive<u16>;

/// Where an ERROR of the reference has its code.
const ERROR_CODE: usize = Start3::MIN_LENGTH + 4;
/// Where StreamId, Nonce and SenderNonce stand.
const IDENTITY: [usize; 3] = [30, 38, 46];
/// Where the id stands in a frame of `3way`.
const CONTROL_ID: usize = 30;

/// A datagram on its way to or from a machine, which a twin changes.
pub(in super::super) struct Passing {
    pub(in super::super) bytes: Vec<u8>,
    /// Whom it comes from, or goes to.
    pub(in super::super) peer: SocketAddr,
    pub(in super::super) is_lost: bool,
    /// Sent before it; of one that came, to its source, before the machine sees it.
    pub(in super::super) before: Vec<Vec<u8>>,
    /// Sent after it.
    pub(super) after: Vec<Vec<u8>>,
    /// Whose session ends before the machine sees the datagram that came.
    pub(in super::super) ends: Option<SocketAddr>,
    pub(super) known: Known,
}

/// What a twin may know of the session with a peer.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Known {
    pub(in super::super) grammar: Grammar,
    /// Whether there is a session; it may be pending.
    pub(in super::super) session: bool,
    /// Whether an answer or a confirmation is awaited.
    pub(in super::super) pending: bool,
    /// How often the own frame was sent that is pending.
    pub(in super::super) sends: u32,
    /// The numbers of `start3`.
    pub(in super::super) identity: Option<Identity>,
    /// The id that was assigned.
    pub(in super::super) id: Option<ConnectionId>,
    /// The id that the peer wished.
    pub(in super::super) wish: Option<ConnectionId>,
    /// Half-open sessions of all peers.
    pub(in super::super) half_open: usize,
    /// Another peer with a session: the only one, of an initiator.
    pub(in super::super) other: Option<(SocketAddr, Option<Identity>)>,
    /// Whether it sends the stream, though it asked.
    pub(in super::super) uploads: bool,
    /// Frames of the stream.
    pub(in super::super) frames: u64,
    /// Datagrams that were sent so far, to all peers.
    pub(in super::super) sent: u64,
}

impl Passing {
    pub(super) const fn new(peer: SocketAddr, bytes: Vec<u8>, known: Known) -> Self {
        Self {
            bytes,
            peer,
            is_lost: false,
            before: Vec::new(),
            after: Vec::new(),
            ends: None,
            known,
        }
    }

    /// Changes it, if it has one of these flags.
    pub(super) fn change(&mut self, flags: &Flags, change: fn(&mut Self)) {
        if flags.contains(&self.flag()) {
            change(self);
        }
    }

    pub(super) fn flag(&self) -> u16 {
        let flag = self.bytes.first_chunk::<2>();
        flag.map_or(u16::MAX, |flag| u16::from_le_bytes(*flag))
    }

    /// Why the machine will drop it, if it will.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        self.known.grammar.classify(&self.bytes).err()
    }

    pub(super) fn is_malformed(&self) -> bool {
        matches!(self.rejection(), Some(Rejection::Malformed(_)))
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.rejection(), Some(Rejection::UnknownFlag { .. }))
    }

    pub(super) fn is_longer_than(&self, length: usize) -> bool {
        self.bytes.len() > length
    }

    /// It never reaches the other side.
    pub(super) const fn lose(&mut self) {
        self.is_lost = true;
    }

    pub(super) const fn lose_if(&mut self, is_lost: bool) {
        self.is_lost |= is_lost;
    }

    /// The session with its peer ends by it.
    pub(super) fn end_if(&mut self, ends: bool) {
        if ends {
            self.ends = Some(self.peer);
        }
    }

    /// Bytes that are missing at the end are zeros.
    pub(super) fn pad(&mut self, length: usize) {
        self.bytes.resize(self.bytes.len().max(length), 0);
    }

    pub(super) fn pad_to_minimum(&mut self) {
        self.pad(match self.flag() {
            flag::DATA => Header::LENGTH + 1,
            flag::FRAGMENT => Fragment::MIN_LENGTH,
            flag::SYN..=flag::ACK => Control::MIN_LENGTH,
            flag::START..=flag::ERROR => Start3::MIN_LENGTH,
            _ => 0,
        });
    }

    /// Makes data of what is there of its header, with a frame of 1,000 bytes.
    pub(super) fn pad_to_frame(&mut self) {
        self.pad(Header::LENGTH);
        self.grow(1_000 - isize::try_from(self.bytes.len()).unwrap_or_default());
    }

    /// Extends the frame of a fragment so that the fragment fits.
    pub(super) fn stretch(&mut self) {
        let payload = self.bytes.len().saturating_sub(self.header()) as u64;
        let end = self.number(26).saturating_add(payload);
        self.count(34, |total| total.max(end));
    }

    pub(super) fn set(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    pub(super) fn edit(&mut self, at: usize, change: impl Fn(u8) -> u8) {
        self.set(at, &[change(self.byte(at))]);
    }

    pub(super) fn number(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Changes a number of 8 bytes.
    pub(super) fn count(&mut self, at: usize, change: impl Fn(u64) -> u64) {
        self.set(at, &change(self.number(at)).to_le_bytes());
    }

    pub(super) fn swap(&mut self, at: usize, length: usize) {
        if let Some(place) = self.bytes.get_mut(at..at + length) {
            place.reverse();
        }
    }

    pub(super) fn is_start3(&self) -> bool {
        self.flag() >= flag::START
    }

    /// Where the payload of media begins.
    pub(super) fn header(&self) -> usize {
        match self.flag() {
            flag::FRAGMENT => Fragment::HEADER_LENGTH,
            _ => Header::LENGTH,
        }
    }

    /// A datagram of media without its payload.
    pub(super) fn head_alone(&self) -> Vec<u8> {
        let head = self.bytes.get(..self.header());
        head.unwrap_or_default().to_vec()
    }

    /// A datagram of media as it would be in the next frame.
    pub(super) fn next_frame(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(number) = bytes.get_mut(2..10) {
            number.copy_from_slice(&(self.sequence() + 1).to_le_bytes());
        }
        bytes
    }

    /// SequenceNumber of a datagram of media.
    pub(super) fn sequence(&self) -> u64 {
        self.number(2)
    }

    /// Makes a data datagram carry this many bytes of the pattern more, or fewer.
    pub(super) fn grow(&mut self, more: isize) {
        let payload = (self.bytes.len() - Header::LENGTH).saturating_add_signed(more);
        self.bytes.truncate(Header::LENGTH);
        self.bytes.extend_from_slice(pattern::prefix(payload));
    }

    /// Makes the payload begin a number later.
    pub(super) fn shift_pattern(&mut self) {
        let header = self.header();
        let payload = pattern::prefix(self.bytes.len() - header + 2);
        self.bytes.truncate(header);
        self.bytes.extend_from_slice(&payload[2..]);
    }

    /// Where the ConnectionId stands, if it has one.
    const fn id_at(flag: u16) -> Option<usize> {
        match flag {
            flag::CONNECTION_ID => Some(2),
            flag::SYN..=flag::ACK => Some(CONTROL_ID),
            _ => None,
        }
    }

    pub(super) fn id(&self) -> Option<ConnectionId> {
        let at = Self::id_at(self.flag())?;
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(ConnectionId::from_bytes(*bytes))
    }

    pub(super) fn set_id(&mut self, id: ConnectionId) {
        if let Some(at) = Self::id_at(self.flag()) {
            self.set(at, id.as_bytes());
        }
    }

    /// Replaces the id by the peer's wished id, if it has one.
    pub(super) fn set_id_to_wish(&mut self) {
        if let Some(wish) = self.known.wish.filter(|wish| !wish.is_empty()) {
            self.set_id(wish);
        }
    }

    /// Changes the id at one place.
    pub(super) fn edit_id(&mut self, place: usize) {
        if let Some(at) = Self::id_at(self.flag()) {
            self.edit(at + place, |byte| if byte == b'7' { b'8' } else { b'7' });
        }
    }

    /// Changes each byte of the id.
    pub(super) fn edit_id_bytes(&mut self, change: impl Fn(u8) -> u8) {
        if let Some(id) = self.id() {
            self.set_id(ConnectionId::from_bytes(id.as_bytes().map(change)));
        }
    }

    /// Takes the spaces off the ends of the id.
    pub(super) fn trim_id(&mut self) {
        if let Some(id) = self.id() {
            let mut bytes = id.text().trim_ascii().to_vec();
            bytes.resize(id.as_bytes().len(), 0);
            if let Ok(bytes) = bytes.try_into() {
                self.set_id(ConnectionId::from_bytes(bytes));
            }
        }
    }

    /// Makes the last byte of the id a NUL, where it has none.
    pub(super) fn terminate_id(&mut self) {
        if let (Some(at), Some(id)) = (Self::id_at(self.flag()), self.id())
            && !id.is_terminated()
        {
            self.set(at + ConnectionId::MAX_TEXT, &[0]);
        }
    }

    /// An ACK with its id.
    pub(super) fn as_ack(&self) -> Vec<u8> {
        let id = self.id().unwrap_or(ConnectionId::EMPTY);
        Frame::Ack(Control::new(id.as_bytes())).to_vec()
    }

    /// Takes the id for the one that was assigned.
    pub(super) fn take_id_if(&mut self, is_taken: impl Fn(&[u8], &[u8]) -> bool) {
        if let (Some(id), Some(own)) = (self.id(), self.known.id)
            && is_taken(id.text(), own.text())
        {
            self.set_id(own);
        }
    }

    pub(super) fn accepts(&self) -> bool {
        self.byte(27) & Control::ACCEPT != 0
    }

    /// StreamId, Nonce and SenderNonce, as they stand.
    pub(super) fn identity(&self) -> Identity {
        let [stream_id, nonce, sender_nonce] = IDENTITY.map(|at| self.number(at));
        Identity {
            stream_id,
            nonce,
            sender_nonce,
        }
    }

    pub(super) fn set_identity(&mut self, identity: Identity) {
        let numbers = [identity.stream_id, identity.nonce, identity.sender_nonce];
        for (at, number) in IDENTITY.into_iter().zip(numbers) {
            self.count(at, |_| number);
        }
    }

    /// Changes the numbers to what `change` makes of those of the frame and of the session.
    pub(super) fn take_as(&mut self, change: impl Fn(Identity, Identity) -> Identity) {
        if let Some(own) = self.known.identity {
            self.set_identity(change(self.identity(), own));
        }
    }

    /// Whether it is of another stream than the session.
    pub(super) fn is_of_another_stream(&self) -> bool {
        let own = self.known.identity;
        own.is_some_and(|own| own.stream_id != self.identity().stream_id)
    }

    /// Whether it is of the session's stream and a nonce is not the session's.
    pub(super) fn has_another_nonce(&self) -> bool {
        self.known.identity.is_some_and(|own| {
            let (theirs, is_known) = (self.identity(), own.sender_nonce != 0);
            own.stream_id == theirs.stream_id
                && (own.nonce != theirs.nonce
                    || is_known && own.sender_nonce != theirs.sender_nonce)
        })
    }

    /// ErrorCode, where it stands first.
    pub(super) fn code(&self) -> u8 {
        self.byte(ERROR_CODE)
    }

    pub(super) fn set_code(&mut self, from: ErrorCode, to: ErrorCode) {
        if self.is_error(from) {
            let [low, _] = to.number().to_le_bytes();
            self.set(ERROR_CODE, &[low]);
        }
    }

    pub(super) fn is_error(&self, code: ErrorCode) -> bool {
        u16::from(self.code()) == code.number()
    }

    /// Where the extensions begin.
    pub(super) fn tlv_offset(&self) -> usize {
        match self.flag() {
            flag::SYN..=flag::ACK => Control::TLV_OFFSET,
            _ => Start3::MIN_LENGTH,
        }
    }

    pub(super) fn tlvs(&self) -> Tlvs<'_> {
        let bytes = self.bytes.get(self.tlv_offset()..);
        Tlvs::from_bytes(bytes.unwrap_or_default())
    }

    pub(super) fn has_tlv(&self, is_meant: impl Fn(u16) -> bool) -> bool {
        self.tlvs().iter().any(|tlv| is_meant(tlv.kind))
    }

    /// Whether the extensions end where the datagram does.
    pub(super) fn ends_with_a_tlv(&self) -> bool {
        let lengths = self.tlvs().iter().map(|tlv| 4 + tlv.value.len());
        self.tlv_offset() + lengths.sum::<usize>() == self.bytes.len()
    }

    /// Leaves out the extensions of some types.
    pub(super) fn strip(&mut self, is_left_out: impl Fn(u16) -> bool) {
        let mut bytes = self.bytes.clone();
        bytes.truncate(self.tlv_offset());
        let kept = self.tlvs().iter().filter(|tlv| !is_left_out(tlv.kind));
        kept.for_each(|tlv| tlv.encode(&mut bytes));
        self.bytes = bytes;
    }

    /// The last extension comes first.
    pub(super) fn reverse_tlvs(&mut self) {
        if self.ends_with_a_tlv() {
            let mut bytes = self.bytes.clone();
            bytes.truncate(self.tlv_offset());
            let all: Vec<_> = self.tlvs().iter().collect();
            all.iter().rev().for_each(|tlv| tlv.encode(&mut bytes));
            self.bytes = bytes;
        }
    }

    /// Whether it comes from an address with the same IP as the other peer's.
    pub(super) fn shares_the_address(&self) -> bool {
        let other = self.known.other;
        other.is_some_and(|(other, _)| other.ip() == self.peer.ip())
    }

    /// Takes it as coming from the other peer.
    pub(super) fn take_as_the_others(&mut self) {
        if let (false, Some((other, _))) = (self.known.session, self.known.other) {
            self.peer = other;
        }
    }

    /// An ERROR with the frame's own numbers.
    pub(super) fn error(&self, code: ErrorCode) -> Vec<u8> {
        self.identity().error(code, "")
    }

    /// It gets an ERROR with the session's numbers, and the machine never sees it.
    pub(super) fn object(&mut self, code: ErrorCode) {
        if let Some(own) = self.known.identity {
            self.before.push(own.error(code, ""));
        }
        self.lose();
    }

    /// Takes a SenderNonce for the session's, where the other numbers are.
    pub(super) fn take_sender_if(&mut self, is_taken: impl Fn(Identity, Identity) -> bool) {
        self.take_as(|its, own| {
            let is_known = own.sender_nonce != 0;
            match is_known && its.with_sender(own.sender_nonce) == own && is_taken(its, own) {
                true => own,
                false => its,
            }
        });
    }

    /// Takes the nonces for those of the session, where it is of its stream. A SenderNonce that is not known is what
    /// it is.
    pub(super) fn take_nonces_if(&mut self, is_taken: impl Fn(Identity, Identity) -> bool) {
        self.take_as(|its, own| {
            let own = match own.sender_nonce {
                0 => own.with_sender(its.sender_nonce),
                _ => own,
            };
            match its.stream_id == own.stream_id && is_taken(its, own) {
                true => own,
                false => its,
            }
        });
    }

    /// Whether it is the START that the session began with.
    pub(super) fn is_repeated_start(&self) -> bool {
        let own = self.known.identity;
        own.is_some_and(|own| own.with_sender(self.identity().sender_nonce) == self.identity())
    }

    /// Whether it is of another stream, or is a frame for the other side, and no ERROR.
    pub(super) fn is_unexpected(&self) -> bool {
        let is_for_another = match self.flag() {
            flag::ERROR => false,
            flag::START_ACK => !self.known.pending,
            _ => true,
        };
        is_for_another && self.is_of_another_stream()
    }
}

impl Known {
    /// Of a side that knows of no session.
    pub(in super::super) fn nothing(grammar: Grammar, frames: u64) -> Self {
        Self {
            grammar,
            session: false,
            pending: false,
            sends: 0,
            identity: None,
            id: None,
            wish: None,
            half_open: 0,
            other: None,
            uploads: false,
            frames,
            sent: 0,
        }
    }
}
