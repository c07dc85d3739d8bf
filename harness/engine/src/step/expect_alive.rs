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
    fn in_words(&self) -> String {
        let name = words::named(&self.connection);
        format!("the connection{name} must live for {}", self.span)
    }
}

impl StreamWait for ExpectAlive {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::NeedsAlive)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Expectation for ExpectAlive {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let span = human_time(view.window.within);
        let known = view.connection(connections).ok();
        let ended = known.and_then(|known| Some((known.ended.as_ref()?, known.how()?)));
        Ok(
            match ended.filter(|((moment, _), _)| moment.at < view.window.upper) {
                Some(((moment, end), how)) => {
                    let expected = format!("{} to live for {span}", view.called);
                    view.broken(*moment, &expected, &how).by_end(view, end)
                }
                None => view.lasted(format!("it lived for {span}")),
            },
        )
    }
}
