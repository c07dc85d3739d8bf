use super::prelude::streams::*;
use super::prelude::*;

lasting! {
    /// A connection that must not end. What its streams carry meanwhile is kept for other steps.
    pub struct ExpectAlive {
        /// The connection.
        #[serde(default = "main_connection", skip_serializing_if = "is_main")]
        pub connection: String,
    }
}

impl Verb for ExpectAlive {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn in_words(&self) -> String {
        let name = words::named(&self.connection);
        format!("the connection{name} must live for {}", self.span)
    }
}

impl Looks for ExpectAlive {
    fn on(&self) -> On<'_> {
        On::Connection(&self.connection, Use::Lives)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        Ok(Box::new(Life {
            connection: start.target.connection()?,
            called: start.called.clone(),
            time: start.lasting(&self.span),
        }))
    }
}

/// A connection that must live.
#[derive(Debug)]
struct Life {
    connection: ConnectionNumber,
    /// The connection as the step means it.
    called: String,
    time: Range<Duration>,
}

impl Watch for Life {
    fn due(&self) -> Duration {
        self.time.end
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let span = human_time(self.time.end.saturating_sub(self.time.start));
        let known = connections.by_number.get(&self.connection);
        let ended = known.and_then(|known| Some((known.ended.as_ref()?, known.how()?)));
        match ended.filter(|((moment, _), _)| moment.at < self.time.end) {
            Some(((moment, end), how)) => {
                let expected = format!("{} to live for {span}", self.called);
                let look = view.broken(self.time.clone(), *moment, &expected, &how);
                look.by_end(view, end)
            }
            None => view.lasted(self.time.end, format!("it lived for {span}")),
        }
    }
}
