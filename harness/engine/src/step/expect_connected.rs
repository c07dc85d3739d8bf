use super::prelude::streams::*;
use super::prelude::*;

/// The end of a handshake that `connect` began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectConnected {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Not before this long after the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Not later than this long after the step before.
    pub within: Span,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl Verb for ExpectConnected {
    fn play(&self) -> Play<'_> {
        Play::Looks(self)
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.judged_by(self.requirement.as_deref(), inside);
        check.window(self.after.as_ref(), &self.within, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.means(&self.connection, inside, Use::Waits, state);
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        let window = words::window(self.after.as_ref(), &self.within);
        let judged = words::judged(self.requirement.as_deref());
        format!("the handshake{of} must be done{window}{judged}")
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.stretched(&self.within)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        pace.least(self.after.as_ref())
    }

    fn requirements(&self) -> Vec<&str> {
        self.requirement.as_deref().into_iter().collect()
    }
}

impl Looks for ExpectConnected {
    fn watch(
        &self,
        start: Duration,
        context: &Context,
        world: &Connections,
    ) -> Result<Box<dyn Watch>, String> {
        let called = words::the_connection(&self.connection);
        Ok(Box::new(Handshake {
            connection: world.named(&self.connection)?,
            expected: format!("the handshake of {called} done"),
            window: Window::new(start, self.after.as_ref(), &self.within, context),
        }))
    }
}

/// A handshake that is waited for.
#[derive(Debug)]
struct Handshake {
    connection: ConnectionNumber,
    expected: String,
    window: Window,
}

impl Watch for Handshake {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, world: &mut Connections) -> Look {
        let (window, expected) = (&self.window, self.expected.as_str());
        let Some(connection) = world.connections.get(&self.connection) else {
            return Look::forgotten();
        };
        match (connection.connected, &connection.ended) {
            (Some(moment), _) => {
                let said = "the handshake is done".to_owned();
                view.came(window, moment, expected, said, Vec::new())
            }
            (None, Some((moment, _))) => {
                let got = connection.how().unwrap_or_default();
                view.instead(window, *moment, expected, &got).by_end()
            }
            (None, None) => view.not_yet(window, expected, "nothing"),
        }
    }
}
