//! Bodies of the fuzz targets of proton: each takes any bytes as a [`Plan`] and panics if what must
//! hold does not.

mod input;
pub(crate) mod monitor;
mod peers;

pub use input::{FuzzInput, Step, StepKind};
pub use peers::participants;

/// The monitor, whatever a capture shows.
pub fn monitor(bytes: &[u8]) {
    monitor::run(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Plans that often get somewhere: few connections and streams, short bytes.
    fn plans() -> impl Strategy<Value = Vec<u8>> {
        let stream = prop::sample::select(vec![0_u8, 4, 8, 12, 1, 2, 3, 5]);
        let bytes = prop_oneof![
            prop::sample::select(vec![vec![1], vec![2], vec![3], vec![0xFF]]),
            prop::collection::vec(0_u8..4, 0..9),
            Just(vec![0xE0, 0x93, 4, 0]), // Five minutes.
        ];
        let what = prop::sample::select(StepKind::ALL.to_vec());
        let step = (what, 0_u8..3, stream, bytes);
        let options = prop::sample::select(vec![0_u8, 1, 2, 4, 16, 128]);
        (options, prop::collection::vec(step, 0..60)).prop_map(|(options, steps)| {
            let steps = steps.iter().map(|(what, connection, stream, bytes)| Step {
                what: *what,
                connection: *connection,
                stream: *stream,
                bytes,
            });
            let steps = steps.collect();
            FuzzInput { options, steps }.write()
        })
    }

    proptest! {
        #[test]
        fn any_plan_keeps_what_must_hold(plan in plans()) {
            monitor(&plan);
        }
    }
}
