//! pcapng blocks written by hand, so that they can be as odd as the format allows.

use shakedown_capture::Endianness;

/// Writes blocks in one byte order.
pub(crate) struct Blocks {
    order: Endianness,
    pub(crate) bytes: Vec<u8>,
}

impl Blocks {
    /// A file with a section header.
    pub(crate) fn new(order: Endianness) -> Self {
        let blocks = Self {
            order,
            bytes: Vec::new(),
        };
        blocks.section(order)
    }

    /// Begins a section in this byte order.
    pub(crate) fn section(mut self, order: Endianness) -> Self {
        self.order = order;
        let body = [
            &self.u32(0x1a2b_3c4d)[..],
            &self.u16(1),
            &self.u16(0),
            &[0xff; 8],
        ]
        .concat();
        self.block(0x0a0d_0d0a, &body)
    }

    /// An interface of a link type, with options.
    pub(crate) fn interface(self, link: u16, options: &[(u16, Vec<u8>)]) -> Self {
        let body = [
            &self.u16(link)[..],
            &[0; 2],
            &self.u32(0),
            &self.options(options),
        ]
        .concat();
        self.block(1, &body)
    }

    pub(crate) fn packet(self, interface: u32, time: u64, data: &[u8]) -> Self {
        self.packet_with(interface, time, data, &[])
    }

    /// An enhanced packet with options.
    pub(crate) fn packet_with(
        self,
        interface: u32,
        time: u64,
        data: &[u8],
        options: &[(u16, Vec<u8>)],
    ) -> Self {
        let length = self.u32(data.len() as u32);
        let body = [
            &self.u32(interface)[..],
            &self.u32((time >> 32) as u32),
            &self.u32(time as u32),
            &length,
            &length,
            &padded(data),
            &self.options(options),
        ]
        .concat();
        self.block(6, &body)
    }

    /// A packet in the obsolete form.
    pub(crate) fn obsolete_packet(self, interface: u16, time: u64, data: &[u8]) -> Self {
        let length = self.u32(data.len() as u32);
        let body = [
            &self.u16(interface)[..],
            &self.u16(0xffff),
            &self.u32((time >> 32) as u32),
            &self.u32(time as u32),
            &length,
            &length,
            &padded(data),
        ]
        .concat();
        self.block(2, &body)
    }

    /// A packet without a time.
    pub(crate) fn simple_packet(self, data: &[u8]) -> Self {
        let body = [&self.u32(data.len() as u32)[..], &padded(data)].concat();
        self.block(3, &body)
    }

    pub(crate) fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let body = padded(body);
        let length = self.u32(body.len() as u32 + 12);
        let kind = self.u32(kind);
        for part in [&kind[..], &length, &body, &length] {
            self.bytes.extend(part);
        }
        self
    }

    pub(crate) fn u16(&self, value: u16) -> [u8; 2] {
        match self.order {
            Endianness::Big => value.to_be_bytes(),
            Endianness::Little => value.to_le_bytes(),
        }
    }

    pub(crate) fn u32(&self, value: u32) -> [u8; 4] {
        match self.order {
            Endianness::Big => value.to_be_bytes(),
            Endianness::Little => value.to_le_bytes(),
        }
    }

    fn options(&self, options: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, value) in options {
            bytes.extend(self.u16(*code));
            bytes.extend(self.u16(value.len() as u16));
            bytes.extend(padded(value));
        }
        if !options.is_empty() {
            bytes.extend([0; 4]);
        }
        bytes
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
