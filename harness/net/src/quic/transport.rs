//! Endpoints with the transport parameters of a protocol.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};

use shakedown_protocol::Transport;
pub use shakedown_protocol::proton::TRANSPORT as PROTON;

use super::tls::{AnyCertificate, Identity, Secrets, provider};

/// Bytes of datagrams that may wait to be read, where there are any.
const DATAGRAMS: usize = 64 * 1024;

/// The name by which every server is called in the TLS handshake.
pub(super) const SERVER_NAME: &str = "localhost";

/// An endpoint that listens on `address`.
///
/// # Errors
/// The system's, if the socket cannot be opened.
pub fn server(config: ServerConfig, address: SocketAddr) -> io::Result<Endpoint> {
    Endpoint::server(config, address)
}

/// An endpoint that connects, from any port of the family in which `server` is reached.
///
/// # Errors
/// The system's, if the socket cannot be opened.
pub fn client(config: ClientConfig, server: SocketAddr) -> io::Result<Endpoint> {
    let mut endpoint = Endpoint::client(any_address_for(server))?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

/// Any port of the family in which `peer` is reached.
#[must_use]
pub fn any_address_for(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}

/// What is asked of QUIC besides what the protocol asks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner<'a> {
    /// The names that are offered in the TLS handshake in the place of the protocol's own.
    pub(super) alpn: Option<&'a [String]>,
    /// Bytes that the other side may send on each stream before they are read.
    pub(super) window: Option<u32>,
    /// Whether it is a test peer's: datagrams can be sent, and are taken; there is room for streams
    /// that the protocol forbids; and what keeps an idle connection open is the other side's
    /// keep-alive alone.
    pub(super) is_tester: bool,
}

/// Streams of the other side that a test peer admits besides those of the protocol.
const SURPLUS: u32 = 8;

/// The configuration of a server. Its secrets go to `secrets`.
///
/// # Errors
/// A sentence for people if the certificate and its key do not go together.
pub fn server_config(
    transport: &Transport,
    identity: Identity,
    secrets: &Secrets,
) -> Result<ServerConfig, String> {
    server_config_as(transport, identity, secrets, Manner::default())
}

/// The configuration of a client that takes any certificate. Its secrets go to `secrets`.
///
/// # Errors
/// A sentence for people if the parameters cannot be.
pub fn client_config(transport: &Transport, secrets: &Secrets) -> Result<ClientConfig, String> {
    client_config_as(transport, secrets, Manner::default())
}

pub(super) fn server_config_as(
    transport: &Transport,
    identity: Identity,
    secrets: &Secrets,
    manner: Manner<'_>,
) -> Result<ServerConfig, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the certificate cannot be used: {error}");
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&error))?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| wrong(&error))?;
    tls.alpn_protocols = names(transport, manner);
    tls.key_log = Arc::new(secrets.clone());
    let tls = QuicServerConfig::try_from(tls).map_err(|error| wrong(&error))?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(parameters(transport, manner)?));
    Ok(config)
}

pub(super) fn client_config_as(
    transport: &Transport,
    secrets: &Secrets,
    manner: Manner<'_>,
) -> Result<ClientConfig, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("no client can be configured: {error}");
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        .with_no_client_auth();
    tls.alpn_protocols = names(transport, manner);
    tls.key_log = Arc::new(secrets.clone());
    let tls = QuicClientConfig::try_from(tls).map_err(|error| wrong(&error))?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(parameters(transport, manner)?));
    Ok(config)
}

fn names(transport: &Transport, manner: Manner<'_>) -> Vec<Vec<u8>> {
    match manner.alpn {
        Some(names) => names.iter().map(|name| name.as_bytes().into()).collect(),
        None => vec![transport.alpn.into()],
    }
}

fn parameters(transport: &Transport, manner: Manner<'_>) -> Result<TransportConfig, String> {
    let idle = transport.idle_timeout.try_into();
    let idle = idle.map_err(|error| format!("no idle timeout can be so long: {error}"))?;
    let mut config = TransportConfig::default();
    let bidirectional = match manner.is_tester {
        true => transport.bidirectional.saturating_add(SURPLUS),
        false => transport.bidirectional,
    };
    config
        .keep_alive_interval((!manner.is_tester).then_some(transport.keep_alive))
        .max_idle_timeout(Some(idle))
        .max_concurrent_bidi_streams(VarInt::from_u32(bidirectional))
        .max_concurrent_uni_streams(VarInt::from_u32(transport.unidirectional))
        .datagram_receive_buffer_size(manner.is_tester.then_some(DATAGRAMS))
        // Merged datagrams cannot be told apart in a capture.
        .enable_segmentation_offload(false);
    if let Some(window) = manner.window {
        config.stream_receive_window(VarInt::from_u32(window));
    }
    Ok(config)
}
