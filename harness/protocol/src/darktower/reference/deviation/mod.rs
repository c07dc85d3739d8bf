//! Faulty twins of the reference. One whose requirement binds both sides is a client and a server.

mod information;
mod media;
mod signaling;
mod tokens;

pub(super) use tokens::Lenience;

use std::time::Duration;

use crate::Transport;

crate::twin::twins! {
    pub struct Deviations;

    OtherMeetingsToken = "DT-G-01": "the join token is of the meeting with the next id",
    MediaTokenToJoin = "DT-G-01/use": "the join token is one for media",
    ShortToken = "DT-G-01/short": "the join token is valid for 4 minutes",
    LongToken = "DT-G-01/long": "the join token is valid for 10 minutes",
    LaterToken = "DT-G-01/later": "the join token is issued in ten minutes",
    NamelessJoinToken = "DT-G-01/name": "the join token has no jti",
    OtherJoinSecret = "DT-G-01/secret": "the join token is signed with another secret",
    PlainControllerUrl = "DT-G-01/https": "the URL where the meeting is joined is one of http",
    NoMeetingId = "DT-G-01/id": "an answer does not say of which meeting it is",
    NoControllerUrl = "DT-G-01/url": "an answer does not say where the meeting is joined",
    NoExpiry = "DT-G-01/expiry": "an answer does not say when the token expires",
    LateExpiry = "DT-G-01/late": "an answer says that the token expires an hour later than it does",
    FieldsInOrder = "DT-G-01/order": "the token must be the last header field",
    RefusalStays = "DT-G-01/stuck": "after a request was refused all others are refused, too",
    AnyBearer = "DT-G-02": "whoever asks is told, with a token or without",
    BearerUnsigned = "DT-G-02/none": "a token with alg none is valid",
    BearerAnyhowSigned = "DT-G-02/signature": "the signature of a token is not looked at",
    BearerOfHs512 = "DT-G-02/algorithm": "tokens with HS512 are valid, too",
    BearerOfHs384 = "DT-G-02/hs384": "tokens with HS384 are valid, too",
    BearerExpired = "DT-G-02/expired": "an expired token is valid",
    BearerNearlyExpired = "DT-G-02/grace": "a token is valid for 30 s after it has expired",
    BearerEndless = "DT-G-02/endless": "a token without an expiry is valid",
    BearerOfAnyUse = "DT-G-02/use": "a token for media is valid",
    BearerOfAnyMeeting = "DT-G-02/foreign": "a token of another meeting is valid",
    AnyScheme = "DT-G-02/scheme": "the scheme before the token is not looked at",
    UnknownIsInvalid = "DT-G-02/unknown": "an unknown meeting is answered with 400",
    AnyIdIsUnknown = "DT-G-02/uuid": "an id that is no UUID is answered with 404",
    ErrorWithoutCode = "DT-G-02/body": "the body of an error has no code",
    NoBearerIsUnknown = "DT-G-02/status": "without a valid token the answer is 404",
    OtherProtocol = "DT-S-01/alpn" Responder: "another protocol is agreed on in the handshake",
    NoSessions = "DT-S-01/session" Responder: "a session that is asked for is refused",
    CapsuleEnds = "DT-S-01/capsule": "a capsule of an unknown type ends the connection",
    StreamFirst = "DT-S-01/stream" Initiator: "the stream is opened and no session is asked for",
    MessagesInOnePiece = "DT-S-02": "what comes of a message without the rest of it is lost",
    OneOfMany = "DT-S-02/shared": "of messages that come together the first is read",
    LittleEndian = "DT-S-02/length": "the length before a message is little-endian",
    PublishesFirst = "DT-S-03": "the client publishes a stream before it joins",
    FirstPassedOver = "DT-S-04": "another first message is passed over",
    FirstStaysOpen = "DT-S-04/open": "after another first message the stream stays open",
    FirstIsConflict = "DT-S-04/code": "another first message is a CONFLICT",
    FirstWithoutError = "DT-S-04/silent": "after another first message the stream is closed without an error",
    NoOthers = "DT-S-05": "a JoinResponse does not say who is there",
    OneOther = "DT-S-05/first": "a JoinResponse says of one only that it is there, who came first",
    LastStream = "DT-S-05/last": "a JoinResponse says of each who is there which stream came last, and no others",
    NoStreams = "DT-S-05/streams": "a JoinResponse does not say what those who are there publish",
    ItselfThere = "DT-S-05/itself": "a JoinResponse has who joins among those who are there",
    NoParticipantId = "DT-S-05/id": "a JoinResponse has no participant_id",
    OneId = "DT-S-05/same": "all participants have the same id",
    NoMediaToken = "DT-S-05/token": "a JoinResponse has no token for media",
    MediaTokenForJoining = "DT-S-05/use": "the token for media in a JoinResponse is one to join",
    OtherMeetingsMediaToken = "DT-S-05/foreign": "the token for media in a JoinResponse is of the meeting with the next id",
    ShortMediaToken = "DT-S-05/short": "the token for media in a JoinResponse is valid for 4 minutes",
    LongMediaToken = "DT-S-05/long": "the token for media in a JoinResponse is valid for 50 minutes",
    LaterMediaToken = "DT-S-05/later": "the token for media in a JoinResponse is issued in ten minutes",
    PlainMediaUrl = "DT-S-05/https": "the URL where media goes is one of http",
    NamelessMediaToken = "DT-S-05/name": "the token for media in a JoinResponse has no jti",
    OneMediaName = "DT-S-05/reused": "the tokens for media of all participants have one jti",
    UsersMediaName = "DT-S-05/again": "a participant who joins again gets a token for media with the jti of the first one",
    OtherMediaSecret = "DT-S-05/secret": "the token for media in a JoinResponse is signed with another secret",
    NoMediaServer = "DT-S-05/media": "a JoinResponse has no media server",
    NoMediaUrl = "DT-S-05/url": "a JoinResponse does not say where media goes",
    NoKeys = "DT-S-05/keys": "a JoinResponse has no keys",
    EmptyKeys = "DT-S-05/empty": "a JoinResponse has keys without a key",
    NoCapabilities = "DT-S-05/capabilities": "a JoinRequest with capabilities is refused",
    JoinsAnybody = "DT-S-06": "whoever asks is joined, whatever the token",
    JoinUnsigned = "DT-S-06/none": "a token with alg none is valid",
    JoinAnyhowSigned = "DT-S-06/signature": "the signature of a token is not looked at",
    JoinOfHs512 = "DT-S-06/algorithm": "tokens with HS512 are valid, too",
    JoinOfHs384 = "DT-S-06/hs384": "tokens with HS384 are valid, too",
    JoinExpired = "DT-S-06/expired": "an expired token is valid",
    JoinNearlyExpired = "DT-S-06/grace": "a token is valid for 30 s after it has expired",
    JoinEarly = "DT-S-06/early": "a token is invalid 2 minutes before it expires",
    JoinEndless = "DT-S-06/endless": "a token without an expiry is valid",
    JoinOfAnyUse = "DT-S-06/use": "a token for media is valid",
    JoinOfAnyMeeting = "DT-S-06/foreign": "a token of another meeting is valid",
    OtherText = "DT-S-06/text": "an invalid token is refused with another text",
    TokenIsInvalidRequest = "DT-S-06/code": "an invalid token is an INVALID_REQUEST",
    RefusedIsTold = "DT-S-06/told": "the others are told of a join that is refused",
    RefusedStays = "DT-S-06/stays": "who was refused is there for those who join later",
    OneMore = "DT-S-07": "a meeting has room for one more than it says",
    OneFewer = "DT-S-07/fewer": "a meeting has room for one less than it says",
    FullIsNotFound = "DT-S-07/full": "a full meeting is NOT_FOUND",
    EndedGoesOn = "DT-S-07/ended": "a meeting that is over is joined",
    MissingIsInvalid = "DT-S-07/code": "an unknown meeting is an INVALID_REQUEST",
    PlaceIsKept = "DT-S-07/place": "who has left keeps a place in the meeting",
    JoinIsUntold = "DT-S-08": "the others are not told of a join",
    JoinToldTwice = "DT-S-08/twice": "the others are told of a join twice",
    JoinToldToItself = "DT-S-08/itself": "who joins is told of it, too",
    JoinToldFirst = "DT-S-08/before": "the others are told of a join before it is known whether there is room",
    JoinToldBefore = "DT-S-08/order": "the others are told of a join a second before its JoinResponse is sent",
    JoinToldToAll = "DT-S-08/meeting": "participants of other meetings are told of a join, too",
    JoinToldToFirst = "DT-S-08/first": "only the first of the others is told of a join",
    PublisherUntold = "DT-S-09": "who publishes a stream has no answer",
    OthersUntold = "DT-S-09/others": "the others are not told of a stream",
    StreamToldToAll = "DT-S-09/meeting": "participants of other meetings are told of a stream, too",
    StreamToldToFirst = "DT-S-09/first": "only the first of the others is told of a stream",
    NoMetadata = "DT-S-09/metadata": "a stream is told without its metadata",
    SameAgain = "DT-S-09/again": "the same stream_id is published again",
    SameOfAnother = "DT-S-09/another": "the stream_id of another participant is published, too",
    SameIsUnanswered = "DT-S-09/unanswered": "the same stream_id again has no answer",
    SameIsInvalid = "DT-S-09/code": "the same stream_id again is an INVALID_REQUEST",
    SameIsTold = "DT-S-09/told": "the others are told of the same stream_id again",
    ConflictEnds = "DT-S-09/ends": "after a CONFLICT the stream is closed",
    QualityEnds = "DT-S-09/quality": "a StreamQualityUpdate of a participant is malformed",
    SubscriberUntold = "DT-S-10": "SubscribeStream has no answer",
    OtherSubscribed = "DT-S-10/id": "the answer to SubscribeStream does not say which stream",
    AnySubscribed = "DT-S-10/unknown": "a stream that there is not is subscribed to",
    EarlierUnknown = "DT-S-10/earlier": "a stream that was published before who subscribes has joined is NOT_FOUND",
    UnknownIsConflict = "DT-S-10/code": "a stream that there is not is a CONFLICT",
    ZeroPassedOver = "DT-S-11/zero": "length 0 is passed over",
    LongTaken = "DT-S-11/long": "a length above 65,536 waits for its bytes",
    LongestRefused = "DT-S-11/longest": "length 65,536 is refused",
    UndecodablePassedOver = "DT-S-11/bytes": "bytes that are no message are passed over",
    EmptyPassedOver = "DT-S-11/empty": "an empty oneof is passed over",
    MalformedStaysOpen = "DT-S-11/open": "after a malformed message the stream stays open",
    MalformedWithoutError = "DT-S-11/silent": "after a malformed message the stream is closed without an error",
    MalformedIsConflict = "DT-S-11/code": "a malformed message is a CONFLICT",
    MalformedEndsAll = "DT-S-11/others": "a malformed message ends the streams of all",
    CutJoins = "DT-S-11/cut": "a message that the end of its stream cuts short joins somebody",
    UnknownIsMalformed = "DT-S-12": "a message with unknown fields is malformed",
    NoKeepAlive = "DT-S-13": "an idle connection is not kept alive",
    LateKeepAlive = "DT-S-13/late": "an idle connection is kept alive every 25 s",
    SilentForever = "DT-S-14": "a silent participant stays",
    SilentBriefly = "DT-S-14/early": "a silent participant is gone after 25 s",
    SilentLonger = "DT-S-14/late": "a silent participant is gone after 40 s",
    SilentWithoutMessages = "DT-S-14/messages": "a participant without a message for 30 s is gone, whatever packets come",
    SilentIsVoluntary = "DT-S-14/reason": "that a silent participant is gone is VOLUNTARY",
    SilentIsUntold = "DT-S-14/untold": "the others are not told that a silent participant is gone",
    LossToldToAll = "DT-S-14/meeting": "participants of other meetings are told that somebody is lost, too",
    FailsForever = "DT-S-15": "a connection that fails is kept",
    FailsBriefly = "DT-S-15/early": "a connection that fails is given up after 4 s",
    FailsLonger = "DT-S-15/late": "a connection that fails is given up after 40 s",
    NotAnew = "DT-S-15/once": "after a connection that failed nothing is joined anew",
    OldToken = "DT-S-15/token": "what is joined anew is joined by the old token",
    LostAtOnce = "DT-S-16": "who comes back has a new id",
    LostBriefly = "DT-S-16/early": "who comes back after 10 s has a new id",
    LostSooner = "DT-S-16/short": "who comes back after 26 s has a new id",
    LostLonger = "DT-S-16/late": "who comes back after 39 s has the same id",
    LostOnce = "DT-S-16/once": "who comes back a second time has a new id",
    LostAnywhere = "DT-S-16/meeting": "who is lost in a meeting gets its id in any other, too",
    LostToAnybody = "DT-S-16/user": "another user gets the id of one that is lost",
    LeavingIsLoss = "DT-S-17": "that somebody leaves is CONNECTION_LOST",
    LeavingIsUntold = "DT-S-17/untold": "the others are not told that somebody leaves",
    LeavingToldToAll = "DT-S-17/meeting": "participants of other meetings are told that somebody leaves, too",
    LeavingToldToFirst = "DT-S-17/first": "only the first of the others is told that somebody leaves",
    LeavingToldTwice = "DT-S-17/twice": "the others are told twice that somebody leaves",
    NoAuthentication = "DT-M-01": "media comes without MediaAuth",
    AuthenticationLater = "DT-M-01/late": "media comes before MediaAuth",
    MediaOfAnybody = "DT-M-02": "whoever asks is taken, whatever the token",
    MediaUnsigned = "DT-M-02/none": "a token with alg none is valid",
    MediaAnyhowSigned = "DT-M-02/signature": "the signature of a token is not looked at",
    MediaOfHs512 = "DT-M-02/algorithm": "tokens with HS512 are valid, too",
    MediaOfHs384 = "DT-M-02/hs384": "tokens with HS384 are valid, too",
    MediaExpired = "DT-M-02/expired": "an expired token is valid",
    MediaNearlyExpired = "DT-M-02/grace": "a token is valid for 30 s after it has expired",
    MediaEndless = "DT-M-02/endless": "a token without an expiry is valid",
    MediaOfAnyUse = "DT-M-02/use": "a token to join is valid",
    UsedAgain = "DT-M-02/again": "a token is valid as often as it is shown",
    OneOfAUser = "DT-M-02/user": "a second token of the same user is refused",
    NobodyTaken = "DT-M-02/valid": "no token is valid",
    ResultInPieces = "DT-M-02/pieces": "MediaAuth must come in one piece",
    NoDatagramResult = "DT-M-02/datagram": "MediaAuth in a datagram has no answer",
    EarlyPassedOver = "DT-M-03": "media before authentication is not broken off",
    EarlyIsFormat = "DT-M-03/code": "media before authentication is broken off with code 1",
    EarlyForwarded = "DT-M-03/forwarded": "media before authentication is forwarded",
    EarlyEndsAll = "DT-M-03/others": "media before authentication ends the sessions of all",
    NoHeader = "DT-M-04": "a stream has no stream header",
    OtherId = "DT-M-04/id": "frames have another StreamId than their stream's header",
    AnyMagic = "DT-M-05/magic": "a stream that does not begin with DART is not broken off",
    AnyStreamVersion = "DT-M-05/version": "a stream header of another version is not broken off",
    AnyStreamType = "DT-M-05/type": "a stream header of an unknown type is not broken off",
    AnyFrameVersion = "DT-M-05/frame-version": "a frame of another version is not broken off",
    AnyFrameType = "DT-M-05/frame-type": "a frame of an unknown type is not broken off",
    AnyStreamId = "DT-M-05/id": "a frame of another StreamId is not broken off",
    CutFrame = "DT-M-05/cut": "a frame that is cut short by FIN ends its copies as others do",
    ReservedIsRead = "DT-M-05/reserved": "a frame whose reserved bytes are not 0 is broken off",
    FormatIsQuota = "DT-M-05/code": "what has a wrong format is broken off with code 3",
    FormatEndsAll = "DT-M-05/others": "what has a wrong format ends all streams of its session",
    FirstSubscriberOnly = "DT-M-06": "only one subscriber gets a frame",
    PayloadChanged = "DT-M-06/payload": "the last byte of a payload is changed",
    FrameLost = "DT-M-06/lost": "each frame with the number 2 is left out",
    FramesSwapped = "DT-M-06/order": "the second frame and the third change places",
    HeaderChanged = "DT-M-06/header": "a copy has another codec than its source",
    UnsubscribedGoesOn = "DT-M-06/unsubscribed": "who unsubscribes gets frames as before",
    OneSubscribesAll = "DT-M-06/all": "who subscribes to a stream gets all of its meeting",
    PublisherGetsBack = "DT-M-06/back": "who publishes a stream gets it, too",
    FlagsCleared = "DT-M-06/flags": "the Flags of a copied frame are 0",
    EverybodySubscribed = "DT-M-06/unasked": "who has not subscribed to a stream gets it, too",
    NumbersStand = "DT-M-07": "all frames of a stream have the same number",
    NumbersJump = "DT-M-07/jump" Initiator: "one number is left out",
    NumbersBeginAtTwo = "DT-M-07/start" Initiator: "numbers begin at 2",
    TimeFalls = "DT-M-07/time": "the Timestamp of each frame is earlier than that of the one before",
    OtherType = "DT-M-08": "audio has FrameType 1 and video FrameType 0",
    DeltaFirst = "DT-M-08/key" Initiator: "a stream of video begins with a delta",
    CopyFromDelta = "DT-M-08/later" Responder: "a copy for who subscribes later begins with a delta",
    LargeTaken = "DT-M-09": "a payload above 1 MiB is taken",
    LargeIsFormat = "DT-M-09/code": "a payload above 1 MiB is broken off with code 1",
    LargestRefused = "DT-M-09/largest": "a payload of 1 MiB is broken off",
    SmallWindow = "DT-M-10": "the window of the connection is 1 MiB",
    LargeWindow = "DT-M-10/stream": "the window of a stream is 2 MiB",
    SlowSlowsAll = "DT-M-11": "while a subscriber does not read, nobody gets frames",
    SlowEndsAll = "DT-M-11/others": "that a subscriber does not read ends the copies of all",
    SlowUnbounded = "DT-M-11/memory": "what a subscriber does not read is kept without a bound",
    RandomDropped = "DT-M-12": "a frame whose payload is no packet of a codec is dropped",
    EmptyDropped = "DT-M-12/empty": "a frame without payload is dropped",
    NoFin = "DT-M-13": "sessions are closed without the end of their streams",
    SourceEndsUntold = "DT-M-13/copy" Responder: "the end of a stream does not end its copies",
    CutDatagram = "DT-M-14": "datagrams lack their last byte",
    DatagramDropped = "DT-M-14/dropped" Responder: "frames in datagrams reach nobody",
}

/// Milliseconds after which nothing happens any more.
const FOREVER: u64 = 3_600_000;

impl Deviations {
    /// What the twin asks of QUIC.
    pub(in crate::darktower) fn transport(self, mut transport: Transport) -> Transport {
        if self.has(Deviation::OtherProtocol) {
            transport.alpn = "h3-29";
        }
        if self.has(Deviation::NoKeepAlive) {
            transport.keep_alive = None;
        }
        if self.has(Deviation::LateKeepAlive) {
            transport.keep_alive = Some(Duration::from_secs(25));
        }
        if let Some(receive_timeout) = &mut transport.receive_timeout {
            let others = [
                (Deviation::NoKeepAlive, FOREVER),
                (Deviation::LateKeepAlive, FOREVER),
                (Deviation::SilentForever, FOREVER),
                (Deviation::SilentBriefly, 25_000),
                (Deviation::SilentLonger, 40_000),
                (Deviation::FailsForever, FOREVER),
                (Deviation::FailsBriefly, 4_000),
                (Deviation::FailsLonger, 40_000),
            ];
            let usual = receive_timeout.time;
            receive_timeout.time = self.instead(usual, others);
            if receive_timeout.time != usual {
                transport.idle_timeout = Duration::from_millis(FOREVER);
            }
        }
        if let Some([stream, connection]) = &mut transport.windows {
            if self.has(Deviation::SmallWindow) {
                *connection = *stream;
            }
            if self.has(Deviation::LargeWindow) {
                *stream *= 2;
            }
        }
        transport
    }

    /// Within which time of losing the connection a user gets the same id.
    pub(super) fn resumption(self, usual: Duration) -> Duration {
        let others = [
            (Deviation::LostAtOnce, 0),
            (Deviation::LostBriefly, 10_000),
            (Deviation::LostSooner, 26_000),
            (Deviation::LostLonger, 40_000),
        ];
        self.instead(usual, others)
    }
}
