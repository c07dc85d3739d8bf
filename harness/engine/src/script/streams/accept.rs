//! The taking of a connection of the implementation.

use shakedown_protocol::streams::{ConnectionNumber, Output};

use crate::script::window::Window;

use super::judge::{Judge, Look};
use super::world::{Moment, World};

/// How far the taking of a connection is.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    /// The connection that was admitted or refused.
    pub(super) taken: Option<(ConnectionNumber, Moment)>,
    /// How handshakes ended that did not get done.
    failed: Vec<String>,
}

impl Accepting {
    /// A connection is taken when its handshake is done; one whose handshake fails makes room for
    /// the next.
    pub(super) fn look(
        &mut self,
        judge: &Judge<'_>,
        window: &Window,
        refuse: bool,
        world: &mut World,
    ) -> Look {
        let expected = "a connection of the implementation";
        loop {
            let Some((number, asked)) = self.taken else {
                let Some((number, asked)) = world.incoming.pop_front() else {
                    let failed = self.failed.join(", ");
                    let got = match failed.as_str() {
                        "" => "nothing",
                        failed => failed,
                    };
                    return judge.not_yet(window, expected, got);
                };
                self.taken = Some((number, asked));
                world.begin(number);
                if refuse {
                    world.closes(number, judge.view.now);
                    world.outputs.push_back(Output::Refuse(number));
                } else {
                    world.outputs.push_back(Output::Admit(number));
                }
                continue;
            };
            if refuse || judge.is_early(window, asked) {
                let said = if refuse {
                    "refused a connection"
                } else {
                    "got a connection"
                };
                return judge.came(window, asked, expected, said.to_owned(), Vec::new());
            }
            let Some(connection) = world.connections.get(&number) else {
                return Look::Unfair("the connection is forgotten".to_owned());
            };
            match (connection.connected, &connection.ended) {
                (Some(moment), _) => {
                    let said = "got a connection".to_owned();
                    return judge.came(window, moment, expected, said, Vec::new());
                }
                (None, Some(_)) => {
                    let how = connection.how().unwrap_or_default();
                    self.failed.push(format!("a connection that was {how}"));
                    self.taken = None;
                }
                (None, None) => {
                    let got = "a connection whose handshake is not done";
                    return judge.not_yet(window, expected, got);
                }
            }
        }
    }
}
