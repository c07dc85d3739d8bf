//! What stands in START and START_CONFIRM, and the START token between them: MS-S-01, MS-S-03 and MS-S-10
//! of the initiator.

use super::ending::SessionErrors;
use super::repeated::GIVEN_UP;
use super::start_ack::{Granted, timed_out};
use super::{Handshake, START3};
use crate::mediastream::frame::{ErrorCode, Start3 as Body};
use crate::mediastream::monitor::parameters::Parameters;
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::view::{ControlView, Key};
use crate::requirement::Role;

/// What an exchange of 3.3 has besides.
#[derive(Debug, Default)]
pub(crate) struct Start3 {
    pub(crate) key: Key,
    /// Whether START has COMPAT_MODE set.
    pub(super) is_compatible: bool,
    /// What START asks for, if that can be read.
    pub(super) asked: Option<Parameters>,
    pub(super) granted: Option<Granted>,
    /// SenderNonce of the START_CONFIRM.
    pub(super) confirmed_nonce: Option<u64>,
    /// The last frame of its stream was seen.
    pub(crate) is_complete: bool,
    /// Its START_ACK is that of a session before, and may tell nothing of a new one (MS-S-11): whether
    /// the responder's timers run, and since when, is not known, nor how long it keeps the session.
    pub(super) goes_on: bool,
    pub(super) ending: SessionErrors,
}

impl Start3 {
    pub(super) fn of(view: &ControlView<'_>) -> Self {
        Self {
            key: view.key().unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl Handshake {
    /// One of which START is the first frame that the capture shows.
    ///
    /// MS-S-10, in a supervised capture: COMPAT_MODE other than the option `fallback` says. Any vantage:
    /// see [`Self::token_within_start3`].
    pub(crate) fn with_start(view: &ControlView<'_>, scope: &mut Scope<'_>) -> Self {
        judge_start(view, scope);
        let is_compatible = view.has(Body::COMPAT_MODE);
        let fallback = scope.option("fallback");
        if let Some(falls_back) = fallback.filter(|_| scope.settings.supervised) {
            scope.exercised(Rule::S10);
            if falls_back != is_compatible && view.may_be_valid() {
                // MS-S-10
                scope.breach(Rule::S10, || {
                    let (want, got) = match falls_back {
                        true => ("COMPAT_MODE, as fallback is on", "it is not set"),
                        false => ("no COMPAT_MODE, as fallback is off", "it is set"),
                    };
                    Evidence::new(want, got).field(view.field("Flags"))
                });
            }
        }
        let mut start3 = Start3 {
            is_compatible,
            asked: view.is_well_formed.then_some(view.parameters),
            ..Start3::of(view)
        };
        start3.ending.provoked(Role::Responder);
        Self {
            start3: Some(Box::new(start3)),
            ..Self::asked(&START3, view, scope)
        }
    }

    /// One of which another frame is the first.
    pub(crate) fn without_start(view: &ControlView<'_>) -> Self {
        Self {
            start3: Some(Box::new(Start3::of(view))),
            ..Self::default()
        }
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.start3.as_ref().map(|start3| start3.key)
    }

    /// Judges a datagram that comes after an ERROR ended the session; whether it does.
    pub(crate) fn is_after_the_end(&self, form: &'static str, scope: &mut Scope<'_>) -> bool {
        let start3 = self.start3.as_ref();
        start3.is_some_and(|start3| start3.ending.is_after(form, scope))
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
        if start3.ending.is_after(view.name(), scope) {
            return;
        }
        let (Some(key), Some(nonce), true) =
            (view.key(), view.number("SenderNonce"), view.may_be_valid())
        else {
            start3.ending.provoked(Role::Responder);
            return;
        };
        let granted = start3.granted.as_ref();
        if granted.is_some() {
            scope.exercised(Rule::S03);
        }
        let other = granted.filter(|granted| !granted.nonces.contains(&nonce));
        let other = other.map(|granted| ("SenderNonce", granted.nonces[0], nonce));
        if let Some((name, expected, got)) = start3.key.differs(key).or(other) {
            start3.ending.provoked(Role::Responder);
            // MS-S-03
            scope.breach(Rule::S03, || {
                let want = format!("{name} {expected:#x} in START_CONFIRM");
                Evidence::new(want, format!("{got:#x}")).field(view.field(name))
            });
            return;
        }
        if granted.is_some() {
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
        let nonces = start3.granted.as_ref().map(|granted| granted.nonces);
        let ends = start3
            .ending
            .error(start3.key, nonces, is_half_open, view, scope);
        let is_timeout = view.error_code() == Some(ErrorCode::Timeout.number());
        let gives_up = ends && is_half_open && is_timeout && scope.from == Role::Responder;
        if let Some(waiting) = self.waiting.as_ref().filter(|_| gives_up) {
            timed_out(waiting, scope);
        }
    }

    /// The START token, within a session that `is_over` or not; whether it opens the next one.
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
                    let packet = request.last.packet;
                    let want = format!("COMPAT_MODE in the START of packet {packet}");
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

    /// Whether START_CONFIRM completed it: one whose START and START_ACK the capture does not show may
    /// be of no session at all (MS-S-17).
    fn is_confirmed(&self) -> bool {
        self.confirmed.is_some() && (self.request.is_some() || self.answered.is_some())
    }
}

/// MS-S-01, any vantage: a START of another Version than 1, with StreamId 0 or a SenderNonce other
/// than 0, or whose parameters cannot be read.
fn judge_start(view: &ControlView<'_>, scope: &mut Scope<'_>) {
    let (Some(key), Some(nonce)) = (view.key(), view.number("SenderNonce")) else {
        return;
    };
    scope.exercised(Rule::S01);
    let (name, want) = if !view.is_ours() {
        ("Version", "Version 1")
    } else if key.stream_id == 0 {
        ("StreamId", "a StreamId other than 0")
    } else if nonce != 0 {
        ("SenderNonce", "SenderNonce 0")
    } else if !view.may_be_valid() {
        ("TLVs", "the wanted parameters")
    } else {
        return;
    };
    // MS-S-01
    scope.breach(Rule::S01, || {
        let got = match view.number(name) {
            Some(number) => format!("{name} {number:#x}"),
            None => "extensions that cannot be read".to_owned(),
        };
        Evidence::new(format!("{want} in START"), got).field(view.field(name))
    });
}
