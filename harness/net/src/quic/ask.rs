//! Whether somebody speaks a protocol somewhere.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::ConnectionError;
use shakedown_protocol::Transport;
use tokio::time::timeout;

use super::tls::Secrets;
use super::transport::{SERVER_NAME, client, client_config};

/// How long a connection that is closed may take to be gone: what was told of it has then come.
const GOODBYE: Duration = Duration::from_millis(500);

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The handshake was done, and the connection closed with code 0.
    Connected,
    /// Somebody is there who takes no connection now.
    Refused,
    /// Somebody is there who speaks something else: why the handshake failed.
    Stranger(String),
    /// Nothing came back.
    Silence,
}

/// Shakes hands with whoever is at `server`, and closes at once.
///
/// # Errors
/// A sentence for people if no socket can be had.
pub(crate) async fn ask(transport: &Transport, server: SocketAddr) -> Result<Answer, String> {
    let config = client_config(transport, &Secrets::unwanted())?;
    let no_socket = |error: std::io::Error| format!("no UDP socket can be opened: {error}");
    let endpoint = client(config, server).map_err(no_socket)?;
    let connecting = endpoint.connect(server, SERVER_NAME);
    let connecting = connecting.map_err(|error| error.to_string())?;
    let answer = match connecting.await {
        Ok(connection) => {
            connection.close(0_u32.into(), b"it is there");
            Answer::Connected
        }
        Err(ConnectionError::TimedOut) => Answer::Silence,
        // A handshake that breaks off has an alert of TLS, from 0x100 on, or nothing in common.
        Err(ConnectionError::ConnectionClosed(close)) => match u64::from(close.error_code) {
            0x100.. => Answer::Stranger(close.to_string()),
            _ => Answer::Refused,
        },
        Err(error @ (ConnectionError::VersionMismatch | ConnectionError::TransportError(_))) => {
            Answer::Stranger(error.to_string())
        }
        Err(
            ConnectionError::ApplicationClosed(_)
            | ConnectionError::Reset
            | ConnectionError::LocallyClosed
            | ConnectionError::CidsExhausted,
        ) => Answer::Refused,
    };
    // Who does not answer does not hold it up.
    let _ = timeout(GOODBYE, endpoint.wait_idle()).await;
    Ok(answer)
}
