//! The few messages of the TLS 1.3 handshake that say how to read a connection: RFC 8446,
//! section 4.

use shakedown_wire::{DecodeError, Reader};

/// Longest message that is read, in bytes. Certificates and others of any length are passed over.
const MAX_MESSAGE: usize = 64 * 1024;

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const EARLY_DATA: u16 = 42;
const TRANSPORT_PARAMETERS: u16 = 0x39;

/// Takes the bytes of a CRYPTO stream and gives the messages in it that are read here.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The message that is not whole yet, with its head.
    message: Vec<u8>,
    /// Bytes to pass over.
    skip: usize,
}

impl Messages {
    /// Calls `take` with the type and the body of each message that is whole now.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(u8, &[u8])) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            let need = self.need();
            let here = (need - self.message.len()).min(bytes.len());
            self.message.extend_from_slice(&bytes[..here]);
            bytes = &bytes[here..];
            if self.message.len() < self.need() {
                continue;
            }
            if let Some((kind, length)) = self.head() {
                if is_read(kind, length) {
                    take(kind, &self.message[4..]);
                } else {
                    self.skip = length;
                }
            }
            self.message.clear();
        }
    }

    /// Bytes of the message that have to be collected, as far as is known.
    fn need(&self) -> usize {
        match self.head() {
            Some((kind, length)) if is_read(kind, length) => 4 + length,
            Some(_) | None => 4,
        }
    }

    fn head(&self) -> Option<(u8, usize)> {
        let [kind, length @ ..] = self.message.first_chunk::<4>()?;
        let length = length
            .iter()
            .fold(0, |all, byte| all << 8 | usize::from(*byte));
        Some((*kind, length))
    }
}

const fn is_read(kind: u8, length: usize) -> bool {
    matches!(kind, CLIENT_HELLO | SERVER_HELLO | ENCRYPTED_EXTENSIONS) && length <= MAX_MESSAGE
}

/// What is read of a ClientHello.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientHello<'a> {
    pub(super) random: &'a [u8; 32],
    pub(super) extensions: Extensions<'a>,
}

/// What is read of the extensions of any message.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Extensions<'a> {
    /// The list of protocols, without its length.
    pub(super) alpn: Option<&'a [u8]>,
    pub(super) server_name: Option<&'a [u8]>,
    pub(super) parameters: Option<&'a [u8]>,
    /// Whether early data is sent, or accepted.
    pub(super) early_data: bool,
}

impl<'a> ClientHello<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        reader.u16_be("legacy_version")?;
        let random = reader.array("random")?;
        short_vector(&mut reader, "legacy_session_id")?;
        vector(&mut reader, "cipher_suites")?;
        short_vector(&mut reader, "legacy_compression_methods")?;
        let extensions = Extensions::parse(&mut reader, true)?;
        Ok(Self { random, extensions })
    }
}

/// The cipher suite of a ServerHello or a HelloRetryRequest.
pub(super) fn cipher_suite(body: &[u8]) -> Result<u16, DecodeError> {
    let mut reader = Reader::new(body);
    reader.u16_be("legacy_version")?;
    reader.array::<32>("random")?;
    short_vector(&mut reader, "legacy_session_id_echo")?;
    reader.u16_be("cipher_suite")
}

/// The extensions of an EncryptedExtensions.
pub(super) fn encrypted_extensions(body: &[u8]) -> Result<Extensions<'_>, DecodeError> {
    Extensions::parse(&mut Reader::new(body), false)
}

impl<'a> Extensions<'a> {
    fn parse(reader: &mut Reader<'a>, by_client: bool) -> Result<Self, DecodeError> {
        let mut all = Self::default();
        let extensions = vector(reader, "extensions")?;
        let mut reader = Reader::new(extensions);
        while reader.remaining() > 0 {
            let kind = reader.u16_be("extension_type")?;
            let mut data = Reader::new(vector(&mut reader, "extension_data")?);
            match kind {
                // The server's is empty.
                SERVER_NAME if by_client => {
                    let mut names = Reader::new(vector(&mut data, "server_name_list")?);
                    names.u8("name_type")?;
                    all.server_name = Some(vector(&mut names, "host_name")?);
                }
                ALPN => all.alpn = Some(vector(&mut data, "protocol_name_list")?),
                TRANSPORT_PARAMETERS => all.parameters = Some(data.rest()),
                EARLY_DATA => all.early_data = true,
                _ => {}
            }
        }
        Ok(all)
    }
}

/// Bytes after a length of two bytes.
fn vector<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], DecodeError> {
    let length = reader.u16_be(field)?;
    reader.bytes(field, length.into())
}

/// Bytes after a length of one byte.
fn short_vector<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], DecodeError> {
    let length = reader.u8(field)?;
    reader.bytes(field, length.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(pieces: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Messages::default();
        let mut all = Vec::new();
        for piece in pieces {
            messages.push(piece, |kind, body| all.push((kind, body.to_vec())));
        }
        all
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream = [
            &[2, 0, 0, 3, 7, 8, 9, 11, 0, 1, 0][..],
            &[2; 256],
            &[8, 0, 0, 0, 1, 0, 0, 1, 5],
        ]
        .concat();
        let expected = [(2, vec![7, 8, 9]), (8, vec![]), (1, vec![5])];
        assert_eq!(messages(&[&stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(messages(&bytes), expected);
    }

    #[test]
    fn a_message_of_excessive_length_is_passed_over() {
        let long = [
            &[1, 0xff, 0xff, 0xff][..],
            &vec![1; 0xff_ffff],
            &[8, 0, 0, 0],
        ]
        .concat();
        assert_eq!(messages(&[&long]), [(8, vec![])]);
    }
}
