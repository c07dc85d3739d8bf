use std::time::Duration;

use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::step::Pace;
use shakedown_protocol::requirement::Role;

/// What a step may take besides its window: the slack of the window and our own lateness.
const STEP: Duration = Duration::from_millis(250);

/// What a scenario may take besides its steps.
const SCENARIO: Duration = Duration::from_secs(5);

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
    SCENARIO + Pace::new(iut, each).longest(&scenario.steps)
}

/// How long a scenario waits at least if every step succeeds: what nothing can shorten.
#[must_use]
pub fn wait(scenario: &Scenario, iut: &Iut) -> Duration {
    let iut = &iut.asked(&scenario.iut);
    Pace::new(iut, Duration::ZERO).shortest(&scenario.steps)
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
        let text = include_str!("../../../../vectors/proton/reference-server.toml");
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
