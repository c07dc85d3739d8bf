//! Faulty twins of the reference. One whose requirement binds both sides is a client and a server.

use crate::Transport;
use crate::proton::TRANSPORT;

crate::twin::twins! {
    pub struct Deviations;

    TakesTheFirstsPlace = "PR-C-01": "a second connection takes the place of the first",
    SecondClearsIds = "PR-C-01/ids": "ids begin anew on the first connection when a second one comes",
    SecondDropsCommits = "PR-C-01/commits": "StateCommits in progress are dropped when a second connection comes",
    RefusedKeepsAPlace = "PR-C-02": "after a connection was refused none is admitted any more",
    NextWaits = "PR-C-02/late": "the connection after a refused one is admitted 1.5 s late",
    OtherCode = "PR-C-03": "violations and timeouts close with code 2",
    NoKeepAlive = "PR-C-04": "an idle connection is not kept open",
    VanishedKeepsItsPlace = "PR-C-05": "a client that vanished keeps its place",
    AgainSoon = "PR-C-06/early": "a lost connection is made anew after 5 s",
    AgainAtOnce = "PR-C-06": "a lost connection is made anew at once",
    OtherNames = "PR-C-07": "other names in the TLS handshake are taken, too",
    StartsSoon = "PR-C-08/early": "connections are admitted 5 s after the start",
    NoStartupDelay = "PR-C-08": "connections are admitted at once after the start",
    TwoStreams = "PR-S-01": "the client opens no Action stream",
    FourStreams = "PR-S-01/fourth": "the client opens a second Event stream",
    InOneOrder = "PR-S-02": "the streams must say in the order 1, 2, 3 which they are",
    UnknownIgnored = "PR-S-03": "an unknown discriminator is passed over",
    ResetAnywhere = "PR-S-03/reset": "0xFF is taken for a reset on any stream",
    SecondOfAKind = "PR-S-04": "further streams of a kind are admitted and left alone",
    UnnamedForever = "PR-S-05": "a stream may take as long as it likes to say which it is",
    UnnamedBriefly = "PR-S-05/early": "a stream must say within 400 ms which it is",
    UnnamedLonger = "PR-S-05/late": "a stream may take 3 s to say which it is",
    FewForever = "PR-S-06": "the three streams may take as long as they like to come",
    FewRestart = "PR-S-06/again": "each stream gives the others five more seconds to come",
    FewBriefly = "PR-S-06/early": "the three streams must come within 2 s",
    FewLonger = "PR-S-06/late": "the three streams may take 8 s to come",
    Unidirectional = "PR-S-07": "unidirectional streams are admitted and left alone",
    Datagrams = "PR-S-07/datagram": "datagrams are admitted and left alone",
    BrokenOffIgnored = "PR-S-08": "RESET_STREAM and STOP_SENDING are passed over",
    FinIgnored = "PR-S-08/fin": "a FIN is passed over",
    FinIsViolation = "PR-S-08/code" Responder: "a FIN at a message boundary closes with code 5",
    CutRequest = "PR-S-08/request" Responder: "a FIN in the middle of a request for an item is a normal end",
    AckOfTheCount = "PR-E-01": "an ack has the number of events, not the id",
    NextAck = "PR-E-01/next": "an ack is one higher than the id of its event",
    AnyId = "PR-E-02": "an id that does not rise is acked",
    SameId = "PR-E-02/same": "the id of the last event is acked again",
    AckThenClose = "PR-E-02/ack": "an id that does not rise is acked before the connection is closed",
    AnyAck = "PR-E-03": "an ack with whatever id is taken for the one that is due",
    SurplusAck = "PR-E-03/surplus": "an ack that nothing is due for is passed over",
    IdsBeginAnew = "PR-E-04": "ids begin anew on each connection",
    IdsStand = "PR-E-04/same": "all events have the same id",
    IdsWrap = "PR-E-05": "ids begin anew after 2^32 - 1",
    WaitsForever = "PR-T-01": "an answer may take as long as it likes",
    WaitsBriefly = "PR-T-01/early": "the connection is closed when an answer takes 280 s",
    WaitsLonger = "PR-T-01/late": "an answer may take 320 s",
    WaitsSeconds = "PR-T-01/seconds": "the connection is closed when an answer takes 3 s",
    EventsWait = "PR-T-02": "events wait while a StateCommit is worked on",
    WorkKeepsItsPlace = "PR-T-03": "a client that is gone keeps its place if its StateCommit was worked on",
    UnreadAcks = "PR-T-04": "a client may leave acks unread as long as it likes",
    UnreadAnswers = "PR-T-04/answers": "a client may leave answers unread as long as it likes",
    UnreadItems = "PR-T-04/items": "a client may leave items unread as long as it likes",
    UnreadUnbounded = "PR-T-04/memory": "what a client leaves unread is kept without a bound",
    UnreadBriefly = "PR-T-04/early": "the connection is closed when nothing was read for 280 s",
    UnreadLonger = "PR-T-04/late": "a client may read nothing for 320 s",
    RestRestarts = "PR-T-05/again": "each further byte of a u32 gives its rest five more minutes",
    RestForever = "PR-T-05": "the rest of a u32 may take as long as it likes",
    RestBriefly = "PR-T-05/early": "the connection is closed when the rest of a u32 takes 200 s",
    RestLonger = "PR-T-05/late": "the rest of a u32 may take 320 s",
    IdleIsReceiving = "PR-T-05/idle": "a client that sends nothing for 5 minutes is closed",
    IdleActionIsReceiving = "PR-T-05/action": "a client that requests no item for 5 minutes is closed in pull",
    NoAnswerToZero = "PR-K-01": "a StateCommit of 0 has no answer",
    DoublesStop = "PR-K-01/wrap": "a double above 2^32 - 1 is 2^32 - 1",
    AnsweredTwice = "PR-K-01/twice": "a StateCommit of 2^32 - 1 has two answers",
    NoAnswers = "PR-K-01/none": "no StateCommit is answered",
    NotDoubled = "PR-K-01/same": "an answer is the number of its StateCommit, not the double",
    NoItems = "PR-A-01": "no items go in push, and two for each request in pull",
    ItemsAskedFor = "PR-A-02": "bytes on the Action stream are passed over in push",
    CutItem = "PR-A-03": "an item that is cut short is passed over",
    NoReset = "PR-R-01": "0xFF resets nothing",
    ResetWithZero = "PR-R-01/code": "0xFF closes the old connection with code 0",
    ResetKeepsIds = "PR-R-01/state": "after a reset ids must be above those of the old connection",
    SecondForever = "PR-R-02": "a second connection may say nothing as long as it likes",
    SecondBriefly = "PR-R-02/early": "a second connection must say within 400 ms that it resets the first",
    SecondLonger = "PR-R-02/late": "a second connection may say nothing for 3 s",
    HalfTornDown = "PR-R-03": "a connection that was closed for a violation keeps its place",
}

impl Deviations {
    /// What the twin asks of QUIC.
    pub(in crate::proton) fn transport(self) -> Transport {
        let mut transport = TRANSPORT;
        if self.has(Deviation::NoKeepAlive) {
            transport.keep_alive = None;
        }
        if self.has(Deviation::OtherNames) {
            transport.aliases = &["h3", "proton2"];
        }
        if self.has(Deviation::SecondOfAKind) {
            transport.bidirectional = 8;
        }
        if self.has(Deviation::Unidirectional) {
            transport.unidirectional = 1;
        }
        transport.datagrams = self.has(Deviation::Datagrams);
        transport
    }
}
