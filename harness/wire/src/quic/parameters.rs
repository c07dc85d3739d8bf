use crate::{DecodeError, Reader, Rule};

/// Most unknown parameters whose ids are kept.
const MAX_UNKNOWN: usize = 32;

/// The transport parameters of one end (RFC 9000, section 18.2; RFC 9221, RFC 9287). `None` is a
/// parameter that was not sent, so that its default holds. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransportParameters {
    pub original_destination_connection_id: Option<Vec<u8>>,
    pub max_idle_timeout: Option<u64>,
    pub stateless_reset_token: Option<[u8; 16]>,
    pub max_udp_payload_size: Option<u64>,
    pub initial_max_data: Option<u64>,
    pub initial_max_stream_data_bidi_local: Option<u64>,
    pub initial_max_stream_data_bidi_remote: Option<u64>,
    pub initial_max_stream_data_uni: Option<u64>,
    pub initial_max_streams_bidi: Option<u64>,
    pub initial_max_streams_uni: Option<u64>,
    pub ack_delay_exponent: Option<u64>,
    pub max_ack_delay: Option<u64>,
    pub disable_active_migration: bool,
    /// Connection id and token of the server's other address; the addresses are not kept.
    pub preferred_address: Option<(Vec<u8>, [u8; 16])>,
    pub active_connection_id_limit: Option<u64>,
    pub initial_source_connection_id: Option<Vec<u8>>,
    pub retry_source_connection_id: Option<Vec<u8>>,
    pub max_datagram_frame_size: Option<u64>,
    pub grease_quic_bit: bool,
    /// Ids of parameters that are not known here, the first 32 of them.
    pub unknown: Vec<u64>,
}

impl TransportParameters {
    /// Reads the extension of TLS.
    ///
    /// # Errors
    /// A parameter is cut, stands twice, or has not its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut all = Self::default();
        let mut reader = Reader::new(bytes);
        let mut seen = 0_u64;
        while reader.remaining() > 0 {
            let offset = reader.offset();
            let id = reader.quic_varint("transport parameter")?;
            let length = reader.quic_varint("transport parameter length")?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let value = reader.bytes("transport parameter value", length)?;
            if id < 64 {
                if seen & 1 << id != 0 {
                    let why = "stands twice";
                    return Err(DecodeError::invalid(
                        "transport parameter",
                        offset,
                        Rule::Repeated,
                        why,
                    ));
                }
                seen |= 1 << id;
            }
            all.take(id, value).ok_or_else(|| {
                DecodeError::invalid("transport parameter", offset, Rule::Value, REASON)
            })?;
        }
        Ok(all)
    }

    /// `None` if the value has not its parameter's form.
    fn take(&mut self, id: u64, value: &[u8]) -> Option<()> {
        let number = match id {
            0x01 => &mut self.max_idle_timeout,
            0x03 => &mut self.max_udp_payload_size,
            0x04 => &mut self.initial_max_data,
            0x05 => &mut self.initial_max_stream_data_bidi_local,
            0x06 => &mut self.initial_max_stream_data_bidi_remote,
            0x07 => &mut self.initial_max_stream_data_uni,
            0x08 => &mut self.initial_max_streams_bidi,
            0x09 => &mut self.initial_max_streams_uni,
            0x0a => &mut self.ack_delay_exponent,
            0x0b => &mut self.max_ack_delay,
            0x0e => &mut self.active_connection_id_limit,
            0x20 => &mut self.max_datagram_frame_size,
            _ => return self.take_other(id, value),
        };
        let mut reader = Reader::new(value);
        *number = Some(reader.quic_varint("value").ok()?);
        (reader.remaining() == 0).then_some(())
    }

    fn take_other(&mut self, id: u64, value: &[u8]) -> Option<()> {
        match id {
            0x00 => self.original_destination_connection_id = Some(value.to_vec()),
            0x02 => self.stateless_reset_token = Some(*value.as_array()?),
            0x0c => {
                self.disable_active_migration = true;
                return value.is_empty().then_some(());
            }
            0x0d => {
                let mut reader = Reader::new(value);
                reader.array::<24>("addresses").ok()?;
                let length = reader.u8("length").ok()?;
                let id = reader.bytes("id", length.into()).ok()?;
                let token = reader.array::<16>("token").ok()?;
                self.preferred_address = Some((id.to_vec(), *token));
                return (reader.remaining() == 0).then_some(());
            }
            0x0f => self.initial_source_connection_id = Some(value.to_vec()),
            0x10 => self.retry_source_connection_id = Some(value.to_vec()),
            0x2ab2 => {
                self.grease_quic_bit = true;
                return value.is_empty().then_some(());
            }
            unknown => {
                if self.unknown.len() < MAX_UNKNOWN {
                    self.unknown.push(unknown);
                }
            }
        }
        Some(())
    }
}

const REASON: &str = "has a value that is not of its form";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_by_name() {
        let bytes = [
            &[0x01, 2, 0x53, 0x88, 0x08, 1, 3, 0x09, 1, 0, 0x0c, 0][..],
            &[0x02, 16],
            &[7; 16],
            &[
                0x20, 4, 0x80, 0, 0xff, 0xff, 0x6a, 0xb2, 0, 0x7b, 0xbd, 1, 9,
            ],
        ]
        .concat();
        let parameters = TransportParameters::parse(&bytes).unwrap();
        let expected = TransportParameters {
            max_idle_timeout: Some(5_000),
            initial_max_streams_bidi: Some(3),
            initial_max_streams_uni: Some(0),
            disable_active_migration: true,
            stateless_reset_token: Some([7; 16]),
            max_datagram_frame_size: Some(65_535),
            grease_quic_bit: true,
            unknown: vec![15_293],
            ..TransportParameters::default()
        };
        assert_eq!(parameters, expected);
    }

    #[test]
    fn a_parameter_that_stands_twice_or_has_another_form_is_told() {
        let twice = TransportParameters::parse(&[1, 1, 5, 1, 1, 5]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "transport parameter at offset 3: stands twice"
        );
        let long = TransportParameters::parse(&[1, 2, 5, 5]).unwrap_err();
        assert_eq!(
            long.to_string(),
            "transport parameter at offset 0: has a value that is not of its form"
        );
        let cut = TransportParameters::parse(&[1, 2, 5]).unwrap_err();
        assert_eq!(
            cut.to_string(),
            "transport parameter value at offset 2: needs 2 bytes, has 1"
        );
    }
}
