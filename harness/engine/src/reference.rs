//! The reference of a protocol as a machine of datagrams, whatever carries it.

use shakedown_carrier::{Carrier, Identity, Security, Settings};
use shakedown_protocol::machine::Machine;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, Reference, ReferenceSettings};

/// A new reference machine. `security` says how the packets of QUIC are protected, where streams
/// carry the protocol, and `identity` by what certificate a server is known if not by its own.
///
/// # Errors
/// A human-readable error if the settings do not go together.
pub fn reference(
    protocol: &Protocol,
    settings: &ReferenceSettings,
    security: Security,
    identity: Option<Identity>,
) -> Result<Box<dyn Machine>, String> {
    let (machine, transport) = match (protocol.reference)(settings)? {
        Reference::Datagrams(machine) => return Ok(machine),
        Reference::Streams(machine, transport) => (machine, transport),
    };
    let carried = Settings {
        identity,
        ..Settings::new(transport, security)
    };
    let carrier = match (settings.role, settings.peer) {
        (Role::Responder, _) => Carrier::server(machine, &carried),
        (Role::Initiator, Some(peer)) => Carrier::client(machine, peer, &carried),
        (Role::Initiator, None) => {
            return Err("a client needs the address of its server".to_owned());
        }
    };
    match carrier {
        Ok(carrier) => Ok(Box::new(carrier)),
        Err(error) => Err(error.to_string()),
    }
}
