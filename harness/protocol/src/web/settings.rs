use shakedown_wire::{DecodeError, Reader, Rule, Writer, planted};

shakedown_wire::codes! {
    /// Settings by their ids (RFC 9114, section 7.2.4.1; RFC 9204, section 5; RFC 9220; RFC 9297;
    /// draft-ietf-webtrans-http3, section 8.2 and its older versions).
    pub enum Setting: u64 {
        QpackMaxTableCapacity = 0x01 "qpack_max_table_capacity",
        MaxFieldSectionSize = 0x06 "max_field_section_size",
        QpackBlockedStreams = 0x07 "qpack_blocked_streams",
        EnableConnectProtocol = 0x08 "enable_connect_protocol",
        H3Datagram = 0x33 "h3_datagram",
        /// Of drafts 02 to 06, which browsers speak.
        EnableWebTransport = 0x2b60_3742 "enable_webtransport",
        /// Of drafts from 07 on.
        WebTransportMaxSessions = 0xc671_706a "webtransport_max_sessions",
    }
}

/// Ids that HTTP/2 has and HTTP/3 has not.
const RESERVED: [u64; 4] = [0x02, 0x03, 0x04, 0x05];

/// Settings of one end, in the order in which they stand in the frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(Vec<(u64, u64)>);

impl Settings {
    /// These ids and values, which may be any.
    #[must_use]
    pub const fn of(values: Vec<(u64, u64)>) -> Self {
        Self(values)
    }

    /// What an end says that speaks WebTransport, of all drafts, with so many sessions at a time.
    #[must_use]
    pub fn web_transport(sessions: u64) -> Self {
        let values = [
            (Setting::QpackMaxTableCapacity, 0),
            (Setting::QpackBlockedStreams, 0),
            (Setting::EnableConnectProtocol, 1),
            (Setting::H3Datagram, 1),
            (Setting::EnableWebTransport, 1),
            (Setting::WebTransportMaxSessions, sessions),
        ];
        let numbers = values.map(|(setting, value)| (setting.number(), value));
        Self(numbers.to_vec())
    }

    /// The value of a setting, if it was given.
    #[must_use]
    pub fn get(&self, setting: Setting) -> Option<u64> {
        let found = self.0.iter().find(|(id, _)| *id == setting.number());
        found.map(|(_, value)| *value)
    }

    /// All of them: ids and values.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// Whether sessions of WebTransport can be asked for there: of any draft.
    #[must_use]
    pub fn offers_sessions(&self) -> bool {
        let is_on = |setting| self.get(setting).is_some_and(|value| value > 0);
        is_on(Setting::EnableWebTransport) || is_on(Setting::WebTransportMaxSessions)
    }

    /// Reads the payload of a SETTINGS frame.
    ///
    /// # Errors
    /// It is cut, or an id stands twice or is one of HTTP/2's.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let mut settings = Self::default();
        while reader.remaining() > 0 {
            let offset = reader.offset();
            let invalid = |rule, reason| DecodeError::invalid("setting", offset, rule, reason);
            let id = reader.quic_varint("setting")?;
            let value = reader.quic_varint("value")?;
            if RESERVED.contains(&id) {
                return Err(invalid(Rule::Unexpected, "is one of HTTP/2"));
            }
            if settings.0.iter().any(|(known, _)| *known == id) {
                planted::panics("setting-twice", || value > 0);
                return Err(invalid(Rule::Repeated, "stands twice"));
            }
            settings.0.push((id, value));
        }
        Ok(settings)
    }

    /// The payload of a SETTINGS frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for (id, value) in &self.0 {
            writer.quic_varint(*id);
            writer.quic_varint(*value);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let settings = Settings::web_transport(7);
        assert_eq!(Settings::decode(&settings.encode()), Ok(settings.clone()));
        assert_eq!(settings.get(Setting::WebTransportMaxSessions), Some(7));
        assert_eq!(settings.get(Setting::MaxFieldSectionSize), None);
    }

    #[rstest]
    #[case(&[(0x2b60_3742, 1)], true)]
    #[case(&[(0xc671_706a, 1)], true)]
    #[case(&[(0xc671_706a, 0), (0x33, 1)], false)]
    #[case(&[], false)]
    fn sessions_are_offered_by_the_settings_of_any_draft(
        #[case] values: &[(u64, u64)],
        #[case] offers: bool,
    ) {
        assert_eq!(Settings::of(values.to_vec()).offers_sessions(), offers);
    }

    #[rstest]
    #[case(&[0x01], "value at offset 1: needs 1 bytes, has 0")]
    #[case(&[0x01, 0, 0x02, 0], "setting at offset 2: is one of HTTP/2")]
    #[case(&[0x21, 0, 0x21, 0], "setting at offset 2: stands twice")]
    fn settings_that_break_a_rule_are_an_error(#[case] payload: &[u8], #[case] message: &str) {
        let error = Settings::decode(payload).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
