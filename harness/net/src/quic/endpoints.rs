//! Endpoints as they are asked for, all made in the same way.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{ClientConfig, Endpoint};
use shakedown_protocol::Transport;
use shakedown_protocol::streams::Approach;

use super::tls::{Identity, Secrets};
use super::transport::{Manner, any_address_for, client_config_as, server_config_as};
use super::underlay::Underlay;
use super::{Freeze, PacketObserver, Watch};

/// Makes the endpoints of hosts: with the parameters of a protocol, over one underlay, and with one
/// record of their secrets.
#[derive(Debug, Clone)]
pub struct Endpoints {
    underlay: Arc<dyn Underlay>,
    transport: Transport,
    secrets: Secrets,
    watch: Watch,
    is_tester: bool,
}

/// An endpoint, and what stops it.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) endpoint: Endpoint,
    pub(super) freeze: Option<Freeze>,
}

impl Endpoints {
    /// Endpoints that behave as the protocol asks.
    #[must_use]
    pub fn new(underlay: Arc<dyn Underlay>, transport: Transport) -> Self {
        Self {
            underlay,
            transport,
            secrets: Secrets::default(),
            watch: Watch::default(),
            is_tester: false,
        }
    }

    /// The same for a test peer: it sends and takes datagrams, which the protocol may not know,
    /// admits more streams than the protocol has, and does not keep idle connections open by itself.
    #[must_use]
    pub const fn of_tester(mut self) -> Self {
        self.is_tester = true;
        self
    }

    /// The same with an observer of everything that passes.
    #[must_use]
    pub fn watched(mut self, observer: Arc<dyn PacketObserver>) -> Self {
        self.watch = Watch::telling(observer);
        self
    }

    /// The secrets of all their connections.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// One that listens on `address`, with a certificate that signs itself.
    pub(super) fn server(&self, address: SocketAddr) -> Result<End, String> {
        let identity = Identity::self_signed()?;
        let manner = self.manner();
        let config = server_config_as(&self.transport, identity, &self.secrets, manner)?;
        self.open(address, Some(config))
    }

    /// One from which `server` is reached.
    pub(super) fn client(&self, server: SocketAddr) -> Result<End, String> {
        self.open(any_address_for(server), None)
    }

    /// How to connect.
    pub(super) fn approach(&self, how: &Approach) -> Result<ClientConfig, String> {
        let manner = Manner {
            alpn: how.alpn.as_deref(),
            window: how.window,
            ..self.manner()
        };
        client_config_as(&self.transport, &self.secrets, manner)
    }

    fn manner(&self) -> Manner<'static> {
        Manner {
            is_tester: self.is_tester,
            ..Manner::default()
        }
    }

    fn open(
        &self,
        address: SocketAddr,
        config: Option<quinn::ServerConfig>,
    ) -> Result<End, String> {
        // Each can stand still by itself.
        let freeze = Freeze::default();
        let watch = self.watch.with_freeze(freeze.clone());
        let endpoint = watch
            .endpoint(&*self.underlay, address, config)
            .map_err(|error| format!("no UDP socket can be opened at {address}: {error}"))?;
        Ok(End {
            endpoint,
            freeze: Some(freeze),
        })
    }
}
