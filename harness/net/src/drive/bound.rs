use std::time::Duration;

use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::{Expect, Scenario, Span, Step, streams};
use shakedown_protocol::requirement::Role;

/// What a step may take besides its window: the slack of the window and our own lateness.
const STEP: Duration = Duration::from_millis(250);

/// What a scenario may take besides its steps.
const SCENARIO: Duration = Duration::from_secs(5);

/// How long the implementation may take to be stopped and started again.
const RESTART: Duration = Duration::from_secs(15);

/// The longest time that a scenario can take against this implementation, through its own network.
#[must_use]
pub fn bound(scenario: &Scenario, iut: &Iut) -> Duration {
    bound_through(scenario, iut, scenario.impair.as_ref())
}

/// The same through a network that does what `impair` says.
#[must_use]
pub fn bound_through(scenario: &Scenario, iut: &Iut, impair: Option<&Impairment>) -> Duration {
    let iut = &iut.asked(&scenario.iut);
    let both = [Role::Initiator, Role::Responder].into_iter();
    let delays = both.filter_map(|from| Some(impair?.delays(from, &iut.stream).most));
    let each = delays.fold(STEP, Duration::saturating_add);
    SCENARIO + steps(&scenario.steps, (iut, each))
}

/// How long a scenario waits at least if every step succeeds: what nothing can shorten.
#[must_use]
pub fn wait(scenario: &Scenario, iut: &Iut) -> Duration {
    waits(&scenario.steps, &iut.asked(&scenario.iut))
}

fn waits(steps: &[Step], iut: &Iut) -> Duration {
    let span = |span: &Span| span.resolve(&iut.environment());
    let lengths = steps.iter().map(|step| match step {
        Step::Wait(wait) => span(&wait.span),
        Step::ExpectNothing(nothing) => span(&nothing.span),
        Step::Repeat(repeat) => waits(&repeat.steps, iut).saturating_mul(repeat.times),
        Step::Either(branches) => {
            let branches = branches.iter().map(|branch| waits(&branch.steps, iut));
            branches.min().unwrap_or_default()
        }
        Step::Write(write) => {
            let (least, _, each) = streams::pauses(write);
            span(&each).saturating_mul(least)
        }
        step => span(&streams::shortest(step)),
    });
    lengths.fold(Duration::ZERO, Duration::saturating_add)
}

/// How long these steps take at most against an implementation, each so much besides its window.
fn steps(list: &[Step], (iut, each): (&Iut, Duration)) -> Duration {
    let lengths = list
        .iter()
        .map(|one| step(one, (iut, each)).saturating_add(each));
    lengths.fold(Duration::ZERO, Duration::saturating_add)
}

fn step(step: &Step, (iut, each): (&Iut, Duration)) -> Duration {
    let span = |span: &Span| stretched(span.resolve(&iut.environment()), iut);
    let expect = |expect: &Expect| span(&expect.within);
    let frames = |count: Option<u64>| {
        let count = count.unwrap_or_else(|| iut.stream.frames());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        stretched(iut.stream.interval().saturating_mul(count), iut)
    };
    match step {
        // A thousand datagrams take less than a second, even from a socket of its own each.
        Step::Send(send) | Step::Lose(send) => burst(send.times),
        Step::SendRaw(send) => burst(send.times),
        Step::Mutate(_) => burst(None),
        Step::Media(media) => frames(media.frames),
        Step::Expect(one) => expect(one),
        Step::ExpectAny(any) => any.of.iter().map(expect).max().unwrap_or_default(),
        Step::Either(branches) => {
            let longest = branches
                .iter()
                .map(|branch| steps(&branch.steps, (iut, each)))
                .max();
            longest.unwrap_or_default()
        }
        Step::ExpectNothing(nothing) => span(&nothing.span),
        Step::ExpectMedia(media) => match &media.within {
            Some(within) => span(within),
            None => frames(media.frames) + Duration::from_secs(3),
        },
        Step::ExpectExit(exit) => span(&exit.within),
        Step::Wait(wait) => span(&wait.span),
        Step::Repeat(repeat) => steps(&repeat.steps, (iut, each)).saturating_mul(repeat.times),
        Step::RestartIut(_) => RESTART,
        Step::Write(write) => {
            let (_, most, each) = streams::pauses(write);
            span(&each).saturating_mul(most)
        }
        step => span(&streams::longest(step)),
    }
}

fn burst(times: Option<u32>) -> Duration {
    Duration::from_millis(u64::from(times.unwrap_or(1)))
}

fn stretched(span: Duration, iut: &Iut) -> Duration {
    let tolerance = iut.timing.tolerance.clamp(0.0, 10.0);
    span.saturating_add(Duration::from_secs_f64(
        span.as_secs_f64().min(1e6) * tolerance,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(steps: &str) -> Scenario {
        let text = format!(
            "{{ \"id\": \"proton/any/server/x\", \"title\": \"x\", \"requirements\": [],
               \"iut\": {{ \"role\": \"server\", \"mode\": \"any\" }}, \"steps\": [{steps}] }}"
        );
        serde_json::from_str(&text).unwrap()
    }

    fn server() -> Iut {
        let text = include_str!("../../../../vectors/iut/reference-server.toml");
        Iut::parse("reference-server.toml", text).unwrap()
    }

    #[test]
    fn a_scenario_waits_for_what_nothing_can_shorten() {
        let waiting = scenario(
            r#"{ "connect": {} },
               { "expect_connected": { "within": "5s" } },
               { "repeat": { "times": 3, "steps": [{ "wait": { "for": "10s" } }] } },
               { "expect_quiet": { "for": "4s" } },
               { "either": [
                   { "title": "a", "steps": [{ "expect_close": { "code": [4], "after": "7s", "within": "9s" } }] },
                   { "title": "b", "steps": [{ "expect_alive": { "for": "2s" } }] }
               ] }"#,
        );
        assert_eq!(wait(&waiting, &server()), Duration::from_secs(36));
        let long = bound(&waiting, &server());
        assert!(long >= Duration::from_secs(48), "{long:?}");
    }

    #[test]
    fn a_write_in_pieces_lasts_as_long_as_its_pauses() {
        let slow = scenario(
            r#"{ "connect": {} },
               { "write": { "stream": "a", "hex": "01 02 03", "pieces": [1, 1], "times": 4, "apart": "10s" } }"#,
        );
        assert_eq!(wait(&slow, &server()), Duration::from_secs(70));
        assert!(bound(&slow, &server()) >= Duration::from_secs(110));
    }
}
