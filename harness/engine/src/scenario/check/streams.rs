//! Steps over streams, each by itself.

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_protocol::requirement::Role;

use super::Checker;
use super::fields::MATCHERS;
use crate::document::{Pointer, did_you_mean};
use crate::scenario::streams::{
    Connect, ExpectClose, MAIN, Read, Write, is_over_streams, over_streams, pauses, requirement,
};
use crate::scenario::{SUM, Step};

/// The largest code that QUIC carries.
const LARGEST_CODE: u64 = (1 << 62) - 1;
/// The longest name in a TLS handshake, in bytes.
const LONGEST_ALPN: usize = 255;
/// The longest datagram that every path carries beside QUIC's own, in bytes.
const LONGEST_DATAGRAM: usize = 1_100;
/// Most bytes of one `write`.
const MOST_WRITTEN: usize = 16 << 20;

/// Most pieces of one `write`.
const MOST_PIECES: u32 = 4_096;
/// Bytes of a number on a stream.
const WORD: usize = 4;

impl Checker<'_> {
    /// Whether streams carry the scenario's protocol.
    pub(super) fn is_over_streams(&self) -> bool {
        self.protocol
            .is_some_and(|protocol| protocol.transport.is_some())
    }

    /// Checks that what carries the protocol can do such a step.
    pub(super) fn carried(&mut self, step: &Step, inside: &Pointer) {
        let Some(protocol) = self.protocol else {
            return;
        };
        let (id, verb) = (protocol.id, step.verb());
        let has_streams = self.is_over_streams();
        if has_streams == is_over_streams(step) {
            return;
        }
        let instead = match step {
            Step::Either(_)
            | Step::Repeat(_)
            | Step::Wait(_)
            | Step::ExpectExit(_)
            | Step::RestartIut(_) => return,
            Step::Send(_) | Step::SendRaw(_) | Step::Mutate(_) | Step::Media(_) => "`write`",
            Step::Lose(_) => "`blackhole`, which drops packets",
            Step::Expect(_) | Step::ExpectAny(_) | Step::ExpectMedia(_) => "`read`",
            Step::ExpectNothing(_) => "`expect_quiet`",
            over_streams!() => "`send`, `expect` and `expect_nothing`",
        };
        let message = match has_streams {
            true => format!("`{verb}` is a step over datagrams, and streams carry {id}"),
            false => format!("`{verb}` is a step over streams, and datagrams carry {id}"),
        };
        self.at_key(inside, message, Some(format!("use {instead}")));
    }

    /// Checks a step over streams by itself.
    pub(super) fn over_streams(&mut self, step: &Step, inside: &Pointer) {
        self.judged_by(requirement(step), inside);
        match step {
            Step::Connect(one) => self.connect(one, inside),
            Step::ExpectConnected(one) => self.window(one.after.as_ref(), &one.within, inside),
            Step::Accept(one) => {
                self.window(one.after.as_ref(), &one.within, inside);
                if self.scenario.iut.role == Role::Responder {
                    let message = "the implementation is the server: it connects to nobody";
                    let help = "begin a connection with `connect`".to_owned();
                    self.at_key(inside, message, Some(help));
                }
            }
            Step::Write(one) => self.write(one, inside),
            Step::Reset(one) | Step::StopSending(one) => {
                self.code(one.code, &inside.key("code"));
            }
            Step::Close(one) => self.code(one.code, &inside.key("code")),
            Step::SendDatagram(one) => {
                let place = inside.key("hex");
                let length = self.hex(&one.hex, &place).map(|bytes| bytes.len());
                if let Some(length) = length.filter(|length| *length > LONGEST_DATAGRAM) {
                    let message = format!("a datagram of {length} bytes may not fit into a packet");
                    let help = format!("send at most {LONGEST_DATAGRAM} bytes");
                    self.at(&place, message, Some(help));
                }
            }
            Step::ExpectStream(one) => {
                self.window(one.after.as_ref(), &one.within, inside);
                if let Some(text) = &one.starts_with {
                    let place = inside.key("starts_with");
                    if self.hex(text, &place).is_some_and(|bytes| bytes.is_empty()) {
                        let help = "leave it out: any stream will do then".to_owned();
                        self.at(&place, "every stream begins so", Some(help));
                    }
                }
            }
            Step::Read(one) => self.read(one, inside),
            Step::ExpectQuiet(one) => {
                self.lasts(&one.span, &inside.key("for"));
                if one.stream.is_some() && one.connection != MAIN {
                    let message = "a stream is of one connection: this says it again";
                    let help = Some("leave it out".to_owned());
                    self.at_key(&inside.key("connection"), message, help);
                }
            }
            Step::ExpectAlive(one) => self.lasts(&one.span, &inside.key("for")),
            Step::ExpectClose(one) => self.expect_close(one, inside),
            _ => {}
        }
    }

    fn connect(&mut self, one: &Connect, inside: &Pointer) {
        if self.scenario.iut.role == Role::Initiator {
            let message = "the implementation is the client: nobody can connect to it";
            let help = "wait for its connection with `accept`".to_owned();
            self.at_key(inside, message, Some(help));
        }
        for (index, name) in one.alpn.iter().flatten().enumerate() {
            if name.is_empty() || name.len() > LONGEST_ALPN {
                let length = name.len();
                let message = format!("a name of {length} bytes cannot be offered");
                let help = format!("TLS carries names of 1 to {LONGEST_ALPN} bytes");
                let place = inside.key("alpn").index(index);
                self.at(&place, message, Some(help));
            }
        }
    }

    fn expect_close(&mut self, one: &ExpectClose, inside: &Pointer) {
        self.window(one.after.as_ref(), &one.within, inside);
        if one.code.is_empty() && one.or.is_empty() && self.whole {
            let message = "no end would do: neither `code` nor `or` names any";
            let help = "name the application's codes in `code`, or `refused`, `transport`, \
                        `idle_timeout` or `stateless_reset` in `or`";
            self.at_key(inside, message, Some(help.to_owned()));
        }
        for (index, code) in one.code.iter().enumerate() {
            let place = inside.key("code").index(index);
            self.code(*code, &place);
            if one.code[..index].contains(code) {
                self.at(&place, format!("{code} stands twice"), None);
            }
        }
        for (index, ending) in one.or.iter().enumerate() {
            if one.or[..index].contains(ending) {
                let message = format!("`{}` stands twice", ending.in_words());
                self.at(&inside.key("or").index(index), message, None);
            }
        }
    }

    fn write(&mut self, one: &Write, inside: &Pointer) {
        self.not_zero(one.times.map(u64::from), &inside.key("times"));
        let length = self.content(one.hex.as_deref(), one.u32.as_deref(), inside);
        for (index, value) in one.u32.iter().flatten().enumerate() {
            self.number(value, &inside.key("u32").index(index));
        }
        let Some(length) = length else {
            return;
        };
        if length == 0 {
            let help = match one.fin {
                true => "`fin` ends a stream without bytes",
                false => "remove the step",
            };
            return self.at_key(inside, "nothing is written", Some(help.to_owned()));
        }
        let times = usize::try_from(one.times.unwrap_or(1)).unwrap_or(usize::MAX);
        if length.saturating_mul(times) > MOST_WRITTEN {
            let message = format!("{length} bytes {times} times are too many for one step");
            let help = "at most 16 MiB are written at once".to_owned();
            self.at(&inside.key("times"), message, Some(help));
        }
        self.pieces(one, length, inside);
    }

    fn pieces(&mut self, one: &Write, length: usize, inside: &Pointer) {
        let place = inside.key("pieces");
        for (index, piece) in one.pieces.iter().enumerate() {
            if *piece == 0 {
                let help = Some("remove it".to_owned());
                self.at(&place.index(index), "this piece is empty", help);
            }
        }
        let (_, pauses, _) = pauses(one);
        if pauses > MOST_PIECES {
            let message = format!("up to {pauses} pieces are too many for one step");
            let help = format!("at most {MOST_PIECES} pieces are written by one");
            self.at(&place, message, Some(help));
        }
        let whole = one.pieces.iter().copied().fold(0, usize::saturating_add);
        if whole > length {
            let message = format!("the pieces have {whole} bytes, and {length} are written");
            let help = "what the lengths leave over is the last piece".to_owned();
            self.at(&place, message, Some(help));
        }
        if one.pieces.is_empty() && one.apart.is_some() {
            let message = "there are no pieces between which time could go by";
            let help = "give their lengths in `pieces`, or remove this".to_owned();
            self.at_key(&inside.key("apart"), message, Some(help));
        }
    }

    fn read(&mut self, one: &Read, inside: &Pointer) {
        self.window(one.after.as_ref(), &one.within, inside);
        self.not_zero(one.times.map(u64::from), &inside.key("times"));
        let length = self.content(one.hex.as_deref(), one.u32.as_deref(), inside);
        if length == Some(0) {
            let help =
                "`expect_quiet` waits for silence, `expect_alive` lets time go by".to_owned();
            self.at_key(inside, "nothing is waited for", Some(help));
        }
        for (index, wanted) in one.u32.iter().flatten().enumerate() {
            self.number_wanted(wanted, &inside.key("u32").index(index));
        }
        self.bound(&one.bind, one.u32.as_deref(), inside);
    }

    fn bound(
        &mut self,
        bind: &IndexMap<String, usize>,
        numbers: Option<&[Value]>,
        inside: &Pointer,
    ) {
        let count = numbers.map_or(0, <[Value]>::len);
        for (name, place) in bind {
            let at = inside.key("bind").key(name);
            self.binding_name(name, &at);
            if *place >= count {
                let (message, help) = match count {
                    0 => (
                        "only numbers are remembered".to_owned(),
                        "read them with `u32`".to_owned(),
                    ),
                    count => (
                        format!("there is no number {place}: {count} are read"),
                        "places are counted from 0".to_owned(),
                    ),
                };
                self.at(&at, message, Some(help));
            }
        }
    }

    /// Checks that there is one of `hex` and `u32`; gives the length in bytes.
    fn content(
        &mut self,
        hex: Option<&str>,
        numbers: Option<&[Value]>,
        inside: &Pointer,
    ) -> Option<usize> {
        match (hex, numbers) {
            (Some(hex), None) => self.hex(hex, &inside.key("hex")).map(|bytes| bytes.len()),
            (None, Some(numbers)) => Some(numbers.len().saturating_mul(WORD)),
            (Some(_), Some(_)) => {
                let help = "write the numbers as bytes in `hex`, or take two steps".to_owned();
                let message = "`hex` and `u32` exclude each other";
                self.at_key(&inside.key("u32"), message, Some(help));
                None
            }
            (None, None) => {
                if self.whole {
                    let help = "give bytes in `hex`, or numbers in `u32`".to_owned();
                    self.at_key(inside, "it does not say which bytes", Some(help));
                }
                None
            }
        }
    }

    fn number_wanted(&mut self, wanted: &Value, place: &Pointer) {
        let single = wanted.as_object().filter(|object| object.len() == 1);
        let Some((key, argument)) = single.and_then(|object| object.iter().next()) else {
            return self.number(wanted, place);
        };
        let inside = place.key(key);
        match (key.as_str(), argument) {
            (SUM, _) => self.number(wanted, place),
            ("not", argument) => self.number_wanted(argument, &inside),
            ("any_of", Value::Array(values)) if !values.is_empty() => {
                for (index, value) in values.iter().enumerate() {
                    self.number_wanted(value, &inside.index(index));
                }
            }
            ("any_of", _) => self.at(&inside, "`any_of` takes a list of values", None),
            ("at_least" | "at_most", argument) => self.number(argument, &inside),
            ("present", Value::Bool(true)) => {}
            ("present" | "empty", _) => {
                let message = format!("a number on a stream is never without a value: `{key}`");
                let help = "`{\"present\": true}` takes any number".to_owned();
                self.at(&inside, message, Some(help));
            }
            (key, _) => {
                let message = format!("no matcher is called `{key}`");
                let known = MATCHERS.into_iter().chain([SUM]);
                self.at_key(&inside, message, did_you_mean(key, known));
            }
        }
    }

    /// Checks a number of 32 bits, as far as it can be told.
    fn number(&mut self, value: &Value, place: &Pointer) {
        let Some(value) = self.filled(value) else {
            return;
        };
        if self.is_sum(&value, place) {
            return;
        }
        let fits = value
            .as_u64()
            .is_some_and(|number| u32::try_from(number).is_ok());
        if !fits {
            let message = format!("{value} is no number that fits into four bytes");
            let help = format!("write a number from 0 to {}, or \"$name\"", u32::MAX);
            self.at(place, message, Some(help));
        }
    }

    fn code(&mut self, code: u64, place: &Pointer) {
        if code > LARGEST_CODE {
            let help = Some(format!("the largest is {LARGEST_CODE}"));
            self.at(place, "QUIC carries no such code", help);
        }
    }
}
