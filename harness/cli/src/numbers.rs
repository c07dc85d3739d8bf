//! WholeNumber numbers on the command line.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::{Arg, Command};

/// How much may be done at the same time.
pub(crate) const JOBS: RangeInclusive<u64> = 1..=1_024;
pub(crate) const ANY: RangeInclusive<u64> = 0..=u64::MAX;
/// Any number but 0.
pub(crate) const AT_LEAST_1: RangeInclusive<u64> = 1..=u64::MAX;
/// Any number of 32 bits.
pub(crate) const ANY_U32: RangeInclusive<u64> = 0..=u32::MAX as u64;
/// Any number of 32 bits but 0.
pub(crate) const AT_LEAST_1_U32: RangeInclusive<u64> = 1..=u32::MAX as u64;
/// Any number of 8 bits.
pub(crate) const ANY_U8: RangeInclusive<u64> = 0..=u8::MAX as u64;

/// Reads a whole number of `range`. The error of another one says which are right, and what the flag is for.
pub(crate) fn whole<N>(range: RangeInclusive<u64>) -> WholeNumber<N> {
    WholeNumber {
        range,
        number: PhantomData,
    }
}

/// The same command, whose flags take `-1` as their value, which is refused for what it is, and for no
/// flag of its own.
pub(crate) fn may_be_negative(command: Command) -> Command {
    let flags = |arg: Arg| {
        let is_flag = arg.get_long().is_some() && arg.get_action().takes_values();
        arg.allow_negative_numbers(is_flag)
    };
    command.mut_args(flags).mut_subcommands(may_be_negative)
}

/// A reader of whole numbers.
#[derive(Debug)]
pub(crate) struct WholeNumber<N> {
    range: RangeInclusive<u64>,
    number: PhantomData<fn() -> N>,
}

impl<N> Clone for WholeNumber<N> {
    fn clone(&self) -> Self {
        whole(self.range.clone())
    }
}

impl<N: FromStr + Clone + Send + Sync + 'static> TypedValueParser for WholeNumber<N> {
    type Value = N;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<N, clap::Error> {
        let (range, wrong) = (self.range.clone(), self.wrong(arg));
        let read = move |text: &str| {
            let number = text.parse().ok();
            let is_right = number.is_some_and(|number: u64| range.contains(&number));
            let read = is_right.then(|| text.parse().ok()).flatten();
            read.ok_or_else(|| wrong.clone())
        };
        TypedValueParser::parse_ref(&read, command, arg, value)
    }
}

impl<N> WholeNumber<N> {
    /// Which numbers are right, and what the flag is for.
    fn wrong(&self, arg: Option<&Arg>) -> String {
        let (least, most) = (self.range.start(), self.range.end());
        let right = match *most {
            u64::MAX => format!("it takes a whole number of at least {least}, below 2^64"),
            _ => format!("it takes a whole number from {least} to {most}"),
        };
        let help = arg.and_then(|arg| Some((arg, arg.get_help()?)));
        help.map_or_else(
            || right.clone(),
            |(arg, help)| format!("{right}\n\n  {arg}  {help}"),
        )
    }
}
