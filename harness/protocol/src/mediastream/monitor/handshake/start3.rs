//! What stands in START, START_ACK and START_CONFIRM: MS-S-01, MS-S-03 and MS-S-10 of the initiator,
//! MS-S-02 and MS-S-13 of the responder.

use super::ending::Ending;
use super::repeated::{GIVEN_UP, Repeated, SENDS, print};
use super::{Handshake, START3};
use crate::StreamParameters;
use crate::mediastream::frame::{ErrorCode, Start3 as Body};
use crate::mediastream::monitor::parameters::Parameters;
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::stream::Agreed;
use crate::mediastream::monitor::time::{Millis, Window, repetition};
use crate::mediastream::monitor::view::{ControlView, Key, NONCE, SENDER_NONCE, STREAM_ID, field};
use crate::monitor::Field;
use crate::requirement::Role;

const TLVS: Field = field("TLV", Body::TLV_OFFSET, 0);
const UNREADABLE: &str = "extensions that cannot be read";

/// What an exchange of 3.3 has besides.
#[derive(Debug, Default)]
pub(crate) struct Start3 {
    pub(crate) key: Key,
    /// Whether START has COMPAT_MODE set.
    is_compatible: bool,
    /// What START asks for, if that can be read.
    asked: Option<Parameters>,
    granted: Option<Granted>,
    /// SenderNonce of the START_CONFIRM.
    confirmed_nonce: Option<u64>,
    /// The last frame of its stream was seen.
    pub(crate) is_complete: bool,
    /// Its START_ACK is that of a session before, and may tell nothing of a new one (MS-S-11): whether
    /// the responder's timers run, and since when, is not known, nor how long it keeps the session.
    goes_on: bool,
    pub(super) ending: Ending,
}

/// The session's first START_ACK.
#[derive(Debug)]
struct Granted {
    /// Its SenderNonce, and that of a later one that differs.
    nonces: [u64; 2],
    print: u64,
    begins_immediately: bool,
    parameters: Parameters,
}

/// The START_ACK of an earlier session of the tuple, which its responder may still keep: until
/// START_CONFIRM comes or its timers have run off, though the stream is silent (MS-S-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    key: Key,
    print: u64,
}

impl Handshake {
    /// One of which START is the first frame that the capture shows.
    ///
    /// MS-S-01, any vantage: a START of another Version than 1, with StreamId 0 or a SenderNonce other
    /// than 0, or whose parameters cannot be read.
    ///
    /// MS-S-10, in a supervised capture: COMPAT_MODE other than the option `fallback` says. Any vantage:
    /// see [`Self::token_within_start3`].
    pub(crate) fn with_start(view: &ControlView<'_>, scope: &mut Scope<'_>) -> Self {
        judge_start(view, scope);
        let is_compatible = view.has(Body::COMPAT_MODE);
        let fallback = scope
            .option("fallback")
            .filter(|_| scope.settings.supervised);
        if let Some(falls_back) = fallback {
            scope.exercised(Rule::S10);
            if falls_back != is_compatible && view.may_be_valid() {
                // MS-S-10
                scope.breach(Rule::S10, || {
                    let (want, got) = match falls_back {
                        true => ("COMPAT_MODE, as fallback is on", "it is not set"),
                        false => ("no COMPAT_MODE, as fallback is off", "it is set"),
                    };
                    Evidence::new(want, got).field(field("Flags", 28, 2))
                });
            }
        }
        let mut handshake = Self {
            start3: Some(Box::new(Start3 {
                key: view.key.unwrap_or_default(),
                is_compatible,
                asked: view.is_well_formed.then_some(view.parameters),
                ..Start3::default()
            })),
            ..Self::asked(&START3, view, scope)
        };
        handshake.provoked(Role::Responder);
        handshake
    }

    /// One of which another frame is the first.
    pub(crate) fn without_start(view: &ControlView<'_>) -> Self {
        Self {
            start3: Some(Box::new(Start3 {
                key: view.key.unwrap_or_default(),
                ..Start3::default()
            })),
            ..Self::default()
        }
    }

    /// The exchange that a START_ACK grants which is none of this one, though of the same StreamId and
    /// Nonce: it has another SenderNonce, and a START waits for its answer.
    pub(crate) fn anew(&self, view: &ControlView<'_>) -> Option<Self> {
        let start3 = self.start3.as_ref()?;
        let granted = start3.granted.as_ref()?;
        let nonce = view.sender_nonce.filter(|_| view.may_be_valid())?;
        let is_other = view.key == Some(start3.key) && !granted.nonces.contains(&nonce);
        let mut anew = Self {
            request: self
                .request
                .clone()
                .filter(|_| is_other && self.unanswered > 0)?
                .into(),
            print: self.print,
            unanswered: self.unanswered,
            start3: Some(Box::new(Start3 {
                key: start3.key,
                is_compatible: start3.is_compatible,
                asked: start3.asked,
                ..Start3::default()
            })),
            ..Self::default()
        };
        anew.provoked(Role::Responder);
        Some(anew)
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.start3.as_ref().map(|start3| start3.key)
    }

    /// Its START_ACK, if the responder may keep the session when the next one begins; else that of
    /// the session `before` it.
    pub(crate) fn mark(&self, before: Option<Mark>) -> Option<Mark> {
        let start3 = self.start3.as_ref();
        match start3.and_then(|start3| Some((start3.granted.as_ref()?, start3.key))) {
            Some(_) if self.is_ended() => None,
            Some((granted, key)) => Some(Mark {
                key,
                print: granted.print,
            }),
            None => before,
        }
    }

    /// Judges a datagram that comes after an ERROR ended the session; whether it does.
    pub(crate) fn is_after_the_end(&self, form: &'static str, scope: &mut Scope<'_>) -> bool {
        let start3 = self.start3.as_ref();
        start3.is_some_and(|start3| start3.ending.is_after(form, scope))
    }

    /// A START_ACK that may be the session's; `before` is that of an earlier one of the tuple.
    pub(crate) fn start_ack(
        &mut self,
        view: &ControlView<'_>,
        before: Option<Mark>,
        scope: &mut Scope<'_>,
    ) {
        let Some(start3) = &mut self.start3 else {
            return;
        };
        let mark = view.key.map(|key| Mark {
            key,
            print: print(view.bytes),
        });
        if before.is_some() && mark == before {
            if view.key != Some(start3.key) {
                // The session before waits for its START_CONFIRM.
                start3.ending.provoked(Role::Initiator);
                return;
            }
            start3.goes_on |= start3.granted.is_none();
        }
        start3.ending.answered(Role::Responder);
        if start3.ending.is_after("START_ACK", scope) {
            return;
        }
        start3.ending.provoked(Role::Initiator);
        if !self.is_granted_by(view, scope) {
            return;
        }
        let Some(start3) = &mut self.start3 else {
            return;
        };
        if start3.granted.is_none() {
            start3.granted = Some(Granted {
                nonces: [view.sender_nonce.unwrap_or_default(); 2],
                print: print(view.bytes),
                begins_immediately: view.has(Body::BEGIN_IMMEDIATELY),
                parameters: view.parameters,
            });
            self.answered = Some(scope.now);
            // A START_CONFIRM that came before was none of this START_ACK's.
            if start3.confirmed_nonce.is_some() && start3.confirmed_nonce != view.sender_nonce {
                self.confirmed = None;
                start3.confirmed_nonce = None;
            }
        }
        let is_known = !start3.goes_on;
        if self.confirmed.is_none() {
            let is_answer = self.takes_answer();
            self.wait(is_answer, scope);
            if let Some(waiting) = &mut self.waiting {
                waiting.is_by_timer &= is_known;
            }
        }
    }

    /// A START_CONFIRM.
    ///
    /// MS-S-03, any vantage: StreamId or Nonce is not that of the START, or SenderNonce not that of
    /// the START_ACK, as far as the capture shows them.
    pub(crate) fn start_confirm(&mut self, view: &ControlView<'_>, scope: &mut Scope<'_>) {
        let Some(start3) = &mut self.start3 else {
            return;
        };
        start3.ending.answered(Role::Initiator);
        if start3.ending.is_after("START_CONFIRM", scope) {
            return;
        }
        let (Some(key), Some(nonce), true) = (view.key, view.sender_nonce, view.may_be_valid())
        else {
            start3.ending.provoked(Role::Responder);
            return;
        };
        let granted = start3.granted.as_ref();
        if granted.is_some() {
            scope.exercised(Rule::S03);
        }
        let granted = granted.filter(|granted| !granted.nonces.contains(&nonce));
        let wrong =
            other_key(start3.key, key).or_else(|| Some((SENDER_NONCE, granted?.nonces[0], nonce)));
        if let Some((field, expected, got)) = wrong {
            start3.ending.provoked(Role::Responder);
            // MS-S-03
            scope.breach(Rule::S03, || {
                let want = format!("{} {expected:#x} in START_CONFIRM", field.name);
                Evidence::new(want, format!("{got:#x}")).field(field)
            });
            return;
        }
        if start3.granted.is_some() {
            self.token = None;
        }
        if self.confirmed.is_none() {
            start3.confirmed_nonce = Some(nonce);
            self.confirm(scope);
        }
    }

    /// An ERROR of either side.
    pub(crate) fn error(&mut self, view: &ControlView<'_>, scope: &mut Scope<'_>) {
        let Some(start3) = &mut self.start3 else {
            return;
        };
        let is_half_open = self.confirmed.is_none() && start3.granted.is_some();
        let ends = start3.ending.error(start3.key, is_half_open, view, scope);
        let is_timeout = view.error_code == Some(ErrorCode::Timeout.number());
        if let Some(waiting) = &self.waiting
            && ends
            && is_half_open
            && is_timeout
            && scope.from == Role::Responder
        {
            timed_out(waiting, scope);
        }
    }

    /// The START token, within a session that is not over; whether it opens the next one.
    ///
    /// It does if nothing answered START. While the session is half-open what follows tells, see
    /// [`Self::serves_token`]; likewise after a START_CONFIRM alone. Once it `streams`, nothing
    /// (MS-L-04).
    ///
    /// MS-S-10, any vantage: it comes in place of a further START although COMPAT_MODE was not set.
    pub(crate) fn token_within_start3(
        &mut self,
        streams: bool,
        is_over: bool,
        scope: &mut Scope<'_>,
    ) -> bool {
        self.provoked(Role::Responder);
        if self.is_confirmed() || (self.confirmed.is_some() && streams) {
            return is_over || self.is_ended();
        }
        self.lapse(scope);
        if let (Some(start3), Some(request)) = (&self.start3, &self.request)
            && !scope.now.is_past(&request.last, GIVEN_UP)
        {
            scope.exercised(Rule::S10);
            if !start3.is_compatible {
                // MS-S-10
                scope.breach(Rule::S10, || {
                    let want =
                        format!("COMPAT_MODE in the START of packet {}", request.last.packet);
                    Evidence::new(want, "the START token, though it was not set")
                });
            }
        }
        self.token = Some(scope.now);
        self.is_ended() || (self.answered.is_none() && self.confirmed.is_none())
    }

    /// Whether the connection-id (if `is_name`) or media that comes now answers a START token rather
    /// than START. After the last frame (`is_complete`) a connection-id does, whatever was allowed.
    pub(crate) fn serves_token(&self, is_name: bool, is_complete: bool) -> bool {
        let streams = self.is_confirmed() || (self.confirmed.is_some() && !is_name);
        !streams && (!self.begins_immediately() || (is_name && is_complete))
    }

    /// What is streamed.
    pub(crate) fn agreed(&self, own: Option<StreamParameters>) -> Agreed {
        match self.start3.as_deref() {
            Some(Start3 {
                granted: Some(granted),
                asked,
                ..
            }) => granted.parameters.agreed(asked.as_ref(), own),
            // The responder may have granted less.
            Some(_) if self.request.is_some() => Agreed::Unknown,
            _ => Agreed::Configured,
        }
    }

    /// Largest datagram that was granted, in bytes.
    pub(crate) fn max_datagram(&self) -> Option<usize> {
        let most = self.granted()?.parameters.max_datagram?;
        usize::try_from(most).ok()
    }

    /// Whether media need not wait for START_CONFIRM.
    pub(super) fn begins_immediately(&self) -> bool {
        self.granted()
            .is_some_and(|granted| granted.begins_immediately)
    }

    fn granted(&self) -> Option<&Granted> {
        self.start3.as_ref()?.granted.as_ref()
    }

    /// Whether START_CONFIRM completed it: one whose START and START_ACK the capture does not show may
    /// be of no session at all (MS-S-17).
    fn is_confirmed(&self) -> bool {
        self.confirmed.is_some() && (self.request.is_some() || self.answered.is_some())
    }

    /// Whether the START_ACK is one of the session.
    ///
    /// MS-S-02, any vantage: SenderNonce 0; extensions that cannot be read; and where the capture shows
    /// the START, another StreamId or Nonce (if neither is right it may answer another START: a doubt
    /// but at the sender), a parameter above what was asked, or none where FrameRate, BitRate or
    /// StreamLength was asked.
    ///
    /// MS-S-13, any vantage: other bytes than in the START_ACK before, while its session cannot have
    /// been dropped.
    fn is_granted_by(&mut self, view: &ControlView<'_>, scope: &mut Scope<'_>) -> bool {
        let (Some(start3), Some(key), Some(nonce), true) =
            (&self.start3, view.key, view.sender_nonce, view.is_ours())
        else {
            return false;
        };
        scope.exercised(Rule::S02);
        if let Some((field, expected, got)) = other_key(start3.key, key) {
            let evidence = || {
                let want = format!("{} {expected:#x}, as in START", field.name);
                Evidence::new(want, format!("{got:#x}")).field(field)
            };
            // MS-S-02
            if self.request.is_none() {
            } else if key.stream_id == start3.key.stream_id || key.nonce == start3.key.nonce {
                scope.breach(Rule::S02, evidence);
            } else {
                scope.breach_unless_network(Rule::S02, evidence);
            }
            return false;
        }
        if let Some((field, want, got)) = fault(start3, view, nonce) {
            // MS-S-02
            scope.breach(Rule::S02, || Evidence::new(want, got).field(field));
        }
        if !view.may_be_valid() {
            return false;
        }
        let may_be_another = self.may_be_another(scope);
        let granted = self
            .start3
            .as_mut()
            .and_then(|start3| start3.granted.as_mut());
        if let Some(granted) = granted.filter(|granted| granted.print != print(view.bytes)) {
            granted.nonces[1] = nonce;
            if !may_be_another {
                // MS-S-13
                scope.breach(Rule::S13, || {
                    Evidence::new("the same START_ACK again, byte for byte", "another one")
                });
            }
        }
        true
    }

    /// Whether a START_ACK with other bytes may be that of the next session under the same key.
    fn may_be_another(&self, scope: &Scope<'_>) -> bool {
        let is_over = self
            .start3
            .as_ref()
            .is_some_and(|start3| start3.is_complete || start3.goes_on);
        let waiting = self.waiting.as_ref().filter(|_| self.confirmed.is_none());
        is_over
            || self.is_confirm_late
            || waiting.is_some_and(|waiting| waiting.may_be_dropped(scope))
    }
}

/// Where a key is not the session's: what stands there, and what does in the other.
fn other_key(own: Key, other: Key) -> Option<(Field, u64, u64)> {
    if other.stream_id != own.stream_id {
        Some((STREAM_ID, own.stream_id, other.stream_id))
    } else {
        (other.nonce != own.nonce).then_some((NONCE, own.nonce, other.nonce))
    }
}

fn judge_start(view: &ControlView<'_>, scope: &mut Scope<'_>) {
    let (Some(version), Some(key), Some(nonce)) = (view.version, view.key, view.sender_nonce)
    else {
        return;
    };
    scope.exercised(Rule::S01);
    let (field, want, got) = if version != Body::VERSION {
        (
            field("Version", 26, 1),
            "Version 1",
            format!("Version {version}"),
        )
    } else if key.stream_id == 0 {
        (
            STREAM_ID,
            "a StreamId other than 0",
            "StreamId 0".to_owned(),
        )
    } else if nonce != 0 {
        (
            SENDER_NONCE,
            "SenderNonce 0",
            format!("SenderNonce {nonce:#x}"),
        )
    } else if !view.may_be_valid() {
        (TLVS, "the wanted parameters", UNREADABLE.to_owned())
    } else {
        return;
    };
    // MS-S-01
    scope.breach(Rule::S01, || {
        Evidence::new(format!("{want} in START"), got).field(field)
    });
}

/// What is wrong with a START_ACK of the session: where, what was wanted, and what came.
fn fault(start3: &Start3, view: &ControlView<'_>, nonce: u64) -> Option<(Field, String, String)> {
    if nonce == 0 {
        let want = "a SenderNonce other than 0".to_owned();
        return Some((SENDER_NONCE, want, "SenderNonce 0".to_owned()));
    }
    if view.is_cut {
        return None;
    }
    if !view.is_well_formed {
        return Some((
            TLVS,
            "the accepted parameters".to_owned(),
            UNREADABLE.to_owned(),
        ));
    }
    let asked = start3.asked.as_ref()?;
    if let Some((name, asked, own)) = view.parameters.above(asked) {
        let want = format!("{name} of at most {asked}, as asked");
        return Some((TLVS, want, own.to_string()));
    }
    let name = view.parameters.missing(asked)?;
    let want = format!("the accepted {name}, which was asked");
    Some((TLVS, want, "none".to_owned()))
}

/// MS-S-13, in a supervised capture: after the last START_ACK and its wait no ERROR with code 8.
pub(super) fn lapse(waiting: &Repeated, scope: &mut Scope<'_>) {
    let window = Window::around(repetition(SENDS), scope.settings.tolerance);
    let is_due = scope.settings.supervised && waiting.is_by_timer && waiting.sends >= SENDS;
    if is_due && scope.now.is_past(&waiting.last, window.latest) {
        let gap = scope.now.since(&waiting.last).unwrap_or_default();
        // MS-S-13
        scope.breach_unless_network(Rule::S13, || {
            let packet = waiting.last.packet;
            let want = format!("ERROR with code 8 {window} after packet {packet}");
            Evidence::new(want, format!("none for {}", Millis(gap))).silence()
        });
    }
}

/// The responder gave a half-open session up with ERROR 8.
///
/// MS-S-13, in a supervised capture: before its third START_ACK, or too early after it.
fn timed_out(waiting: &Repeated, scope: &mut Scope<'_>) {
    if !waiting.is_by_timer {
        return;
    }
    scope.exercised(Rule::S13);
    let earliest = Window::around(repetition(SENDS), scope.settings.tolerance).earliest;
    let gap = scope.now.since(&waiting.last);
    let is_early = gap.is_some_and(|gap| gap < earliest);
    if scope.settings.supervised && (waiting.sends < SENDS || is_early) {
        // MS-S-13
        scope.breach_unless_network(Rule::S13, || {
            let want = format!("3 sends of START_ACK and {} more", Millis(earliest));
            Evidence::new(want, format!("ERROR with code 8 after {}", waiting.sends))
        });
    }
}
