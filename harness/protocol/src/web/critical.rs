//! Streams that last as long as their connection: what they begin with, and the control stream's frames
//! (RFC 9114, section 6.2).

use shakedown_wire::Fault as Wrong;

use super::code::WebCode;
use super::endpoint::Web;
use super::fault::{Fault, unexpected};
use super::settings::Settings;
use super::stream::{Kind, Stream};
use super::{frame_type, stream_type};
use crate::streams::StreamId;

impl Web {
    pub(super) fn has_type(&mut self, id: StreamId, kind: u64) -> Result<(), Fault> {
        let critical = match kind {
            stream_type::CONTROL => Kind::Control,
            stream_type::QPACK_ENCODER => Kind::Encoder,
            stream_type::QPACK_DECODER => Kind::Decoder,
            stream_type::PUSH => {
                let code = match self.is_client {
                    true => WebCode::IdError,
                    false => WebCode::StreamCreationError,
                };
                return Err(Fault::Connection(
                    code,
                    "a push that nobody allowed".to_owned(),
                ));
            }
            // Its session follows.
            stream_type::WEBTRANSPORT => return Ok(()),
            _ => Kind::Ignored,
        };
        let is_same =
            |it: &Stream| std::mem::discriminant(&it.kind) == std::mem::discriminant(&critical);
        if !matches!(critical, Kind::Ignored) && self.streams.values().any(is_same) {
            let why = "a second stream of a type of which there is one";
            let code = WebCode::StreamCreationError;
            return Err(Fault::Connection(code, why.to_owned()));
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.kind = critical;
        }
        Ok(())
    }

    pub(super) fn has_settings(&self) -> Result<(), Fault> {
        match &self.settings {
            Some(_) => Ok(()),
            None => {
                let why = "the control stream does not begin with SETTINGS";
                Err(Fault::Connection(WebCode::MissingSettings, why.to_owned()))
            }
        }
    }

    pub(super) fn control(&mut self, kind: u64, payload: &[u8]) -> Result<(), Fault> {
        match kind {
            frame_type::SETTINGS if self.settings.is_some() => Err(unexpected("SETTINGS again")),
            frame_type::SETTINGS => {
                let settings = Settings::decode(payload).map_err(|error| {
                    let code = match error.fault {
                        Wrong::Truncated { .. } => WebCode::FrameError,
                        Wrong::Invalid { .. } => WebCode::SettingsError,
                    };
                    Fault::Connection(code, error.to_string())
                })?;
                self.settings = Some(settings);
                self.send_session_requests();
                Ok(())
            }
            frame_type::HEADERS | frame_type::PUSH_PROMISE => {
                self.has_settings()?;
                Err(unexpected("a message on the control stream"))
            }
            frame_type::MAX_PUSH_ID if self.is_client => {
                self.has_settings()?;
                Err(unexpected("MAX_PUSH_ID of a server"))
            }
            // Nothing is pushed, and who goes away ends the connection itself.
            _ => self.has_settings(),
        }
    }
}
