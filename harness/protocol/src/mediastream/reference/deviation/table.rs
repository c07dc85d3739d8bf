//! One row a twin: its name, the only side that can be it, its fault, and its hook where it has one.

use std::time::Duration;

use super::faults::*;
use super::hook::Hook::{self, Ends, Paced, Repeats, Sent, Taken, Told, Uncounted};
use super::hook::Repeated::{Start, StartAck, Syn, SynAck};
use crate::machine::Outcome::Completed;
use crate::mediastream::frame::tlv::kind;
use crate::mediastream::frame::{ConnectionId, Control, ErrorCode, START_TOKEN, flag};
use crate::mediastream::{Mode, Modes};

with_media! {
    // Wire.
    BigEndianMedia = "MS-W-01" Responder: "SequenceNumber, QPC and QPF are big-endian"
        => Sent(MEDIA, |it| [2, 10, 18].iter().for_each(|at| it.swap(*at, 8))),
    BigEndianFlags = "MS-W-01/flag": "the ProtocolFlag of a handshake is big-endian"
        => Sent(0x0100..=0x1000, |it| it.swap(0, 2)),
    LongerStart = "MS-W-02": "a longer datagram that begins with START is a START token"
        => Taken(TOKEN, |it| if it.bytes.starts_with(START_TOKEN) { it.bytes.truncate(5) }),
    ShorterStart = "MS-W-02/short": "STAR is a START token"
        => Taken(TOKEN, |it| if it.bytes == b"STAR" { it.bytes.push(b'T') }),
    AnyCaseStart = "MS-W-02/case": "a START token may be in lower case"
        => Taken(ANY, |it| if it.bytes == b"start" { it.bytes = START_TOKEN.to_vec() }),
    ShortIdTaken = "MS-W-03" Initiator: "a connection-id datagram of fewer than 39 bytes is taken"
        => Taken(NAME, |it| it.pad(39)),
    ShortIdEnds = "MS-W-03/ends": "a connection-id datagram of fewer than 39 bytes ends the session"
        => Taken(NAME, |it| it.end_if(!it.is_longer_than(38))),
    LongIdDropped = "MS-W-04": "a connection-id datagram of more than 39 bytes is dropped"
        => Taken(NAME, |it| it.lose_if(it.is_longer_than(39))),
    IdGoesOn = "MS-W-04/rest" Initiator: "the bytes after an id belong to it"
        => Taken(NAME, |it| if it.is_longer_than(39) { it.edit_id(4) }),
    UnendedIdTaken = "MS-W-05": "an id without a NUL is taken, less its last byte"
        => Taken(ANY, |it| it.terminate_id()),
    LateNulEnds = "MS-W-05/beyond" Initiator: "an id may have its NUL behind its 37 bytes"
        => Taken(NAME, |it| if it.is_longer_than(39) { it.terminate_id() }),
    UnendedIdEnds = "MS-W-05/ends": "an id without a NUL ends the session"
        => Taken(ANY, |it| it.end_if(it.id().is_some_and(|id| !id.is_terminated()))),
    OnlyUuids = "MS-W-06": "an id that is no UUID is dropped"
        => Taken(ANY, |it| it.lose_if(it.id().is_some_and(|id| !is_uuid(&id)))),
    OnlyUuidsLive = "MS-W-06/ends": "an id that is no UUID ends the session"
        => Taken(ANY, |it| it.end_if(it.id().is_some_and(|id| !is_uuid(&id)))),
    ShortTaken = "MS-W-07": "what a headered datagram lacks to its minimum is taken for zeros"
        => Taken(ANY, |it| it.pad_to_minimum()),
    ShortCompletes = "MS-W-07/counts" Initiator: "data without payload counts as a frame"
        => Taken(0..=0, |it| if it.is_malformed() && it.is_longer_than(9) { it.pad_to_frame() }),
    ShortEnds = "MS-W-07/ends": "a headered datagram below its minimum ends the session"
        => Taken(0..=0x02FF, |it| it.end_if(it.is_malformed())),
    UnknownEnds = "MS-W-08": "an unknown ProtocolFlag ends the session"
        => Taken(ANY, |it| it.end_if(it.is_unknown() && it.is_longer_than(2))),
    NearFlagNames = "MS-W-08/name" Initiator: "flag 0x1001 is that of a connection-id"
        => Taken(0x1001..=0x1001, |it| it.set(0, &[0x00, 0x10])),
    NearFlagIsMedia = "MS-W-08/media" Initiator: "flags up to 0x00FF are those of media"
        => Taken(0x0002..=0x00FF, |it| it.set(0, &[0, 0])),
    UnknownAnswered = "MS-W-08/answered": "a datagram of an unknown ProtocolFlag is sent back"
        => Taken(ANY, |it| if it.is_unknown() { it.before.push(it.bytes.clone()) }),
    EmptyData = "MS-W-09": "the first frame begins with a datagram without payload"
        => Sent(MEDIA, |it| if it.sequence() == 1 { it.before.push(it.head_alone()) }),
    SequenceInControl = "MS-W-10": "SequenceNumber of control frames is 1"
        => Sent(HANDSHAKE, |it| it.count(2, |_| 1)),
    ClockInControl = "MS-W-10/qpc": "QPC of control frames is the time"
        => Sent(HANDSHAKE, |it| it.count(10, |_| 12_345_678)),
    FrequencyInControl = "MS-W-10/qpf": "QPF of control frames is the clock's"
        => Sent(HANDSHAKE, |it| it.count(18, |_| 10_000_000)),
    HeaderJudged = "MS-W-11": "a control frame whose SequenceNumber, QPC or QPF is not zero is dropped"
        => Taken(HANDSHAKE, |it| it.lose_if([2, 10, 18].iter().any(|at| it.number(*at) != 0))),
    ReservedSet = "MS-W-12": "the reserved field of control frames is not zero"
        => Sent(HANDSHAKE, |it| it.edit(if it.is_start3() { 27 } else { 28 }, |_| 1)),
    ReservedFlags = "MS-W-12/flags": "a flag that has no name is set"
        => Sent(HANDSHAKE, |it| it.edit(if it.is_start3() { 29 } else { 27 }, |bits| bits | 0x80)),
    AcceptInAck = "MS-W-12/accept" Initiator: "SYN and ACK have the flag Accept"
        => Sent(CONTROL, |it| it.edit(27, |bits| bits | Control::ACCEPT)),
    BeginInStart = "MS-W-12/begin" Initiator: "START has the flag BEGIN_IMMEDIATELY"
        => Sent(START, |it| it.edit(28, |bits| bits | 4)),
    ReservedJudged = "MS-W-13": "a control frame whose reserved field is not zero is dropped"
        => Taken(HANDSHAKE, |it| it.lose_if(match it.is_start3() {
            true => it.byte(27) != 0,
            false => it.byte(28) != 0 || it.byte(29) != 0,
        })),
    FlagsJudged = "MS-W-13/flags": "a control frame with a flag that has no name is dropped"
        => Taken(HANDSHAKE, |it| it.lose_if(match it.is_start3() {
            true => it.byte(29) != 0 || it.byte(28) & 0xF8 != 0,
            false => it.byte(27) & 0xFE != 0,
        })),
    FullIdDropped = "MS-W-06/after": "an id with bytes after its NUL is dropped"
        => Taken(ANY, |it| it.lose_if(it.id().is_some_and(|id| has_bytes_after_nul(&id)))),
    UnknownTlvs = "MS-W-14": "a frame with an unknown TLV is malformed"
        => Taken(HANDSHAKE, |it| it.lose_if(it.has_tlv(|of| of > kind::DIAGNOSTIC))),
    TlvPastTheEnd = "MS-W-14/past": "a TLV past the end is ignored, and all with it"
        => Taken(HANDSHAKE, |it| if it.is_malformed() && !it.ends_with_a_tlv() { it.strip(|_| true) }),
    TlvOfAnyLength = "MS-W-14/length": "TLVs are ignored where one has a wrong length"
        => Taken(HANDSHAKE, |it| if it.is_malformed() && it.ends_with_a_tlv() { it.strip(|_| true) }),
    ForeignSynUnanswered = "MS-W-15": "a SYN of another Version is not answered"
        => Taken(SYN, |it| it.lose_if(it.byte(26) != 1)),
    ForeignSynServed = "MS-W-15/served": "a SYN of another Version is served"
        => Taken(SYN, |it| it.edit(26, |_| 1)),
    ForeignVersionSaid = "MS-W-15/version": "a SYN-ACK with Accept=0 has Version 2"
        => Sent(SYN_ACK, |it| if !it.accepts() { it.edit(26, |_| 2) }),
    ForeignSynEnds = "MS-W-15/ends": "a SYN of another Version ends the stream of its tuple"
        => Taken(SYN, |it| it.end_if(it.byte(26) != 1 && !it.known.pending)),
    ForeignSynEndsHandshake = "MS-W-15/half": "a SYN of another Version ends the handshake of its tuple"
        => Taken(SYN, |it| it.end_if(it.byte(26) != 1 && it.known.pending)),
    ForeignVersionTaken = "MS-W-16": "the Version of SYN-ACK, ACK, START_ACK and START_CONFIRM is not looked at"
        => Taken(HANDSHAKE, |it| if !matches!(it.flag(), flag::SYN | flag::START) { it.edit(26, |_| 1) }),
    Version0Taken = "MS-W-16/zero": "Version 0 of SYN-ACK, ACK, START_ACK and START_CONFIRM is taken for 1"
        => Taken(HANDSHAKE, |it| if !matches!(it.flag(), flag::SYN | flag::START) && it.byte(26) == 0 { it.edit(26, |_| 1) }),
    MalformedEnds = "MS-W-17": "a malformed datagram ends the session"
        => Taken(ANY, |it| it.end_if(it.is_malformed())),
    UploadEnds = "MS-W-17/upload" Initiator: "an unknown datagram from the server ends an upload"
        => Taken(ANY, |it| it.end_if(it.known.uploads && it.is_unknown())),
    UploadAnew = "MS-W-17/anew" Initiator: "the answer to JOIN begins an upload anew when it comes again",
    EmptyEnds = "MS-W-17/empty": "a datagram without a byte ends the session"
        => Taken(ANY, |it| it.end_if(it.bytes.is_empty())),
    StrangersEnd = "MS-W-17/stranger": "malformed datagrams of any peer end the session"
        => Taken(ANY, |it| if it.rejection().is_some() {
            it.ends = it.known.other.map(|(other, _)| other).filter(|_| !it.known.session);
        }),
    FirstMediaIsEnough = "MS-W-17/first" Initiator: "it ends well after the first datagram of media",
    LargeDropped = "MS-W-18": "datagrams of more than 9,000 bytes are dropped"
        => Taken(ANY, |it| it.lose_if(it.is_longer_than(9_000))),
    LargestDropped = "MS-W-18/last": "a datagram of 65,507 bytes is dropped"
        => Taken(ANY, |it| it.lose_if(it.bytes.len() == 65_507)),
    LargestEnds = "MS-W-17/largest": "an unknown datagram of more than 9,000 bytes ends the session"
        => Taken(ANY, |it| it.end_if(it.is_unknown() && it.is_longer_than(9_000))),
    OneByteMore = "MS-W-18/sent" Responder: "datagrams are one byte longer than the most",

    SmallMostDropped = "MS-W-14/small" Responder: "a SYN whose MaxDatagram is below 1,000 is dropped"
        => Taken(SYN, |it| it.lose_if(it.tlvs().u32(kind::MAX_DATAGRAM).is_some_and(|most| most < 1_000))),

    // The START token.
    NamedFirst = "MS-L-01": "a connection-id comes before the START token"
        => Sent(TOKEN, |it| it.before.push(name(ConnectionId::EMPTY))),
    AskedOnce = "MS-L-02": "an unanswered START token is not sent again",
    AskedEarly = "MS-L-02/early": "an unanswered START token is sent again after 200 ms",
    AskedNear = "MS-L-02/near": "an unanswered START token is sent again 100 ms too early",
    AskedLate = "MS-L-02/late": "an unanswered START token is sent again after a second",
    AskedOn = "MS-L-02/after": "media is answered by a START token"
        => Taken(MEDIA, |it| it.before.push(START_TOKEN.to_vec())),
    Unnamed = "MS-L-03": "media comes without a connection-id"
        => Sent(NAME, |it| it.lose()),
    NamedLate = "MS-L-03/late": "the connection-id comes after the first frame"
        => Sent(ANY, |it| match it.flag() {
            flag::CONNECTION_ID => it.lose(),
            flag::DATA if it.sequence() == 1 => it.after.push(name(ConnectionId::EMPTY)),
            _ => {}
        }),
    StartBeginsAnew = "MS-L-04": "a START token on a tuple that streams begins the stream anew"
        => Taken(TOKEN, |it| it.end_if(it.known.session && !it.known.pending)),
    SecondBeginsAnew = "MS-L-04/second": "a START token into a second stream begins the stream anew"
        => Taken(TOKEN, |it| it.end_if(it.known.session && !it.known.pending && it.known.sent > it.known.frames)),
    StartEnds = "MS-L-04/ends": "a START token on a tuple that streams ends the stream"
        => Taken(TOKEN, |it| if it.known.session {
            it.end_if(true);
            it.lose();
        }),
    StartRenames = "MS-L-04/name": "a START token on a tuple that streams is answered by another connection-id"
        => Taken(TOKEN, |it| if it.known.session && !it.known.pending { it.before.push(name(FIXED)) }),
    WaitsOn = "MS-L-05": "it waits for ever for something to come"
        => Told(|it| it.buffer_period = Duration::from_hours(1)),
    GivesUpEarly = "MS-L-05/early": "it waits for half of its buffer period"
        => Told(|it| it.buffer_period /= 2),
    GivesUpNear = "MS-L-05/near": "it waits for 94% of its buffer period"
        => Told(|it| it.buffer_period = it.buffer_period * 94 / 100),
    GivesUpLate = "MS-L-05/late": "it waits for twice its buffer period"
        => Told(|it| it.buffer_period *= 2),
    EndsWell = "MS-L-05/status": "it exits with 0 when nothing arrived"
        => Ends(Mode::Legacy, "timeout", |_| Completed),
    Crashes = "MS-L-05/crash": "it crashes when nothing arrived"
        => Ends(Mode::Legacy, "timeout", crash),
    LegacyTakesSyn = "MS-L-06": "SYN is served in legacy mode"
        => Told(|it| it.modes = it.modes.with(Mode::ThreeWay)),
    LegacyTakesStart = "MS-L-06/start3": "START (`0x0200`) is served in legacy mode"
        => Told(|it| it.modes = it.modes.with(Mode::Start3)),
    OtherDefault = "MS-L-07": "with no mode given it speaks 3way"
        => Told(|it| if it.modes == Modes::from(Mode::Legacy) { it.modes = Mode::ThreeWay.into() }),

    // 3way.
    BeginsWithStart = "MS-H-01": "a START token comes before the SYN"
        => Sent(SYN, |it| it.before.push(START_TOKEN.to_vec())),
    BeginsWithAck = "MS-H-01/ack": "an ACK comes before the SYN"
        => Sent(SYN, |it| it.before.push(it.as_ack())),
    UnendedWish = "MS-H-02": "the wished id has no NUL"
        => Sent(SYN, |it| it.set_id(ConnectionId::from_bytes([b'7'; 37]))),
    SameWish = "MS-H-02/same": "every session wishes the same id"
        => Sent(SYN, |it| it.set_id(FIXED)),
    SynOnce = "MS-H-03": "an unanswered SYN is not sent again" => Repeats(Syn, ONCE),
    SynEarly = "MS-H-03/early": "a SYN is sent again after 250 ms" => Repeats(Syn, FIRST_EARLY),
    SynNear = "MS-H-03/near": "a SYN is sent again after 400 ms" => Repeats(Syn, FIRST_NEAR),
    SynLate = "MS-H-03/late": "a SYN is sent again after a second" => Repeats(Syn, FIRST_LATE),
    SynSecondEarly = "MS-H-03/constant": "the wait for SYN-ACK does not double" => Repeats(Syn, SECOND_EARLY),
    SynSecondLate = "MS-H-03/fourfold": "the wait for SYN-ACK becomes four times as long" => Repeats(Syn, SECOND_LATE),
    SynFourTimes = "MS-H-03/four": "a SYN is sent four times" => Repeats(Syn, FOUR),
    SynTwice = "MS-H-03/two": "a SYN is sent twice" => Repeats(Syn, TWO),
    OtherSyn = "MS-H-03/other": "each SYN has another wish"
        => Sent(SYN, |it| if it.known.sends > 0 { it.edit_id(4) }),
    SynForever = "MS-H-04": "SYNs are sent for ever" => Repeats(Syn, FOREVER),
    SynGivesUpEarly = "MS-H-04/early": "it gives up with its third SYN" => Repeats(Syn, LAST_SHORT),
    SynGivesUpNear = "MS-H-04/near": "it gives up 150 ms too early after its third SYN" => Repeats(Syn, LAST_NEAR),
    SynGivesUpLate = "MS-H-04/late": "it waits 6 s after its third SYN" => Repeats(Syn, LAST_LONG),
    SynEndsWell = "MS-H-04/status": "it ends well when no SYN was answered"
        => Ends(Mode::ThreeWay, "timeout", |_| Completed),
    SynCrashes = "MS-H-04/crash": "it crashes when no SYN was answered"
        => Ends(Mode::ThreeWay, "timeout", crash),
    NoFallback = "MS-H-04/fallback": "it does not fall back to START, though fallback is on",
    SynUnanswered = "MS-H-05": "a SYN is not answered"
        => Taken(SYN, |it| it.lose()),
    SynRejected = "MS-H-05/rejected": "every SYN is rejected"
        => Sent(SYN_ACK, |it| it.edit(27, |_| 0)),
    SynFindsSlotsTaken = "MS-H-05/slot": "a stream that is over keeps its slot: SYNs are rejected",
    DroppedUnanswered = "MS-H-05/dropped": "when a half-open session was dropped no SYN is answered any more"
        => Taken(SYN, |it| it.lose_if(!it.known.session && (1..=3).contains(&it.known.sent))),
    LaterSynUnanswered = "MS-H-05/over": "after a stream no SYN without a wish is answered"
        => Taken(SYN, |it| it.lose_if(!it.known.session && it.known.sent > it.known.frames && it.id().is_some_and(|id| id.is_empty()))),
    AcceptsUnnamed = "MS-H-06": "Accept=1 bears no id"
        => Sent(SYN_ACK, |it| it.set_id(ConnectionId::EMPTY)),
    AcceptsUnended = "MS-H-06/nul": "the assigned id has no NUL"
        => Sent(SYN_ACK, |it| it.set_id(ConnectionId::from_bytes([b'7'; 37]))),
    NamedAfterRejection = "MS-H-07": "a connection-id follows Accept=0"
        => Sent(SYN_ACK, |it| if !it.accepts() { it.after.push(name(FIXED)) }),
    MediaAfterRejection = "MS-H-07/media": "media follows Accept=0"
        => Sent(SYN_ACK, |it| if !it.accepts() { it.after.push(first_media()) }),
    RepeatedSynBeginsAnew = "MS-H-08": "a repeated SYN is a new request: another SYN-ACK, another session"
        => Taken(SYN, |it| if it.known.wish.is_some() && it.id() == it.known.wish { it.edit_id(4) }),
    EmptyWishesDiffer = "MS-H-08/empty": "37 zero bytes are another wish each time"
        => Taken(SYN, |it| if it.known.session && it.id() == Some(ConnectionId::EMPTY) { it.set_id(FIXED) }),
    RepeatedSynsBytesCount = "MS-H-08/bytes": "a repeated SYN with an unknown TLV is a new request"
        => Taken(SYN, |it| if it.known.wish.is_some() && it.id() == it.known.wish && it.is_longer_than(67) { it.edit_id(4) }),
    RepeatedSynUnanswered = "MS-H-08/silent": "a repeated SYN is not answered"
        => Taken(SYN, |it| it.lose_if(it.known.wish.is_some() && it.id() == it.known.wish)),
    AckOfAnotherId = "MS-H-09": "the ACK bears another id than the assigned one"
        => Sent(ACK, |it| it.set_id(FIXED)),
    AckOfNearId = "MS-H-09/near": "the id of the ACK has another last character"
        => Sent(ACK, |it| it.edit_id(35)),
    AckOfEmptyId = "MS-H-09/empty": "the ACK bears no id"
        => Sent(ACK, |it| it.set_id(ConnectionId::EMPTY)),
    NoAck = "MS-H-09/silent": "a SYN-ACK is not answered"
        => Sent(ACK, |it| it.lose()),
    RejectionAnswered = "MS-H-10": "Accept=0 is answered by ACK"
        => Taken(SYN_ACK, |it| if !it.accepts() { it.before.push(it.as_ack()) }),
    RejectionIgnored = "MS-H-10/on": "after Accept=0 it asks on"
        => Taken(SYN_ACK, |it| it.lose_if(!it.accepts())),
    RejectionEndsWell = "MS-H-10/status": "it ends well when it was rejected"
        => Ends(Mode::ThreeWay, "rejected", |_| Completed),
    RejectionFallsBack = "MS-H-10/fallback" Initiator: "after Accept=0 it falls back to START, where fallback is on",
    AckOnce = "MS-H-11": "a repeated SYN-ACK is not answered"
        => Taken(SYN_ACK, |it| it.lose_if(it.known.session && !it.known.pending)),
    AckThrice = "MS-H-11/third": "the third repeated SYN-ACK and those after it are not answered"
        => Sent(ACK, |it| it.lose_if(it.known.sent > 3)),
    OtherAck = "MS-H-11/other": "a repeated SYN-ACK is answered by an ACK with another id"
        => Sent(ACK, |it| if it.known.session { it.edit_id(4) }),
    AnyAckCompletes = "MS-H-12": "an ACK with whatever id completes the handshake"
        => Taken(ACK, |it| it.take_id_if(|_, _| true)),
    EmptyAckCompletes = "MS-H-12/empty": "an ACK without an id completes the handshake"
        => Taken(ACK, |it| it.take_id_if(|id, _| id.is_empty())),
    ShorterAckCompletes = "MS-H-12/shorter": "an ACK whose id is the beginning of the assigned one completes the handshake"
        => Taken(ACK, |it| it.take_id_if(|id, own| !id.is_empty() && own.starts_with(id))),
    AnyCaseAckCompletes = "MS-H-12/case": "an ACK with the assigned id in other letters completes the handshake"
        => Taken(ACK, |it| it.take_id_if(|id, own| id.eq_ignore_ascii_case(own))),
    LongerAckCompletes = "MS-H-12/longer": "the wished id is assigned, and an ACK whose id begins with it completes the handshake"
        => Sent(ANY, |it| it.set_id_to_wish())
        => Taken(ACK, |it| if let (Some(wish), Some(own)) = (it.known.wish, it.known.id)
            && it.id().is_some_and(|id| id.text().starts_with(wish.text())) { it.set_id(own) }),
    WishedAckCompletes = "MS-H-12/wish": "an ACK with the wished id completes the handshake, though another was assigned"
        => Taken(ACK, |it| if it.id().is_some() && it.id() == it.known.wish { it.take_id_if(|_, _| true) }),
    AnyAckCompletesRestart = "MS-H-12/restart": "after a restart an ACK with any id completes the handshake"
        => Taken(ACK, |it| if it.known.pending && it.known.sent > 10 { it.take_id_if(|_, _| true) }),
    StrayAckAnswered = "MS-H-13": "an ACK without a handshake is sent back"
        => Taken(ACK, |it| if !it.known.session { it.before.push(it.bytes.clone()) }),
    StrayAckServed = "MS-H-13/served": "an ACK without a handshake gets media"
        => Taken(ACK, |it| if !it.known.session { it.before.push(first_media()) }),
    LateAckServed = "MS-H-13/late": "an ACK after the stream gets media"
        => Taken(ACK, |it| if !it.known.session && it.known.sent > it.known.frames { it.before.push(first_media()) }),
    AnySynAck = "MS-H-14": "a SYN-ACK is taken from whatever address"
        => Taken(SYN_ACK, |it| it.take_as_the_others()),
    AnyPortsSynAck = "MS-H-14/port": "a SYN-ACK is taken from whatever port"
        => Taken(SYN_ACK, |it| if it.shares_the_address() { it.take_as_the_others() }),
    AnyIdsSynAck = "MS-H-14/id": "a SYN-ACK with another id within the session is answered by an ACK with it"
        => Taken(SYN_ACK, |it| if it.known.id.is_some() && it.id() != it.known.id { it.before.push(it.as_ack()) }),
    AnyPortCompletes = "MS-H-13/port": "an ACK from another port completes the handshake"
        => Taken(ACK, |it| if it.shares_the_address() { it.take_as_the_others() }),
    AckMovesStream = "MS-H-13/moves": "an ACK from another port moves the stream there",
    MediaBeforeAck = "MS-H-15": "media flows before the ACK",
    HalfAckCompletes = "MS-H-15/half": "an ACK whose id is right in its first half completes the handshake"
        => Taken(ACK, |it| it.take_id_if(|id, own| id.get(..18) == own.get(..18))),
    UnendedAckCompletes = "MS-H-15/nul": "an ACK completes the handshake by the first 36 bytes of its id, NUL or not"
        => Taken(ACK, |it| it.terminate_id()),
    UnnamedOptimisticMedia = "MS-H-16": "optimistic media bears no connection-id before the ACK"
        => Sent(NAME, |it| it.lose_if(it.known.pending)),
    MisnamedOptimisticMedia = "MS-H-16/other": "optimistic media bears another id than the assigned one"
        => Sent(NAME, |it| if it.known.pending { it.edit_id(4) }),
    NamedAfterMedia = "MS-H-16/late": "the connection-id comes after the first optimistic frame"
        => Sent(ANY, |it| match (it.flag(), it.known.id) {
            (flag::CONNECTION_ID, _) => it.lose_if(it.known.pending),
            (flag::DATA, Some(id)) if it.known.pending && it.sequence() == 1 => it.after.push(name(id)),
            _ => {}
        }),
    EarlyMediaLost = "MS-H-17": "media that comes before the SYN-ACK is dropped"
        => Taken(MEDIA, |it| it.lose_if(it.known.pending)),
    AnyIdsMedia = "MS-H-17/tuple": "media is mapped by the tuple alone: connection ids are ignored"
        => Taken(NAME, |it| it.lose()),
    TupleRenames = "MS-H-17/follows" Initiator: "another id on the tuple is that of the session from then on",
    SynAckOnce = "MS-H-18": "SYN-ACK is sent once, and the half-open session waits for its age" => Repeats(SynAck, ONCE),
    SynAckEarly = "MS-H-18/early": "a SYN-ACK is sent again after 250 ms" => Repeats(SynAck, FIRST_EARLY),
    SynAckNear = "MS-H-18/near": "a SYN-ACK is sent again after 400 ms" => Repeats(SynAck, FIRST_NEAR),
    SynAckLate = "MS-H-18/late": "a SYN-ACK is sent again after a second" => Repeats(SynAck, FIRST_LATE),
    SynAckSecondEarly = "MS-H-18/constant": "the wait for ACK does not double" => Repeats(SynAck, SECOND_EARLY),
    SynAckSecondLate = "MS-H-18/fourfold": "the wait for ACK becomes four times as long" => Repeats(SynAck, SECOND_LATE),
    SynAckFourTimes = "MS-H-18/four": "a SYN-ACK is sent four times" => Repeats(SynAck, FOUR),
    SynAckTwice = "MS-H-18/two": "a SYN-ACK is sent twice" => Repeats(SynAck, TWO),
    HalfOpenLong = "MS-H-18/kept": "a half-open session is kept for 6 s after the third SYN-ACK" => Repeats(SynAck, LAST_LONG),
    HalfOpenShort = "MS-H-18/dropped": "a half-open session is dropped with the third SYN-ACK" => Repeats(SynAck, LAST_SHORT),
    SynSetsTimers = "MS-H-18/reset": "a repeated SYN begins the timers of SYN-ACK anew",
    SynCounts = "MS-H-18/counts": "the answer to a repeated SYN counts as a repetition of SYN-ACK",
    WrongAckMutes = "MS-H-18/wrong": "after an ACK with another id SYN-ACK is not sent again",
    SynAckAfterAck = "MS-H-18/on": "SYN-ACK is retransmitted after the ACK",
    HalfOpenUnbounded = "MS-H-19": "half-open sessions have no bound"
        => Told(|it| it.max_half_open = usize::MAX),
    OneHalfOpenMore = "MS-H-19/more": "there may be one half-open session more"
        => Told(|it| it.max_half_open += 1),
    HalfOpenFew = "MS-H-19/few": "there may be 16 half-open sessions only"
        => Told(|it| it.max_half_open = 16),
    FloodEnds = "MS-H-19/flood": "1,000 half-open sessions end another session"
        => Taken(SYN, |it| if it.known.half_open >= 1_000 { it.ends = it.known.other.map(|(other, _)| other) }),
    LegacyStartServed = "MS-H-20": "the START token is served though AllowLegacyStart is off"
        => Told(|it| it.allow_legacy_start = true),
    LegacyStartDropped = "MS-H-21": "the START token is dropped though AllowLegacyStart is on"
        => Told(|it| it.allow_legacy_start = false),
    StartBeginsHandshakesStreamAnew = "MS-H-21/stream": "a START token into a stream that a handshake began begins it anew"
        => Taken(TOKEN, |it| it.end_if(it.known.wish.is_some() && !it.known.pending)),
    StartRenamesStream = "MS-H-21/name": "a START token into a stream is answered by another connection-id"
        => Taken(TOKEN, |it| if it.known.session && !it.known.pending { it.before.push(name(FIXED)) }),
    UnconfirmedUnbounded = "MS-H-22": "there is no bound to what goes out before the ACK",
    UnconfirmedMore = "MS-H-22/more": "80 KiB may go out before the ACK",
    UnconfirmedPerSyn = "MS-H-22/again": "each SYN with another wish buys 64 KiB before the ACK",
    RestartRefused = "MS-H-23": "a SYN with another wish on an established tuple is dropped"
        => Taken(SYN, |it| it.lose_if(it.known.session && !it.known.pending && it.id() != it.known.wish)),
    RestartKeepsId = "MS-H-23/same": "a SYN with another wish restarts the session under the same id",
    RestartKeepsStream = "MS-H-23/both": "a SYN with another wish gets another id, and the old stream runs on",
    RestartWithoutWishKeepsId = "MS-H-23/wish": "a SYN without a wish restarts the session under the same id",
    NameFails = "MS-H-24": "a connection-id before the SYN-ACK ends the session"
        => Taken(NAME, |it| it.end_if(it.known.pending)),
    EarlyMediaFails = "MS-H-24/media": "media before the SYN-ACK ends the session"
        => Taken(MEDIA, |it| it.end_if(it.known.pending)),
    NameAnswered = "MS-H-24/answered": "a connection-id before the SYN-ACK is answered by an ACK"
        => Taken(NAME, |it| if it.known.pending { it.before.push(it.as_ack()) }),
    LaterSynAckLost = "MS-H-25" Initiator: "only the first SYN may be answered"
        => Taken(SYN_ACK, |it| it.lose_if(it.known.pending && it.known.sends > 1)),
    LaterAckLost = "MS-H-25/ack" Responder: "an ACK after a repeated SYN-ACK completes nothing"
        => Taken(ACK, |it| it.lose_if(it.known.pending && it.known.sends > 1)),

    // start3.
    StartOfVersion2 = "MS-S-01": "START has Version 2" => Sent(START, |it| it.edit(26, |_| 2)),
    StartOfStream0 = "MS-S-01/stream": "START has StreamId 0" => Sent(START, |it| it.count(30, |_| 0)),
    StartWithSender = "MS-S-01/sender": "START has a SenderNonce" => Sent(START, |it| it.count(46, |_| 1)),
    AckOfAnotherStream = "MS-S-02": "START_ACK has a StreamId one higher" => Sent(START_ACK, |it| it.count(30, one_more)),
    AckOfAnotherNonce = "MS-S-02/nonce": "START_ACK has a Nonce one higher" => Sent(START_ACK, |it| it.count(38, one_more)),
    AckWithoutSender = "MS-S-02/sender": "START_ACK has SenderNonce 0" => Sent(START_ACK, |it| it.count(46, |_| 0)),
    AckOfNothing = "MS-S-02/parameters": "START_ACK has no parameters" => Sent(START_ACK, |it| it.strip(|_| true)),
    StartFindsSlotsTaken = "MS-S-02/slot": "a stream that is over keeps its slot: STARTs get ERROR 4",
    LastTlvCounts = "MS-S-02/last": "of two TLVs of one type the last counts"
        => Taken(HANDSHAKE, |it| it.reverse_tlvs()),
    ConfirmsAnotherStream = "MS-S-03": "START_CONFIRM has a StreamId one higher" => Sent(CONFIRM, |it| it.count(30, one_more)),
    ConfirmsAnotherNonce = "MS-S-03/nonce": "START_CONFIRM has a Nonce one higher" => Sent(CONFIRM, |it| it.count(38, one_more)),
    ConfirmsAnotherSender = "MS-S-03/sender": "START_CONFIRM has a SenderNonce one higher" => Sent(CONFIRM, |it| it.count(46, one_more)),
    ConfirmsSwapped = "MS-S-03/swapped": "START_CONFIRM has the two nonces swapped"
        => Sent(CONFIRM, |it| it.set_identity(it.identity().swapped())),
    NoConfirm = "MS-S-03/silent": "a START_ACK is not answered" => Sent(CONFIRM, |it| it.lose()),
    MediaBeforeConfirm = "MS-S-04": "media flows before the START_CONFIRM, though START_ACK did not say so",
    BeginsUnsaid = "MS-S-04/flag": "START_ACK does not say that media flows at once"
        => Sent(START_ACK, |it| it.edit(28, |bits| bits & !4)),
    AnyStreamConfirmed = "MS-S-05": "a START_ACK of another stream is taken"
        => Taken(START_ACK, |it| if it.is_of_another_stream() { it.take_as(|its, own| own.with_sender(its.sender_nonce)) }),
    AnyStreamIgnored = "MS-S-05/silent": "a START_ACK of another stream is dropped"
        => Taken(START_ACK, |it| it.lose_if(it.is_of_another_stream())),
    AnyStreamMiscoded = "MS-S-05/code": "a START_ACK of another stream gets ERROR 6"
        => Sent(ERROR, |it| it.set_code(ErrorCode::StreamIdMismatch, ErrorCode::NonceMismatch)),
    AnyStreamOpen = "MS-S-05/open": "a START_ACK of another stream gets ERROR 5, and the session goes on"
        => Taken(START_ACK, |it| if it.is_of_another_stream() { it.object(ErrorCode::StreamIdMismatch) }),
    AnyNonce = "MS-S-06": "a Nonce that is not the session's is taken"
        => Taken(START_ACK_OR_CONFIRM, |it| it.take_as(|its, own| if its.stream_id == own.stream_id { its.with_nonce(own.nonce) } else { its })),
    AnySender = "MS-S-06/sender": "a SenderNonce that is not the session's is taken"
        => Taken(START_ACK_OR_CONFIRM, |it| it.take_sender_if(|_, _| true)),
    NearSender = "MS-S-06/near": "a SenderNonce one higher is taken"
        => Taken(START_ACK_OR_CONFIRM, |it| it.take_sender_if(|its, own| its.sender_nonce == own.sender_nonce.wrapping_add(1))),
    ZeroSender = "MS-S-06/zero" Responder: "SenderNonce 0 is taken"
        => Taken(CONFIRM, |it| it.take_sender_if(|its, _| its.sender_nonce == 0)),
    NonceAsSender = "MS-S-06/swapped" Responder: "a START_CONFIRM with the two nonces swapped is taken"
        => Taken(CONFIRM, |it| if it.known.identity == Some(it.identity().swapped()) { it.set_identity(it.identity().swapped()) }),
    OthersSender = "MS-S-06/session" Responder: "the SenderNonce of another session is taken"
        => Taken(CONFIRM, |it| if it.known.other.and_then(|(_, its)| its).is_some_and(|its| its.sender_nonce == it.identity().sender_nonce) { it.take_sender_if(|_, _| true) }),
    MismatchIgnored = "MS-S-06/silent": "no ERROR 6 is sent"
        => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::NonceMismatch))),
    MismatchMiscoded = "MS-S-06/code": "a wrong nonce gets ERROR 5"
        => Sent(ERROR, |it| it.set_code(ErrorCode::NonceMismatch, ErrorCode::StreamIdMismatch)),
    MismatchOpen = "MS-S-06/open": "a wrong nonce gets ERROR 6, and the session goes on"
        => Taken(START_ACK_OR_CONFIRM, |it| if it.has_another_nonce() { it.object(ErrorCode::NonceMismatch) }),
    MalformedMiscoded = "MS-S-07": "a malformed START gets ERROR 3"
        => Sent(ERROR, |it| it.set_code(ErrorCode::Malformed, ErrorCode::InvalidParameters)),
    MalformedIgnored = "MS-S-07/malformed": "a malformed START is not answered"
        => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::Malformed))),
    VersionMiscoded = "MS-S-07/version": "a START of another Version gets ERROR 1"
        => Sent(ERROR, |it| it.set_code(ErrorCode::UnsupportedVersion, ErrorCode::Malformed)),
    ParametersMiscoded = "MS-S-07/parameters": "invalid parameters get ERROR 1"
        => Sent(ERROR, |it| it.set_code(ErrorCode::InvalidParameters, ErrorCode::Malformed)),
    FullMiscoded = "MS-S-07/resources": "a START for which there is no room gets ERROR 3"
        => Sent(ERROR, |it| it.set_code(ErrorCode::ResourcesUnavailable, ErrorCode::InvalidParameters)),
    FullIgnored = "MS-S-07/full": "a START for which there is no room is not answered"
        => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::ResourcesUnavailable))),
    RefusedIsKept = "MS-S-07/kept": "a START that was refused has a session",
    StartOnce = "MS-S-08": "an unanswered START (`0x0200`) is not sent again" => Repeats(Start, ONCE),
    StartEarly = "MS-S-08/early": "a START is sent again after 250 ms" => Repeats(Start, FIRST_EARLY),
    StartNear = "MS-S-08/near": "a START is sent again after 400 ms" => Repeats(Start, FIRST_NEAR),
    StartLate = "MS-S-08/late": "a START is sent again after a second" => Repeats(Start, FIRST_LATE),
    StartSecondEarly = "MS-S-08/constant": "the wait for START_ACK does not double" => Repeats(Start, SECOND_EARLY),
    StartSecondLate = "MS-S-08/fourfold": "the wait for START_ACK becomes four times as long" => Repeats(Start, SECOND_LATE),
    StartFourTimes = "MS-S-08/four": "a START is sent four times" => Repeats(Start, FOUR),
    StartTwice = "MS-S-08/two": "a START is sent twice" => Repeats(Start, TWO),
    StartForever = "MS-S-09": "STARTs are sent for ever" => Repeats(Start, FOREVER),
    StartGivesUpEarly = "MS-S-09/early": "it gives up with its third START" => Repeats(Start, LAST_SHORT),
    StartGivesUpNear = "MS-S-09/near": "it gives up 150 ms too early after its third START" => Repeats(Start, LAST_NEAR),
    StartGivesUpLate = "MS-S-09/late": "it waits 6 s after its third START" => Repeats(Start, LAST_LONG),
    StartEndsWell = "MS-S-09/status": "it ends well when no START was answered"
        => Ends(Mode::Start3, "timeout", |_| Completed),
    StartCrashes = "MS-S-09/crash": "it crashes when no START was answered"
        => Ends(Mode::Start3, "timeout", crash),
    NoStartFallback = "MS-S-09/fallback": "it does not fall back to the START token, though compatibility is on",
    CompatUnsaid = "MS-S-10": "COMPAT_MODE is never set" => Sent(START, |it| it.edit(28, |bits| bits & !2)),
    CompatAlways = "MS-S-10/always": "COMPAT_MODE is always set" => Sent(START, |it| it.edit(28, |bits| bits | 2)),
    RepeatedStartBeginsAnew = "MS-S-11": "a repeated START (`0x0200`) is a new request: another START_ACK"
        => Taken(START, |it| it.end_if(it.is_repeated_start())),
    RepeatedStartUnanswered = "MS-S-11/silent": "a repeated START is not answered"
        => Taken(START, |it| it.lose_if(it.is_repeated_start())),
    AnyNonceAnswered = "MS-S-11/nonce": "a START with the StreamId of the session and another Nonce gets its START_ACK"
        => Taken(START, |it| it.take_as(|its, own| if its.stream_id == own.stream_id { its.with_nonce(own.nonce) } else { its })),
    DuplicateMiscoded = "MS-S-11/code": "the same StreamId with another Nonce gets ERROR 7"
        => Sent(ERROR, |it| it.set_code(ErrorCode::DuplicateStreamId, ErrorCode::UnexpectedFrame)),
    DuplicateIgnored = "MS-S-11/ignored": "the same StreamId with another Nonce is not answered"
        => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::DuplicateStreamId))),
    ConfirmOnce = "MS-S-12": "a repeated START_ACK is not answered"
        => Taken(START_ACK, |it| it.lose_if(it.known.session && !it.known.pending && !it.is_of_another_stream() && !it.has_another_nonce())),
    OtherConfirm = "MS-S-12/other": "a repeated START_ACK is answered by another START_CONFIRM"
        => Sent(CONFIRM, |it| if !it.known.pending { it.count(46, one_more) }),
    StartAckOnce = "MS-S-13": "START_ACK is sent once, and the half-open session waits for its age" => Repeats(StartAck, ONCE),
    StartAckEarly = "MS-S-13/early": "a START_ACK is sent again after 250 ms" => Repeats(StartAck, FIRST_EARLY),
    StartAckNear = "MS-S-13/near": "a START_ACK is sent again after 400 ms" => Repeats(StartAck, FIRST_NEAR),
    StartAckLate = "MS-S-13/late": "a START_ACK is sent again after a second" => Repeats(StartAck, FIRST_LATE),
    StartAckSecondEarly = "MS-S-13/constant": "the wait for START_CONFIRM does not double" => Repeats(StartAck, SECOND_EARLY),
    StartAckSecondLate = "MS-S-13/fourfold": "the wait for START_CONFIRM becomes four times as long" => Repeats(StartAck, SECOND_LATE),
    StartAckFourTimes = "MS-S-13/four": "a START_ACK is sent four times" => Repeats(StartAck, FOUR),
    StartAckTwice = "MS-S-13/two": "a START_ACK is sent twice" => Repeats(StartAck, TWO),
    PendingLong = "MS-S-13/kept": "a session is kept for 6 s after the third START_ACK" => Repeats(StartAck, LAST_LONG),
    PendingShort = "MS-S-13/dropped": "a session is closed with the third START_ACK" => Repeats(StartAck, LAST_SHORT),
    TimeoutUnsaid = "MS-S-13/silent": "no ERROR 8 is sent"
        => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::Timeout))),
    TimeoutMiscoded = "MS-S-13/code": "a session that is not confirmed ends by ERROR 4"
        => Sent(ERROR, |it| it.set_code(ErrorCode::Timeout, ErrorCode::ResourcesUnavailable)),
    StartSetsTimers = "MS-S-13/reset": "a repeated START begins the timers of START_ACK anew",
    StartCounts = "MS-S-13/counts": "the answer to a repeated START counts as a repetition of START_ACK",
    AnyFrameRate = "MS-S-14": "FrameRate of START_ACK is not looked at"
        => Taken(START_ACK, |it| it.strip(|of| of == kind::FRAME_RATE)),
    AnyBitRate = "MS-S-14/bit-rate": "BitRate of START_ACK is not looked at"
        => Taken(START_ACK, |it| it.strip(|of| of == kind::BIT_RATE)),
    AnyLength = "MS-S-14/length": "StreamLength of START_ACK is not looked at"
        => Taken(START_ACK, |it| it.strip(|of| of == kind::STREAM_LENGTH)),
    AnyDepth = "MS-S-14/depth": "BufferDepth of START_ACK is not looked at"
        => Told(|it| it.buffer_depth = Some(1_000))
        => Taken(START_ACK, |it| it.strip(|of| of == kind::BUFFER_DEPTH)),
    AnyMaxDatagram = "MS-S-14/datagram": "MaxDatagram of START_ACK is not looked at"
        => Told(|it| it.tells_max_datagram = true)
        => Taken(START_ACK, |it| it.strip(|of| of == kind::MAX_DATAGRAM)),
    GrantMiscoded = "MS-S-14/code": "a parameter above what was asked gets ERROR 1"
        => Sent(ERROR, |it| it.set_code(ErrorCode::InvalidParameters, ErrorCode::Malformed)),
    GrantIgnored = "MS-S-14/silent": "a parameter above the requested one ends the session silently"
        => Sent(ERROR, |it| it.lose_if(it.is_error(ErrorCode::InvalidParameters))),
    ErrorAnswered = "MS-S-15": "an ERROR is answered by an ERROR"
        => Taken(ERROR, |it| it.before.push(it.error(ErrorCode::UnexpectedFrame))),
    ErrorIgnored = "MS-S-16": "an ERROR ends nothing" => Taken(ERROR, |it| it.lose()),
    ErrorOfAnyNonce = "MS-S-16/nonce": "an ERROR with other nonces ends the session"
        => Taken(ERROR, |it| it.take_as(|its, own| if its.stream_id == own.stream_id { own } else { its })),
    Error7Ends = "MS-S-16/seven": "ERROR 7 ends the session"
        => Taken(ERROR, |it| it.set_code(ErrorCode::UnexpectedFrame, ErrorCode::Timeout)),
    ErrorOfZeros = "MS-S-16/zeros": "an ERROR with a nonce of 0 ends nothing"
        => Taken(ERROR, |it| it.lose_if(it.identity().nonce == 0 || it.identity().sender_nonce == 0)),
    ErrorOfKnownCode = "MS-S-16/code": "an ERROR of a code that has no name ends nothing"
        => Taken(ERROR, |it| it.lose_if(it.code() > 9)),
    UnexpectedEnds = "MS-S-17": "a frame of another stream that the state does not expect ends the session"
        => Taken(START3, |it| it.end_if(it.is_unexpected())),
    LateAnswerEnds = "MS-S-17/answer" Initiator: "a START_ACK of another stream ends the session that streams"
        => Taken(START_ACK, |it| it.end_if(!it.known.pending && it.is_of_another_stream())),
    ErrorOfAnyStream = "MS-S-17/error": "an ERROR of another stream ends the session"
        => Taken(ERROR, |it| it.take_as(|_, own| own)),
    ObjectsAgain = "MS-S-17/again": "each frame that the state does not expect gets ERROR 7"
        => Taken(START3, |it| if it.is_unexpected() {
            it.before.push(it.error(ErrorCode::UnexpectedFrame));
            it.lose();
        }),
    ObjectsToItself = "MS-S-17/numbers": "ERROR 7 bears the numbers of the session"
        => Sent(ERROR, |it| if it.is_error(ErrorCode::UnexpectedFrame) { it.take_as(|_, own| own) }),
    LaterStartAckLost = "MS-S-18" Initiator: "only the first START may be answered"
        => Taken(START_ACK, |it| it.lose_if(it.known.pending && it.known.sends > 1)),
    LaterConfirmLost = "MS-S-18/confirm" Responder: "a START_CONFIRM after a repeated START_ACK completes nothing"
        => Taken(CONFIRM, |it| it.lose_if(it.known.pending && it.known.sends > 1)),
    AnyStreamCompletes = "MS-S-19": "a START_CONFIRM for another StreamId completes the handshake"
        => Taken(CONFIRM, |it| it.take_as(|_, own| own)),
    AnyStreamCloses = "MS-S-19/closes": "a START_CONFIRM for another StreamId closes the session"
        => Taken(CONFIRM, |it| it.end_if(it.is_of_another_stream())),
    AnySource = "MS-S-20": "frames of the session are taken from whatever address"
        => Taken(START3, |it| it.take_as_the_others()),
    AnyPort = "MS-S-20/port": "frames of the session are taken from whatever port"
        => Taken(START3, |it| if it.shares_the_address() { it.take_as_the_others() }),
    AnySourcesMedia = "MS-S-20/media" Initiator: "media is taken from whatever address"
        => Taken(MEDIA, |it| it.take_as_the_others()),
}
