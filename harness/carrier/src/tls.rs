//! TLS: certificates, secrets, and what two sides of a handshake are made of.

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use ::pem::{Pem, encode_many};
use quinn_proto::crypto;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use ring::digest;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, KeyLog, SignatureScheme};

use crate::plain::Plain;
use crate::{CarrierError, Security, Settings, random};

/// A certificate with its key.
#[derive(Debug)]
pub struct Identity {
    /// The chain, the server's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first one.
    pub key: PrivateKeyDer<'static>,
}

/// Who certificates that sign themselves are for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// An Ed25519 key in PKCS #8 but for its 32 bytes.
const ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl Identity {
    /// This process's certificate for `localhost` and the loopback addresses, self-signed. It is
    /// created on first use, and valid for less than the 14 days that browsers allow for a
    /// certificate given by its hash (WebTransport, section 3.3, `serverCertificateHashes`).
    ///
    /// # Errors
    /// None can be made.
    #[expect(
        clippy::disallowed_types,
        reason = "a certificate has dates that others compare with their clocks"
    )]
    pub fn own() -> Result<Self, CarrierError> {
        static OWN: LazyLock<Result<Identity, CarrierError>> = LazyLock::new(|| {
            let key = rcgen::KeyPair::generate().map_err(|error| none_made(&error))?;
            let now = std::time::SystemTime::now();
            Identity::signed_by(&key, |parameters| {
                parameters.not_before = (now - Duration::from_hours(1)).into();
                parameters.not_after = (now + Duration::from_hours(13 * 24)).into();
            })
        });
        OWN.clone()
    }

    /// SHA-256 of the server's own certificate in DER, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let own = self.chain.first().map(|own| own.as_ref());
        hex::encode(digest::digest(&digest::SHA256, own.unwrap_or_default()))
    }

    /// The certificates and the key, each as a block of a PEM file.
    #[must_use]
    pub fn pem(&self) -> String {
        let chain = self
            .chain
            .iter()
            .map(|one| Pem::new("CERTIFICATE", one.as_ref()));
        let key = Pem::new("PRIVATE KEY", self.key.secret_der());
        encode_many(&chain.chain([key]).collect::<Vec<_>>())
    }

    /// The certificate of seeded servers: its key is no secret. A signature by Ed25519 has nothing
    /// random, and rcgen's serial numbers and dates have not either.
    fn known() -> Result<Self, CarrierError> {
        static KNOWN: LazyLock<Result<Identity, CarrierError>> = LazyLock::new(|| {
            let key = [&ED25519[..], &[0x5d; 32]].concat();
            let key = PrivatePkcs8KeyDer::from(key);
            let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ED25519);
            Identity::signed_by(&key.map_err(|error| none_made(&error))?, |_| ())
        });
        KNOWN.clone()
    }

    fn signed_by(
        key: &rcgen::KeyPair,
        set: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> Result<Self, CarrierError> {
        let names = NAMES.map(str::to_owned);
        let mut parameters =
            rcgen::CertificateParams::new(names).map_err(|error| none_made(&error))?;
        set(&mut parameters);
        let made = parameters
            .self_signed(key)
            .map_err(|error| none_made(&error))?;
        Ok(Self {
            chain: vec![made.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// A certificate chain and its key from what PEM files hold.
    ///
    /// # Errors
    /// A human-readable error that names the file.
    pub fn from_pem(chain: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, CarrierError> {
        let wrong =
            |path: &Path, error: pem::Error| CarrierError(format!("{}: {error}", path.display()));
        let certificates = CertificateDer::pem_slice_iter(chain.1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong(chain.0, error))?;
        if certificates.is_empty() {
            let error = format!("{}: no certificate is in it", chain.0.display());
            return Err(CarrierError(error));
        }
        let key = PrivateKeyDer::from_pem_slice(key.1).map_err(|error| wrong(key.0, error))?;
        Ok(Self {
            chain: certificates,
            key,
        })
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

fn none_made(error: &rcgen::Error) -> CarrierError {
    CarrierError(format!("no certificate can be made: {error}"))
}

/// What sessions are made of.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Always named: choosing one fails where a second one was built in. There is none where
    /// nothing is encrypted.
    provider: Option<Arc<CryptoProvider>>,
    pub(crate) secrets: Secrets,
}

impl Sessions {
    pub(crate) fn new(security: Security) -> Self {
        let provider = match security {
            Security::Tls => Some(rustls::crypto::ring::default_provider()),
            Security::Seeded(_) => Some(random::provider()),
            Security::Plain(_) => None,
        };
        Self {
            provider: provider.map(Arc::new),
            secrets: Secrets::default(),
        }
    }

    pub(crate) fn server(
        &self,
        settings: &Settings,
    ) -> Result<Arc<dyn crypto::ServerConfig>, CarrierError> {
        let wrong = |error: &dyn std::fmt::Display| {
            CarrierError(format!("the certificate cannot be used: {error}"))
        };
        let transport = settings.transport;
        let names = std::iter::once(&transport.alpn).chain(transport.aliases);
        let alpn = names.map(|name| name.as_bytes().to_vec()).collect();
        let Some(provider) = &self.provider else {
            return Ok(Arc::new(Plain { alpn }));
        };
        let identity = match (settings.security, &settings.identity) {
            (Security::Tls, Some(identity)) => identity.clone(),
            (Security::Tls, None) => Identity::own()?,
            (Security::Seeded(_) | Security::Plain(_), _) => Identity::known()?,
        };
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| wrong(&error))?
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .map_err(|error| wrong(&error))?;
        config.alpn_protocols = alpn;
        config.key_log = Arc::new(self.secrets.clone());
        config.send_tls13_tickets = 0;
        let config = QuicServerConfig::try_from(config).map_err(|error| wrong(&error))?;
        Ok(Arc::new(config))
    }

    /// A client's sessions: it takes any certificate.
    pub(crate) fn client(
        &self,
        alpn: Vec<Vec<u8>>,
    ) -> Result<Arc<dyn crypto::ClientConfig>, CarrierError> {
        let wrong = |error: &dyn std::fmt::Display| {
            CarrierError(format!("no client can be configured: {error}"))
        };
        let Some(provider) = &self.provider else {
            return Ok(Arc::new(Plain { alpn }));
        };
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| wrong(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(provider))))
            .with_no_client_auth();
        config.alpn_protocols = alpn;
        config.key_log = Arc::new(self.secrets.clone());
        config.resumption = Resumption::disabled();
        let config = QuicClientConfig::try_from(config).map_err(|error| wrong(&error))?;
        Ok(Arc::new(config))
    }
}

/// Secrets not yet taken, as lines of a key log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Arc<Mutex<String>>);

impl Secrets {
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let (client, secret) = (hex::encode(client_random), hex::encode(secret));
        let line = format!("{label} {client} {secret}\n");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(&line);
    }
}

/// Takes any certificate: what is tested is the protocol above it, on the tester's own machine.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
