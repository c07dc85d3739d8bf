use rstest::rstest;

use super::super::settings::tests::settings;
use super::*;

#[rstest]
#[case::legacy("legacy", &[], &[])]
#[case::three_way("3way", &[], &[])]
#[case::optimistic("3way", &["optimistic_start"], &[])]
#[case::split("legacy", &[], &[("max_datagram", "300")])]
#[case::fragments("3way", &[], &[("max_datagram", "300"), ("carry", "fragments")])]
fn a_stream_over_a_clean_link_arrives_in_full_and_both_sides_close(
    #[case] mode: &str,
    #[case] options: &[&str],
    #[case] extra: &[(&str, &str)],
) {
    let mut pair = Pair::new(settings(mode, options, extra), settings(mode, &[], extra));
    pair.run();
    assert_eq!(pair.initiator_outcome, Some(Outcome::Completed));
    assert_eq!(pair.responder_outcomes, [Outcome::Completed]);
    assert_eq!(pair.initiator.counters()["frames"], 100);
    assert_eq!(pair.initiator.counters()["state"], "Closed");
    assert_eq!(pair.responder.counters()["sessions"], 0);
}
