use super::prelude::datagrams::*;
use super::prelude::*;
use super::send::Send;

// A frame that the network loses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Lose(pub Send);

impl Verb for Lose {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        self.0.check(check, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.uses_of(&self.0.fields, inside, state);
    }

    fn in_words(&self) -> String {
        format!("the network loses {}", self.0.frame_in_words())
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        self.0.longest(pace)
    }

    fn sockets(&self) -> Vec<&str> {
        self.0.sockets()
    }
}

impl Sends for Lose {
    fn stimulus(&self, _: Duration, context: &Context) -> Result<Stimulus, String> {
        let datagram = send::typed(&self.0.frame, &self.0.fields, context)?;
        Ok(Stimulus::Lost(datagram))
    }
}
