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
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        format!("the handshake{of} must be done{}", self.when())
    }
}

impl Looks for ExpectConnected {
    fn on(&self) -> On<'_> {
        On::Connection(&self.connection, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        Ok(Box::new(Handshake {
            connection: start.target.connection()?,
            expected: format!("the handshake of {} done", start.called),
            window: self.window(start.at, start.context),
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

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let (window, expected) = (&self.window, self.expected.as_str());
        let Some(connection) = connections.by_number.get(&self.connection) else {
            return Look::forgotten();
        };
        match (connection.connected, &connection.ended) {
            (Some(moment), _) => {
                let said = "the handshake is done".to_owned();
                view.came(window, moment, expected, said, Vec::new())
            }
            (None, Some((moment, end))) => {
                let got = connection.how().unwrap_or_default();
                view.instead(window, *moment, expected, &got)
                    .by_end(view, end)
            }
            (None, None) => view.not_yet(window, expected, "nothing"),
        }
    }
}
