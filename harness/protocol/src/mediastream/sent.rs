use super::mode::{Mode, Modes};
use crate::requirement::Role;

/// Who sends which frame, by name, in which modes, with whatever is switched on (specification,
/// sections 3 to 5).
const SENT: [(&str, Role, &[Mode]); 16] = [
    // With `fallback` it follows an unanswered handshake.
    ("START token", Role::Initiator, &Mode::ALL),
    ("JOIN token", Role::Initiator, &[Mode::Legacy]),
    ("connection-id", Role::Responder, &Mode::ALL),
    ("data", Role::Responder, &Mode::ALL),
    ("fragment", Role::Responder, &Mode::ALL),
    // An upload, which JOIN begins.
    ("connection-id", Role::Initiator, &[Mode::Legacy]),
    ("data", Role::Initiator, &[Mode::Legacy]),
    ("fragment", Role::Initiator, &[Mode::Legacy]),
    ("SYN", Role::Initiator, &[Mode::ThreeWay]),
    ("SYN-ACK", Role::Responder, &[Mode::ThreeWay]),
    ("ACK", Role::Initiator, &[Mode::ThreeWay]),
    ("START", Role::Initiator, &[Mode::Start3]),
    ("START_ACK", Role::Responder, &[Mode::Start3]),
    ("START_CONFIRM", Role::Initiator, &[Mode::Start3]),
    ("ERROR", Role::Initiator, &[Mode::Start3]),
    ("ERROR", Role::Responder, &[Mode::Start3]),
];

/// Whether this side sends this frame in this mode, or in one of several with commas between.
pub(super) fn sends(role: Role, mode: &str, frame: &str) -> bool {
    let is_on = |of: &[Mode]| {
        let modes = mode.parse::<Modes>();
        modes.is_ok_and(|modes| of.iter().any(|mode| modes.contains(*mode)))
    };
    let mut rows = SENT.iter();
    rows.any(|(name, by, of)| *name == frame && *by == role && is_on(of))
}

#[cfg(test)]
mod tests {
    use super::super::frame::FORMS;
    use super::*;

    #[test]
    fn every_frame_is_sent_by_somebody_and_what_is_sent_is_a_frame() {
        let names = || FORMS.iter().map(|form| form.name);
        assert!(names().all(|name| SENT.iter().any(|(sent, ..)| *sent == name)));
        assert!(
            SENT.iter()
                .all(|(sent, ..)| names().any(|name| name == *sent))
        );
    }

    #[test]
    fn of_several_modes_each_counts() {
        assert!(sends(Role::Responder, "3way,start3", "START_ACK"));
        assert!(!sends(Role::Responder, "3way", "START_ACK"));
        assert!(!sends(Role::Initiator, "3way,start3", "START_ACK"));
    }
}
