use super::prelude::streams::*;
use super::prelude::*;

within! {
    /// The end of a handshake that `connect` began.
    pub struct ExpectConnected {
        /// The connection.
        #[serde(default = "main_connection", skip_serializing_if = "is_main")]
        pub connection: String,
    }
}

impl Verb for ExpectConnected {
    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        format!("the handshake{of} must be done{}", self.when())
    }
}

impl StreamWait for ExpectConnected {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Waits)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Expectation for ExpectConnected {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = format!("the handshake of {} done", view.called);
        let connection = view.connection(connections)?;
        Ok(match (connection.connected, &connection.ended) {
            (Some(moment), _) => view.came(moment, &expected, "the handshake is done".to_owned()),
            (None, Some((moment, end))) => {
                let got = connection.how().unwrap_or_default();
                view.instead(*moment, &expected, &got).by_end(view, end)
            }
            (None, None) => view.not_yet(&expected, "nothing"),
        })
    }
}
