//! Options of implementations, and settings of references.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::ReferenceSettings;
use crate::requirement::Role;

/// An option of implementations, or a setting of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolOption {
    /// Its name: `upload_slots`, and as a flag `--upload-slots`.
    pub name: &'static str,
    /// What it means of an implementation, in a sentence; `None` if it is for the reference alone, so
    /// that no description and no scenario names it.
    pub summary: Option<&'static str>,
    /// What is written with it, as the help shows it: `N`. `None` if it is switched on.
    pub value: Option<&'static str>,
    /// Another name of the flag.
    pub alias: Option<&'static str>,
    /// The value of the flag where it is not given; a switch that has one is on, and is turned off
    /// by `--no-...`.
    pub default: Option<&'static str>,
    /// What the help says of the flag, of `connect` and of `serve`; `None` where there is none.
    pub help: [Option<&'static str>; 2],
}

impl ProtocolOption {
    /// What the help of this role's command says of the flag, if it has one: `connect` asks, `serve` answers.
    #[must_use]
    pub const fn help_for(&self, role: Role) -> Option<&'static str> {
        let [connect, serve] = self.help;
        match role {
            Role::Initiator => connect,
            Role::Responder => serve,
        }
    }

    /// Whether it is written with a number: `slots=2`.
    #[must_use]
    pub const fn takes_number(&self) -> bool {
        self.value.is_some()
    }
}

/// The settings of a protocol's references: `OPTIONS`, and in `ROWS` of each its name, where it
/// means something (everywhere, where a row does not say `in`), and what takes its value; that of a
/// switch says nothing. A row is the name, what the help shows for its value, its default, what takes
/// it, and the texts.
macro_rules! settings {
    ($target:ty, $place:ty = $everywhere:expr; $(
        $name:ident $($value:literal)? $(= $default:literal)? $(in $given:expr)? => $set:expr, {
            $(means $summary:literal)? $(connect $connect:literal)? $(serve $serve:literal)?
            $(alias $alias:literal)?
        }
    )+) => {
        pub(crate) static OPTIONS: [ProtocolOption; ROWS.len()] = [$(ProtocolOption {
            name: stringify!($name),
            summary: settings!(@option $($summary)?),
            value: settings!(@option $($value)?),
            alias: settings!(@option $($alias)?),
            default: settings!(@option $($default)?),
            help: [settings!(@option $($connect)?), settings!(@option $($serve)?)],
        }),+];

        pub(super) const ROWS: &[$crate::setting::Row<$target, $place>] =
            &[$((stringify!($name), settings!(@or $everywhere $(, $given)?), $set)),+];
    };

    (@option) => { None };
    (@option $value:literal) => { Some($value) };
    (@or $default:expr) => { $default };
    (@or $default:expr, $given:expr) => { $given };
}
pub(crate) use settings;

/// A setting: its name, where it means something, and what takes its value.
pub(crate) type Row<T, P> = (&'static str, P, fn(&mut T, &str) -> Result<(), String>);

/// Sets all that `given` says.
///
/// # Errors
/// A human-readable error that names the setting.
pub(crate) fn set_all<T, P>(
    rows: &[Row<T, P>],
    given: &ReferenceSettings,
    target: &mut T,
) -> Result<(), String> {
    let options = given.options.iter();
    let options = options.map(|written| written.split_once('=').unwrap_or((written, "")));
    let extra = given.extra.iter();
    let extra = extra.map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in options.chain(extra) {
        let row = rows.iter().find(|(known, ..)| *known == name);
        let set = row.map_or_else(
            || Err("is no setting".to_owned()),
            |(.., set)| set(target, value),
        );
        set.map_err(|problem| format!("{name} {value:?}: {problem}"))?;
    }
    Ok(())
}

/// The number in `value`.
pub(crate) fn number<N>(value: &str, least: N, most: N) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let number = value.parse().ok();
    number
        .filter(|number| (&least..=&most).contains(&number))
        .ok_or_else(|| format!("is no number from {least} to {most}"))
}

/// The time in `value`, up to a day: `3s`, `1.5s`, `500ms`, `4m`.
pub(crate) fn span(value: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    let mut with_unit = units.iter();
    let seconds = with_unit.find_map(|(unit, scale)| {
        let number: f64 = value.strip_suffix(unit)?.parse().ok()?;
        Some(number * scale)
    });
    seconds
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "is no time such as 3s, 1.5s or 500ms, up to a day".to_owned())
}

/// Puts a value in its place, if it is one.
pub(crate) fn keep<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}
