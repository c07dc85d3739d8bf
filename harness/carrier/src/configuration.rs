//! The configuration of QUIC.

use std::sync::Arc;
use std::time::SystemTime;

use quinn_proto::crypto::HandshakeTokenKey;
use quinn_proto::{
    ClientConfig, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, ServerConfig,
    Side, TimeSource, TransportConfig, VarInt,
};
use rand_chacha::ChaCha20Rng;
use ring::{hkdf, hmac};
use shakedown_protocol::streams::{ConnectOptions, Faults};

use crate::congestion::Windows;
use crate::misbehave::{self, Faulty, Switch};
use crate::random::{self, ConnectionIds};
use crate::tls::{Secrets, Sessions};
use crate::{CarrierError, Security, Settings};

/// Bytes of datagrams that may wait to be read, where there are any.
const DATAGRAMS: usize = 64 * 1024;

/// Streams of the other side that a test peer admits besides those of the protocol.
const SURPLUS: u32 = 8;

/// Most connections that wait for the machine's decision; further ones are not answered.
const MOST_ASKED: usize = 256;

/// Makes what connections are made of.
#[derive(Debug)]
pub(crate) struct Configuration {
    settings: Settings,
    sessions: Sessions,
    generator: ChaCha20Rng,
    /// Of an endpoint that takes connections.
    server: Option<Arc<ServerConfig>>,
}

impl Configuration {
    pub(crate) fn new(settings: &Settings, side: Side) -> Result<Self, CarrierError> {
        let configuration = Self {
            settings: settings.clone(),
            sessions: Sessions::new(settings.security),
            generator: random::generator(settings.security, side)?,
            server: None,
        };
        configuration.transport(&ConnectOptions::default())?;
        Ok(configuration)
    }

    pub(crate) const fn secrets(&self) -> &Secrets {
        &self.sessions.secrets
    }

    /// What sessions draw from; the system's if `None`.
    pub(crate) fn session_generator(&self) -> Option<ChaCha20Rng> {
        match self.settings.security {
            Security::Tls | Security::Plain(_) => None,
            Security::Seeded(_) => {
                let mut generator = self.generator.clone();
                generator.set_stream(1);
                Some(generator)
            }
        }
    }

    /// An endpoint that takes connections, or one that does not.
    pub(crate) fn endpoint(&mut self, side: Side) -> Result<Endpoint, CarrierError> {
        self.server = match side {
            Side::Client => None,
            Side::Server => Some(Arc::new(self.server()?)),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.draw::<64>());
        let ids = self.draw();
        let mut config = EndpointConfig::new(Arc::new(key));
        config.rng_seed(Some(self.draw())).cid_generator(
            move || -> Box<dyn ConnectionIdGenerator> { Box::new(ConnectionIds::new(ids)) },
        );
        // A network that is not real has no largest datagram to be found, and to read the probes
        // takes half of the time.
        let finds_mtu = self.settings.security == Security::Tls;
        let server = self.server.clone();
        Ok(Endpoint::new(Arc::new(config), server, finds_mtu, None))
    }

    fn server(&mut self) -> Result<ServerConfig, CarrierError> {
        let crypto = self.sessions.server(&self.settings)?;
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]);
        let token_key: Arc<dyn HandshakeTokenKey> = Arc::new(salt.extract(&self.draw::<64>()));
        let mut config = ServerConfig::new(crypto, token_key);
        config
            .transport_config(Arc::new(self.transport(&ConnectOptions::default())?))
            .max_incoming(MOST_ASKED)
            .time_source(Arc::new(NoTime));
        Ok(config)
    }

    /// How to admit a connection, where it is not as the endpoint has it.
    pub(crate) fn faulty_server(
        &self,
        faults: &Faults,
        switch: &Switch,
    ) -> Option<Arc<ServerConfig>> {
        let server = self.server.as_ref().filter(|_| self.settings.is_tester)?;
        let mut config = ServerConfig::clone(server);
        config.crypto = Arc::new(Faulty {
            sessions: Arc::clone(&server.crypto),
            faults: faults.clone(),
            switch: switch.clone(),
        });
        Some(Arc::new(config))
    }

    pub(crate) fn client(
        &mut self,
        options: &ConnectOptions,
        switch: &Switch,
    ) -> Result<ClientConfig, CarrierError> {
        let alpn = match &options.alpn {
            Some(names) => names.iter().map(|name| name.as_bytes().into()).collect(),
            None => vec![self.settings.transport.alpn.into()],
        };
        let mut sessions = self.sessions.client(alpn)?;
        if self.settings.is_tester {
            misbehave::check(&options.faults)?;
            sessions = Arc::new(Faulty {
                sessions,
                faults: options.faults.clone(),
                switch: switch.clone(),
            });
        }
        let id = ConnectionId::new(&self.draw::<20>());
        let mut config = ClientConfig::new(sessions);
        config
            .transport_config(Arc::new(self.transport(options)?))
            .initial_dst_cid_provider(Arc::new(move || id));
        Ok(config)
    }

    fn transport(&self, options: &ConnectOptions) -> Result<TransportConfig, CarrierError> {
        let Settings {
            transport,
            is_tester,
            ..
        } = self.settings;
        let idle = transport
            .idle_timeout
            .try_into()
            .map_err(|error| CarrierError(format!("no idle timeout can be so long: {error}")))?;
        let bidirectional = match is_tester {
            true => transport.bidirectional.saturating_add(SURPLUS),
            false => transport.bidirectional,
        };
        let mut config = TransportConfig::default();
        config
            .keep_alive_interval(match is_tester {
                true => options.keep_alive,
                false => transport.keep_alive,
            })
            .max_idle_timeout(Some(idle))
            .max_concurrent_bidi_streams(VarInt::from_u32(bidirectional))
            .max_concurrent_uni_streams(VarInt::from_u32(transport.unidirectional))
            .datagram_receive_buffer_size((is_tester || transport.datagrams).then_some(DATAGRAMS))
            .congestion_controller_factory(Arc::new(Windows::default()))
            // Merged datagrams cannot be separated in a capture.
            .enable_segmentation_offload(false);
        if let Some([stream, connection]) = transport.windows {
            config
                .stream_receive_window(VarInt::from_u32(stream))
                .receive_window(VarInt::from_u32(connection));
        }
        if let Some(window) = options.window {
            config.stream_receive_window(VarInt::from_u32(window));
        }
        Ok(config)
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        random::bytes(&mut self.generator)
    }
}

/// For the age of tokens, which no carrier hands out.
struct NoTime;

impl TimeSource for NoTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}
