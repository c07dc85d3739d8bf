//! Certificates and secrets of QUIC endpoints.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::KeyLog;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

/// A certificate with its key.
#[derive(Debug)]
pub struct Identity {
    /// The chain, the endpoint's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first one.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A certificate for `localhost` and the loopback addresses that signs itself.
    ///
    /// # Errors
    /// A sentence for people if none can be made.
    pub fn self_signed() -> Result<Self, String> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| format!("no certificate can be made: {error}"))?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Ok(Self {
            chain: vec![made.cert.der().clone()],
            key: key.into(),
        })
    }
}

impl Identity {
    /// Reads a certificate chain and its key from PEM files.
    ///
    /// # Errors
    /// A sentence for people that names the file.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, String> {
        let wrong = |path: &Path, error: pem::Error| format!("{}: {error}", path.display());
        let certificates = CertificateDer::pem_file_iter(chain)
            .and_then(|all| all.collect::<Result<Vec<_>, _>>())
            .map_err(|error| wrong(chain, error))?;
        if certificates.is_empty() {
            return Err(format!("{}: no certificate is in it", chain.display()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
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

/// The provider of all cryptography: it is always named, since choosing one fails where a second one
/// was built in.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The TLS secrets of connections as lines of a key log (`CLIENT_TRAFFIC_SECRET_0 ...`), for captures.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Arc<Mutex<Kept>>);

/// Where secrets are kept.
#[derive(Debug)]
enum Kept {
    Nowhere,
    Here(String),
    /// Each line as it comes; and what went wrong at first, after which nothing is written.
    InFile(File, Option<io::Error>),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Here(String::new())
    }
}

impl Secrets {
    /// Secrets that nobody wants: none is kept.
    #[must_use]
    pub fn unwanted() -> Self {
        Self(Arc::new(Mutex::new(Kept::Nowhere)))
    }

    /// Secrets that go to the end of the file at `path` as they come, a line for each; none is kept
    /// here. The file is made if it is not there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn appended_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Arc::new(Mutex::new(Kept::InFile(file, None)))))
    }

    /// What was learnt so far, a line for each secret; nothing where none is kept.
    #[must_use]
    pub fn text(&self) -> String {
        match &*self.kept() {
            Kept::Here(text) => text.clone(),
            Kept::Nowhere | Kept::InFile(..) => String::new(),
        }
    }

    /// What went wrong when a secret was to be written to a file, told once.
    #[must_use]
    pub fn take_problem(&self) -> Option<io::Error> {
        match &mut *self.kept() {
            Kept::InFile(_, problem) => problem.take(),
            Kept::Nowhere | Kept::Here(_) => None,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyLog for Secrets {
    fn will_log(&self, _label: &str) -> bool {
        !matches!(&*self.kept(), Kept::Nowhere)
    }

    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let (client, secret) = (hex::encode(client_random), hex::encode(secret));
        let line = format!("{label} {client} {secret}\n");
        match &mut *self.kept() {
            Kept::Nowhere => {}
            Kept::Here(text) => text.push_str(&line),
            Kept::InFile(file, problem @ None) => *problem = file.write_all(line.as_bytes()).err(),
            Kept::InFile(_, Some(_)) => {}
        }
    }
}

/// Takes any certificate: what is tested is the protocol above it, on the tester's own machine.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) Arc<CryptoProvider>);

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
