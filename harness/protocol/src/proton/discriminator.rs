/// The first byte of the first stream of a connection that resets an older one (PR-R-01).
pub const RESET: u8 = 0xFF;

shakedown_wire::codes! {
    /// What a stream is for; the client says it by the first byte. Other bytes but [`RESET`] are a
    /// violation (PR-S-03).
    pub enum Kind: u8 {
        /// Rising ids, each acked.
        Event = 1 "Event",
        /// A request, an answer.
        StateCommit = 2 "StateCommit",
        /// Items of the server.
        Action = 3 "Action",
    }
}
