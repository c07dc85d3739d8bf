use shakedown_protocol::protocol;
use shakedown_protocol::requirement::Role;

use super::Trace;
use super::last::last_steps;
use super::replay::Replay;
use crate::scenario::{Loaded, Needs, Scenario};

impl Trace {
    /// A scenario that puts an implementation in the place of one side: the scripted peer sends it
    /// what reached that side, expects what that side sent, and ends with the expectation that the
    /// side at fault does not meet. Ids and nonces are those of the implementation. It is checked
    /// as scenario files are; `name` is the last part of its id.
    ///
    /// The side is `role`, else the one that broke the requirement.
    ///
    /// # Errors
    /// A human-readable error: there is no violation, or its side is unknown.
    pub fn scenario(&self, name: &str, role: Option<Role>) -> Result<Loaded, String> {
        let known = protocol(&self.protocol).ok_or("the trace's protocol is not known")?;
        let violation = self.violation.as_ref();
        let violation = violation.ok_or("this trace has no violation to replay")?;
        let role = role.or(violation.party);
        let role = role.ok_or("the trace does not say which side is at fault; name the role")?;
        let requirement = known.requirement(&violation.requirement);
        let requirement = requirement.ok_or("the broken requirement is not known")?;
        if !requirement.roles.contains(&role) {
            return Err(format!("{} does not bind the {role}", requirement.id));
        }
        let rules = known.exploration.map(|exploration| &exploration.replay);
        let rules = rules.ok_or_else(|| format!("runs of {} cannot be replayed", known.id))?;
        let mut replay = Replay::new(known.vocabulary, rules, role);
        replay.play(self, violation.at.unwrap_or(u64::MAX));
        let last = last_steps(&requirement.id, &replay);
        replay.steps.extend(last);
        let side = self.side(role);
        let scenario = Scenario {
            schema: None,
            id: format!("{}/{}/{role}/{name}", known.id, side.mode),
            title: format!("{} holds in the run of seed {}", requirement.id, self.seed),
            comment: Some(violation.property.clone()),
            requirements: vec![requirement.id.clone()],
            iut: Needs {
                role,
                mode: side.mode.clone(),
                options: side.options.clone(),
                plain: false,
                stream: None,
                stream_has: None,
                buffer_period: None,
            },
            bindings: replay.bindings,
            sockets: replay.sockets,
            ignore: Vec::new(),
            exclusive: false,
            tolerant: false,
            inside: Vec::new(),
            steps: replay.steps,
            impair: None,
        };
        let text = serde_json::to_value(&scenario).map_err(|error| error.to_string())?;
        Loaded::parse(&format!("{name}.json"), &format!("{text:#}\n"))
            .map_err(|problems| problems.render(false))
    }
}
