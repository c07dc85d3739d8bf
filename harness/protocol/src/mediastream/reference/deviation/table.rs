//! One row a twin: its name, the only side that can be it, its fault, and its hook where it has one.

use std::time::Duration;

use super::faults::*;
use super::hook::Hook::{self, Ends, Paced, Repeats, Sent, Setting, Taken, Uncounted};
use super::hook::Repeated::{Start, StartAck, Syn, SynAck};
use crate::machine::Outcome::Completed;
use crate::mediastream::frame::tlv::kind;
use crate::mediastream::frame::{ConnectionId, Control, ErrorCode, START_TOKEN, flag};
use crate::mediastream::{Mode, Modes};

with_start3! {
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
    ShortIdUncounted = "MS-W-03/uncounted" Initiator: "a connection-id that is too short is not counted"
        => Uncounted("validation_errors"),
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
    UnterminatedUncounted = "MS-W-05/uncounted" Initiator: "a connection-id without a NUL is not counted"
        => Uncounted("validation_errors"),
    OnlyUuids = "MS-W-06": "an id that is no UUID is dropped"
        => Taken(ANY, |it| it.lose_if(it.id().is_some_and(|id| !is_uuid(&id)))),
    OnlyUuidsLive = "MS-W-06/ends": "an id that is no UUID ends the session"
        => Taken(ANY, |it| it.end_if(it.id().is_some_and(|id| !is_uuid(&id)))),
    OnlyUuidsUpload = "MS-W-06/upload" Initiator: "an uploader drops an answer to JOIN whose id is no UUID"
        => Taken(NAME, |it| it.lose_if(it.known.uploads && it.id().is_some_and(|id| !is_uuid(&id)))),
    ShortTaken = "MS-W-07": "what a headered datagram lacks to its minimum is taken for zeros"
        => Taken(ANY, |it| it.pad_to_minimum()),
    ShortCompletes = "MS-W-07/counts" Initiator: "data without payload counts as a frame"
        => Taken(0..=0, |it| if it.is_malformed() && it.is_longer_than(9) { it.pad_to_frame() }),
    ShortEnds = "MS-W-07/ends": "a headered datagram below its minimum ends the session"
        => Taken(0..=0x02FF, |it| it.end_if(it.is_malformed())),
    ShortDataUncounted = "MS-W-07/uncounted" Initiator: "a datagram below its minimum is not counted"
        => Uncounted("validation_errors"),
    UnknownEnds = "MS-W-08": "an unknown ProtocolFlag ends the session"
        => Taken(ANY, |it| it.end_if(it.is_unknown() && it.is_longer_than(2))),
    NearFlagNames = "MS-W-08/name" Initiator: "flag 0x1001 is that of a connection-id"
        => Taken(0x1001..=0x1001, |it| it.set(0, &[0x00, 0x10])),
    NearFlagIsMedia = "MS-W-08/media" Initiator: "flags up to 0x00FF are those of media"
        => Taken(0x0002..=0x00FF, |it| it.set(0, &[0, 0])),
    LowByteIsMedia = "MS-W-08/byte" Initiator: "flag 0x8000 is that of data: its upper byte is not read"
        => Taken(0x8000..=0x8000, |it| it.set(1, &[0])),
    UnknownAnswered = "MS-W-08/answered": "a datagram of an unknown ProtocolFlag is sent back"
        => Taken(ANY, |it| if it.is_unknown() { it.before.push(it.bytes.clone()) }),
    ErrorEnds = "MS-W-08/error": "ERROR ends the session where it is an unknown flag"
        => Taken(ERROR, |it| it.end_if(it.is_unknown())),
    UnknownUncounted = "MS-W-08/uncounted" Initiator: "an unknown flag is not counted"
        => Uncounted("validation_errors"),
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
    ManyEnd = "MS-W-17/many" Responder: "the fifty-first datagram that is none ends the session",
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
    AskedAtAnyRate = "MS-L-02/rate": "an unanswered START token is sent again after 520 ms, whatever the frame rate",
    AskedLate = "MS-L-02/late": "an unanswered START token is sent again after a second",
    AskedFourTimes = "MS-L-02/four": "a START token is sent four times, and then waited for"
        => Sent(TOKEN, |it| it.lose_if(it.known.sent > 3)),
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
        => Setting(|it| it.buffer_period = Duration::from_hours(1)),
    GivesUpEarly = "MS-L-05/early": "it waits for half of its buffer period"
        => Setting(|it| it.buffer_period /= 2),
    GivesUpNear = "MS-L-05/near": "it waits for 94% of its buffer period"
        => Setting(|it| it.buffer_period = it.buffer_period * 94 / 100),
    GivesUpLate = "MS-L-05/late": "it waits for twice its buffer period"
        => Setting(|it| it.buffer_period *= 2),
    GivesUpAmidst = "MS-L-05/amidst": "its buffer period begins with the session, whatever arrives",
    EndsWell = "MS-L-05/status": "it exits with 0 when nothing arrived"
        => Ends(Mode::Legacy, "timeout", |_| Completed),
    NameIsEnough = "MS-L-05/named": "it exits with 0 when a connection-id arrived and no media"
        => Ends(Mode::Legacy, "no_media", |_| Completed),
    Crashes = "MS-L-05/crash": "it crashes when nothing arrived"
        => Ends(Mode::Legacy, "timeout", crash),
    LegacyTakesSyn = "MS-L-06": "SYN is served in legacy mode"
        => Setting(|it| it.modes = it.modes.with(Mode::ThreeWay)),
    LegacyTakesStart = "MS-L-06/start3": "START (`0x0200`) is served in legacy mode"
        => Setting(|it| it.modes = it.modes.with(Mode::Start3)),
    OtherDefault = "MS-L-07": "with no mode given it speaks 3way"
        => Setting(|it| if it.modes == Modes::from(Mode::Legacy) { it.modes = Mode::ThreeWay.into() }),

    // 3way.
    BeginsWithStart = "MS-H-01": "a START token comes before the SYN"
        => Sent(SYN, |it| it.before.push(START_TOKEN.to_vec())),
    BeginsWithAck = "MS-H-01/ack": "an ACK comes before the SYN"
        => Sent(SYN, |it| it.before.push(it.as_ack())),
    BeginsByVersion2 = "MS-H-01/version": "SYN has Version 2"
        => Sent(SYN, |it| it.edit(26, |_| 2)),
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
    NamePutsSynOff = "MS-H-03/name": "a connection-id before the SYN-ACK puts the next SYN off",
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
    RepeatedSynAnsweredOnce = "MS-H-08/third": "a SYN that is repeated more than once is not answered"
        => Taken(SYN, |it| it.lose_if(it.known.pending && it.id() == it.known.wish && it.known.sent > 1)),
    AckOfAnotherId = "MS-H-09": "the ACK bears another id than the assigned one"
        => Sent(ACK, |it| it.set_id(FIXED)),
    AckOfNearId = "MS-H-09/near": "the id of the ACK has another last character"
        => Sent(ACK, |it| it.edit_id(35)),
    AckOfEmptyId = "MS-H-09/empty": "the ACK bears no id"
        => Sent(ACK, |it| it.set_id(ConnectionId::EMPTY)),
    AckOfTrimmedId = "MS-H-09/spaces": "the ACK bears the id without the spaces around it"
        => Sent(ACK, |it| it.trim_id()),
    AckOfVersion2 = "MS-H-09/version": "the ACK has Version 2"
        => Sent(ACK, |it| it.edit(26, |_| 2)),
    NoAck = "MS-H-09/silent": "a SYN-ACK is not answered"
        => Sent(ACK, |it| it.lose()),
    RejectionAnswered = "MS-H-10": "Accept=0 is answered by ACK"
        => Taken(SYN_ACK, |it| if !it.accepts() { it.before.push(it.as_ack()) }),
    RejectionIgnored = "MS-H-10/on": "after Accept=0 it asks on"
        => Taken(SYN_ACK, |it| it.lose_if(!it.accepts())),
    LateRejectionIgnored = "MS-H-10/late": "Accept=0 is dropped once the SYN was sent again"
        => Taken(SYN_ACK, |it| it.lose_if(!it.accepts() && it.known.sends > 1)),
    RejectionEndsWell = "MS-H-10/status": "it ends well when it was rejected"
        => Ends(Mode::ThreeWay, "rejected", |_| Completed),
    RejectionFallsBack = "MS-H-10/fallback" Initiator: "after Accept=0 it falls back to START, where fallback is on",
    AckOnce = "MS-H-11": "a repeated SYN-ACK is not answered"
        => Taken(SYN_ACK, |it| it.lose_if(it.known.session && !it.known.pending)),
    AckThrice = "MS-H-11/third": "the third repeated SYN-ACK and those after it are not answered"
        => Sent(ACK, |it| it.lose_if(it.known.sent > 3)),
    RepeatedSynAcksBytesCount = "MS-H-11/bytes": "a repeated SYN-ACK with an unknown TLV is not answered"
        => Taken(SYN_ACK, |it| it.lose_if(it.known.session && !it.known.pending && it.is_longer_than(67))),
    RepeatedSynAckForgets = "MS-H-11/anew": "a repeated SYN-ACK makes it forget the frames that came",
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
    SpacedAckCompletes = "MS-H-12/space": "the wished id is assigned, and an ACK with it and a space completes the handshake"
        => Sent(ANY, |it| it.set_id_to_wish())
        => Taken(ACK, |it| if let (Some(wish), Some(own)) = (it.known.wish, it.known.id)
            && it.id().is_some_and(|id| id.text().trim_ascii() == wish.text()) { it.set_id(own) }),
    WishedAckCompletes = "MS-H-12/wish": "an ACK with the wished id completes the handshake, though another was assigned"
        => Taken(ACK, |it| if it.id().is_some() && it.id() == it.known.wish { it.take_id_if(|_, _| true) }),
    AnyAckCompletesRestart = "MS-H-12/restart": "after a restart an ACK with any id completes the handshake"
        => Taken(ACK, |it| if it.known.pending && it.known.sent > 10 { it.take_id_if(|_, _| true) }),
    AnyAckCompletesSecondRestart = "MS-H-12/again": "after a second restart an ACK with any id completes the handshake"
        => Taken(ACK, |it| if it.known.pending && it.known.sent > 22 { it.take_id_if(|_, _| true) }),
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
    AnyCaseSynAck = "MS-H-14/case": "a SYN-ACK with the session's id in other letters is answered by an ACK"
        => Taken(SYN_ACK, |it| it.take_id_if(|id, own| id.eq_ignore_ascii_case(own))),
    ShorterSynAck = "MS-H-14/shorter": "a SYN-ACK whose id is the beginning of the session's is answered by an ACK"
        => Taken(SYN_ACK, |it| it.take_id_if(|id, own| !id.is_empty() && own.starts_with(id))),
    AnyPortCompletes = "MS-H-13/port": "an ACK from another port completes the handshake"
        => Taken(ACK, |it| if it.shares_the_address() { it.take_as_the_others() }),
    AckMovesStream = "MS-H-13/moves": "an ACK from another port moves the stream there",
    MediaBeforeAck = "MS-H-15": "media flows before the ACK",
    HalfAckCompletes = "MS-H-15/half": "an ACK whose id is right in its first half completes the handshake"
        => Taken(ACK, |it| it.take_id_if(|id, own| id.get(..18) == own.get(..18))),
    UnendedAckCompletes = "MS-H-15/nul": "an ACK completes the handshake by the first 36 bytes of its id, NUL or not"
        => Taken(ACK, |it| it.terminate_id()),
    FilledAckCompletes = "MS-H-15/short": "assigned ids are short, and an ACK without a NUL that begins with one completes the handshake"
        => Sent(ANY, |it| if let Some(id) = it.id() { it.set_id(short(&id)) })
        => Taken(ACK, |it| if let (Some(id), Some(own)) = (it.id(), it.known.id)
            && (id == short(&own) || !id.is_terminated() && id.text().starts_with(short(&own).text())) { it.set_id(own) }),
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
    EarlyMediaFew = "MS-H-17/few": "of what comes before the SYN-ACK five frames are kept"
        => Taken(MEDIA, |it| it.lose_if(it.known.pending && it.sequence() > 5)),
    AnyIdsMedia = "MS-H-17/tuple": "media is mapped by the tuple alone: connection ids are ignored"
        => Taken(NAME, |it| it.lose()),
    TrimmedIdsMedia = "MS-H-17/spaces": "ids are those without the spaces around them"
        => Taken(NAME, |it| it.trim_id()),
    LossyIdsMedia = "MS-H-17/utf-8": "bytes of an id that are no UTF-8 are all the same"
        => Taken(ANY, |it| it.edit_id_bytes(|byte| if byte.is_ascii() { byte } else { b'\xFF' })),
    FirstOfIdsMedia = "MS-H-17/first" Initiator: "ids are compared by their first 32 bytes"
        => Taken(NAME, |it| it.take_id_if(|id, own| id.get(..32).is_some_and(|first| own.starts_with(first)))),
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
    DroppedStreams = "MS-H-18/media": "optimistic media goes on when the session was dropped",
    HalfOpenUnbounded = "MS-H-19": "half-open sessions have no bound"
        => Setting(|it| it.max_half_open = usize::MAX),
    OneHalfOpenMore = "MS-H-19/more": "there may be one half-open session more"
        => Setting(|it| it.max_half_open += 1),
    HalfOpenFew = "MS-H-19/few": "there may be 16 half-open sessions only"
        => Setting(|it| it.max_half_open = 16),
    FloodEnds = "MS-H-19/flood": "1,000 half-open sessions end another session"
        => Taken(SYN, |it| if it.known.half_open >= 1_000 { it.ends = it.known.other.map(|(other, _)| other) }),
    LegacyStartServed = "MS-H-20": "the START token is served though AllowLegacyStart is off"
        => Setting(|it| it.allow_legacy_start = true),
    LegacyStartDropped = "MS-H-21": "the START token is dropped though AllowLegacyStart is on"
        => Setting(|it| it.allow_legacy_start = false),
    StartBeginsHandshakesStreamAnew = "MS-H-21/stream": "a START token into a stream that a handshake began begins it anew"
        => Taken(TOKEN, |it| it.end_if(it.known.wish.is_some() && !it.known.pending)),
    StartRenamesStream = "MS-H-21/name": "a START token into a stream is answered by another connection-id"
        => Taken(TOKEN, |it| if it.known.session && !it.known.pending { it.before.push(name(FIXED)) }),
    UnconfirmedUnbounded = "MS-H-22": "there is no bound to what goes out before the ACK",
    UnconfirmedMore = "MS-H-22/more": "80 KiB may go out before the ACK",
    UnconfirmedPerSyn = "MS-H-22/again": "each SYN with another wish buys 64 KiB before the ACK",
    RestartRefused = "MS-H-23": "a SYN with another wish on an established tuple is dropped"
        => Taken(SYN, |it| it.lose_if(it.known.session && !it.known.pending && it.id() != it.known.wish)),
    RestartOnce = "MS-H-23/once": "a second restart is refused"
        => Taken(SYN, |it| it.lose_if(it.known.session && !it.known.pending && it.id() != it.known.wish && it.known.sent > 18)),
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
    WaitsOnAfterAck = "MS-H-25/waits" Initiator: "after the ACK it waits for ever for media"
        => Setting(|it| if it.modes == Modes::from(Mode::ThreeWay) { it.buffer_period = Duration::from_hours(1) }),
    LaterAckLost = "MS-H-25/ack" Responder: "an ACK after a repeated SYN-ACK completes nothing"
        => Taken(ACK, |it| it.lose_if(it.known.pending && it.known.sends > 1)),
}
