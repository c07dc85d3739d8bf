use super::prelude::streams::*;
use super::prelude::*;

/// A connection that must not end. What its streams carry meanwhile is kept for other steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectAlive {
    /// How long.
    #[serde(rename = "for")]
    pub span: Span,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl Verb for ExpectAlive {
    fn play(&self) -> Play<'_> {
        Play::Looks(self)
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.judged_by(self.requirement.as_deref(), inside);
        check.lasts(&self.span, &inside.key("for"));
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.means(&self.connection, inside, Use::Lives, state);
    }

    fn in_words(&self) -> String {
        let name = words::named(&self.connection);
        let judged = words::judged(self.requirement.as_deref());
        format!("the connection{name} must live for {}{judged}", self.span)
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.stretched(&self.span)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        pace.exactly(&self.span)
    }

    fn requirements(&self) -> Vec<&str> {
        self.requirement.as_deref().into_iter().collect()
    }
}

impl Looks for ExpectAlive {
    fn watch(
        &self,
        start: Duration,
        context: &Context,
        world: &Connections,
    ) -> Result<Box<dyn Watch>, String> {
        Ok(Box::new(Life {
            connection: world.named(&self.connection)?,
            called: words::the_connection(&self.connection),
            start,
            end: start.saturating_add(resolve(&self.span, &context.environment)),
        }))
    }
}

/// A connection that must live.
#[derive(Debug)]
struct Life {
    connection: ConnectionNumber,
    /// The connection as the step means it.
    called: String,
    start: Duration,
    end: Duration,
}

impl Watch for Life {
    fn due(&self) -> Duration {
        self.end
    }

    fn look(&mut self, view: &View<'_>, world: &mut Connections) -> Look {
        let span = human_time(self.end.saturating_sub(self.start));
        let known = world.connections.get(&self.connection);
        let ended = known.and_then(|known| Some((known.ended.as_ref()?.0, known.how()?)));
        match ended.filter(|(moment, _)| moment.at < self.end) {
            Some((moment, how)) => {
                let expected = format!("{} to live for {span}", self.called);
                let look = view.broken(self.start..self.end, moment, &expected, &how);
                look.by_end()
            }
            None => view.lasted(self.end, format!("it lived for {span}")),
        }
    }
}
