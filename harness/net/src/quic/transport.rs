//! Endpoints with the transport parameters of a protocol.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};

use super::tls::{AnyCertificate, Identity, Secrets, provider};

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

/// What a protocol asks of its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// The protocol's name in the TLS handshake.
    pub alpn: &'static str,
    /// How often an idle connection is kept alive.
    pub keep_alive: Duration,
    /// After this long without a packet the other side is gone.
    pub idle_timeout: Duration,
    /// Bidirectional streams that the other side may have open at a time.
    pub bidirectional: u32,
    /// Unidirectional streams that the other side may have open at a time.
    pub unidirectional: u32,
}

/// Those of `proton` (specification, section 1).
pub const PROTON: Parameters = Parameters {
    alpn: shakedown_protocol::proton::ALPN,
    keep_alive: shakedown_protocol::proton::KEEP_ALIVE,
    idle_timeout: shakedown_protocol::proton::IDLE_TIMEOUT,
    bidirectional: shakedown_protocol::proton::STREAM_LIMIT as u32,
    unidirectional: 0,
};

impl Parameters {
    /// The configuration of a server. Its secrets go to `secrets`.
    ///
    /// # Errors
    /// A sentence for people if the certificate and its key do not go together.
    pub fn server(&self, identity: Identity, secrets: &Secrets) -> Result<ServerConfig, String> {
        let wrong =
            |error: &dyn std::fmt::Display| format!("the certificate cannot be used: {error}");
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| wrong(&error))?
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .map_err(|error| wrong(&error))?;
        tls.alpn_protocols = vec![self.alpn.into()];
        tls.key_log = Arc::new(secrets.clone());
        let tls = QuicServerConfig::try_from(tls).map_err(|error| wrong(&error))?;
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(Arc::new(self.transport()?));
        Ok(config)
    }

    /// The configuration of a client that takes any certificate. Its secrets go to `secrets`.
    ///
    /// # Errors
    /// A sentence for people if the parameters cannot be.
    pub fn client(&self, secrets: &Secrets) -> Result<ClientConfig, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("no client can be configured: {error}");
        let mut tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| wrong(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
            .with_no_client_auth();
        tls.alpn_protocols = vec![self.alpn.into()];
        tls.key_log = Arc::new(secrets.clone());
        let tls = QuicClientConfig::try_from(tls).map_err(|error| wrong(&error))?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(self.transport()?));
        Ok(config)
    }

    fn transport(&self) -> Result<TransportConfig, String> {
        let idle = self.idle_timeout.try_into();
        let idle = idle.map_err(|error| format!("no idle timeout can be so long: {error}"))?;
        let mut transport = TransportConfig::default();
        transport
            .keep_alive_interval(Some(self.keep_alive))
            .max_idle_timeout(Some(idle))
            .max_concurrent_bidi_streams(VarInt::from_u32(self.bidirectional))
            .max_concurrent_uni_streams(VarInt::from_u32(self.unidirectional))
            .datagram_receive_buffer_size(None)
            // Merged datagrams cannot be told apart in a capture.
            .enable_segmentation_offload(false);
        Ok(transport)
    }
}
