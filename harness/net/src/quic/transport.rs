//! Endpoints with the transport parameters of a protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, ServerConfig, TransportConfig, VarInt};

use shakedown_protocol::Transport;
pub use shakedown_protocol::proton::TRANSPORT as PROTON;

use shakedown_carrier::{AnyCertificate, Identity};

use super::tls::{Secrets, provider};

/// The name by which every server is called in the TLS handshake.
pub(super) const SERVER_NAME: &str = "localhost";

/// Any port of the family in which `peer` is reached.
#[must_use]
pub fn any_address_for(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}

/// The configuration of a server. Its secrets go to `secrets`.
///
/// # Errors
/// A sentence for people if the certificate and its key do not go together.
pub fn server_config(
    transport: &Transport,
    identity: Identity,
    secrets: &Secrets,
) -> Result<ServerConfig, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the certificate cannot be used: {error}");
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&error))?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| wrong(&error))?;
    tls.alpn_protocols = vec![transport.alpn.into()];
    tls.key_log = Arc::new(secrets.clone());
    let tls = QuicServerConfig::try_from(tls).map_err(|error| wrong(&error))?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(parameters(transport)?));
    Ok(config)
}

/// The configuration of a client that takes any certificate. Its secrets go to `secrets`.
///
/// # Errors
/// A sentence for people if the parameters cannot be.
pub fn client_config(transport: &Transport, secrets: &Secrets) -> Result<ClientConfig, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("no client can be configured: {error}");
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        .with_no_client_auth();
    tls.alpn_protocols = vec![transport.alpn.into()];
    tls.key_log = Arc::new(secrets.clone());
    let tls = QuicClientConfig::try_from(tls).map_err(|error| wrong(&error))?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(parameters(transport)?));
    Ok(config)
}

fn parameters(transport: &Transport) -> Result<TransportConfig, String> {
    let idle = transport.idle_timeout.try_into();
    let idle = idle.map_err(|error| format!("no idle timeout can be so long: {error}"))?;
    let mut config = TransportConfig::default();
    config
        .keep_alive_interval(Some(transport.keep_alive))
        .max_idle_timeout(Some(idle))
        .max_concurrent_bidi_streams(VarInt::from_u32(transport.bidirectional))
        .max_concurrent_uni_streams(VarInt::from_u32(transport.unidirectional))
        .datagram_receive_buffer_size(None)
        // Merged datagrams cannot be told apart in a capture.
        .enable_segmentation_offload(false);
    Ok(config)
}
