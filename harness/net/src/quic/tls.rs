//! Cryptography and secrets of QUIC endpoints.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::KeyLog;
use rustls::crypto::CryptoProvider;

/// The provider of all cryptography: it is always named, since choosing one fails where a second one
/// was built in.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The TLS secrets of connections as lines of a key log (`CLIENT_TRAFFIC_SECRET_0 ...`), for captures.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Arc<Mutex<String>>);

impl Secrets {
    /// What was learnt so far, a line for each secret.
    #[must_use]
    pub fn text(&self) -> String {
        self.kept().clone()
    }

    fn kept(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let (client, secret) = (hex::encode(client_random), hex::encode(secret));
        self.kept()
            .push_str(&format!("{label} {client} {secret}\n"));
    }
}
