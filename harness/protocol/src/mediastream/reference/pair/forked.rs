//! Machines whose future branches.

use std::hash::{DefaultHasher, Hasher};

use rstest::rstest;

use super::super::settings::tests::settings;
use super::*;
use crate::machine::Fork;

fn digest(machine: &dyn Fork) -> u64 {
    let mut hasher = DefaultHasher::new();
    machine.digest(&mut hasher);
    hasher.finish()
}

/// What a machine wants done.
fn drain(machine: &mut dyn Fork) -> Vec<Output> {
    std::iter::from_fn(|| machine.poll()).collect()
}

fn syn() -> Vec<u8> {
    let mut initiator = Initiator::new(
        settings("3way", &[], &[]),
        crate::mediastream::Mode::ThreeWay,
        responder_address(),
    );
    initiator.handle(Duration::ZERO, Input::Tick);
    drain(&mut initiator)
        .into_iter()
        .find_map(|output| match output {
            Output::Send { payload, .. } => Some(payload),
            Output::Transition { .. } | Output::Ended { .. } => None,
        })
        .unwrap()
}

#[test]
fn a_fork_does_what_the_machine_would_have_done_and_leaves_it_as_it_was() {
    let (from, syn) = (initiator_address(), syn());
    let mut responder: Box<dyn Fork> = Box::new(Responder::new(settings("3way", &[], &[])));
    let before = digest(&*responder);
    let mut fork = responder.fork();
    assert_eq!(digest(&*fork), before);

    let payload = syn.as_slice();
    let input = Input::Datagram { from, payload };
    fork.handle(Duration::ZERO, input);
    let told = drain(&mut *fork);
    assert!(!told.is_empty());
    assert_ne!(digest(&*fork), before);
    assert_eq!((digest(&*responder), responder.deadline()), (before, None));

    responder.handle(Duration::ZERO, input);
    assert_eq!(drain(&mut *responder), told); // the same id is drawn
    assert_eq!(digest(&*responder), digest(&*fork));
}

#[rstest]
#[case::counted_only(b"nothing that is known", true)]
#[case::a_syn(&syn(), false)]
fn machines_are_alike_whatever_they_counted(#[case] payload: &[u8], #[case] alike: bool) {
    let one = Responder::new(settings("3way", &[], &[]));
    let mut other = one.fork();
    let from = initiator_address();
    other.handle(Duration::ZERO, Input::Datagram { from, payload });
    drain(&mut *other);
    assert_eq!(digest(&one) == digest(&*other), alike);
    assert_ne!(one.tally(), other.tally());
}

#[test]
fn handshakes_add_up_at_every_step_of_a_stream() {
    let told = || settings("3way", &[], &[]);
    let mut pair = Pair::new(told(), told());
    while pair.step() {
        for tally in [pair.initiator.tally(), pair.responder.tally()] {
            let known = tally.succeeded + tally.failed + tally.open;
            assert_eq!(tally.attempted, known, "{tally:?}");
        }
    }
    let (initiator, responder) = (pair.initiator.tally(), pair.responder.tally());
    assert_eq!(initiator.sent_datagrams, responder.received_datagrams);
    assert_eq!(initiator.received_bytes, responder.sent_bytes);
    assert_eq!((initiator.succeeded, responder.succeeded), (1, 1));
}

#[rstest]
#[case::responder_with_slots("legacy", &["slots=1"])]
#[case::responder_of_uploads("legacy", &["upload_slots=1"])]
fn a_server_with_slots_cannot_be_forked(#[case] mode: &str, #[case] options: &[&str]) {
    let given = super::super::settings::tests::given(mode, options);
    let error = super::super::forked(&given).err().unwrap();
    assert_eq!(error, "machines with slots, and uploads, cannot be forked");
}
