//! Which packets the kernel hands to a live capture, as a classic BPF program.

use socket2::SockFilter;

/// Ports that one program can look for, ours included; jumps reach 255 instructions at most.
pub(super) const MAX_PORTS: usize = 33;

/// Load a byte, a half-word, a half-word at X plus an offset; X = length of the IPv4 header.
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_AT_X: u16 = 0x48;
const LOAD_IPV4_HEADER_LENGTH: u16 = 0xb1;
/// Jump if equal, jump if any bit is set.
const EQUAL: u16 = 0x15;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// The packet's type (`SKF_AD_OFF + SKF_AD_PKTTYPE`), which none of its bytes has.
const PACKET_TYPE: u32 = 0xffff_f004;
/// `PACKET_OUTGOING`.
const OUTGOING: u32 = 4;
/// All of the packet.
const WHOLE: u32 = 0x0004_0000;

/// Where a jump goes; resolved when the program is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JumpTarget {
    Next,
    Label(&'static str),
}

/// A program for Ethernet frames that keeps UDP from or to one of `ports`, or all UDP if there are
/// none or too many, and later fragments of any IP packet. On a loopback interface, where each packet
/// leaves and arrives, it keeps the arriving one.
pub(super) fn program(loopback: bool, ports: &[u16]) -> Vec<SockFilter> {
    let ports = if ports.len() <= MAX_PORTS { ports } else { &[] };
    let mut code = Assembler::default();
    if loopback {
        code.load(LOAD_BYTE, PACKET_TYPE);
        code.jump(EQUAL, OUTGOING, JumpTarget::Label("drop"), JumpTarget::Next);
    }
    code.load(LOAD_HALF, 12);
    code.jump(EQUAL, 0x0800, JumpTarget::Next, JumpTarget::Label("ipv6"));
    code.load(LOAD_BYTE, 23);
    code.jump(EQUAL, 17, JumpTarget::Next, JumpTarget::Label("drop"));
    code.load(LOAD_HALF, 20);
    code.jump(ANY_BIT, 0x1fff, JumpTarget::Label("keep"), JumpTarget::Next);
    code.load(LOAD_IPV4_HEADER_LENGTH, 14);
    code.ports(LOAD_HALF_AT_X, 14, ports);
    code.label("ipv6");
    code.jump(EQUAL, 0x86dd, JumpTarget::Next, JumpTarget::Label("drop"));
    code.load(LOAD_BYTE, 20);
    code.jump(EQUAL, 44, JumpTarget::Next, JumpTarget::Label("whole"));
    code.load(LOAD_HALF, 56);
    code.jump(ANY_BIT, 0xfff8, JumpTarget::Label("keep"), JumpTarget::Next);
    code.load(LOAD_BYTE, 54);
    code.jump(EQUAL, 17, JumpTarget::Next, JumpTarget::Label("drop"));
    code.ports(LOAD_HALF, 62, ports);
    code.label("whole");
    code.jump(EQUAL, 17, JumpTarget::Next, JumpTarget::Label("drop"));
    code.ports(LOAD_HALF, 54, ports);
    code.label("drop");
    code.load(RETURN, 0);
    code.label("keep");
    code.load(RETURN, WHOLE);
    code.finish()
}

#[derive(Default)]
struct Assembler {
    code: Vec<(u16, u32, JumpTarget, JumpTarget)>,
    labels: Vec<(&'static str, usize)>,
}

impl Assembler {
    fn load(&mut self, code: u16, value: u32) {
        self.code
            .push((code, value, JumpTarget::Next, JumpTarget::Next));
    }

    fn jump(&mut self, code: u16, value: u32, yes: JumpTarget, no: JumpTarget) {
        self.code.push((code, value, yes, no));
    }

    fn label(&mut self, name: &'static str) {
        self.labels.push((name, self.code.len()));
    }

    /// Keeps the packet if the source or destination port at `offset` is one of `ports`.
    fn ports(&mut self, load: u16, offset: u32, ports: &[u16]) {
        for at in [offset, offset + 2] {
            self.load(load, at);
            for port in ports {
                self.jump(
                    EQUAL,
                    (*port).into(),
                    JumpTarget::Label("keep"),
                    JumpTarget::Next,
                );
            }
        }
        self.load(RETURN, if ports.is_empty() { WHOLE } else { 0 });
    }

    /// Labels become distances. All are known here, and near.
    fn finish(self) -> Vec<SockFilter> {
        let distance = |from: usize, to: JumpTarget| match to {
            JumpTarget::Next => 0,
            JumpTarget::Label(name) => self
                .labels
                .iter()
                .find(|(label, _)| *label == name)
                .map_or(0, |(_, at)| (at - from - 1) as u8),
        };
        self.code
            .iter()
            .enumerate()
            .map(|(at, (code, value, yes, no))| {
                SockFilter::new(*code, distance(at, *yes), distance(at, *no), *value)
            })
            .collect()
    }
}
