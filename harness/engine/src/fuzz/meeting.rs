use shakedown_protocol::PROTOCOLS;
use shakedown_protocol::exploration::RunSettings;

use crate::explore::swarm::Swarm;

/// Machines of a protocol, in any mode and with any options, meet over any network: the first byte says of which
/// protocol they are, the others all that would be random.
///
/// # Panics
/// If something does not hold, with what led there.
pub fn meeting(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let protocol = PROTOCOLS[usize::from(*first) % PROTOCOLS.len()];
    let settings = RunSettings::default();
    let swarm = Swarm { protocol, settings };
    let Ok(run) = swarm.scripted(rest, false) else {
        return;
    };
    if !run.run.violations.is_empty() {
        let evidence = swarm.scripted(rest, true);
        unreachable!(
            "{}",
            evidence.map_or_else(|why| why, |run| run.text(protocol, false))
        );
    }
}
