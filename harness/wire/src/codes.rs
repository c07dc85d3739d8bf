/// An enum of numbers on the wire with the names that a specification gives them: `ALL` in order,
/// `number`, `from_number` and `name`.
///
/// ```
/// shakedown_wire::codes! {
///     /// What a light says.
///     pub enum Light: u8 {
///         /// Do not go.
///         Red = 1 "red",
///         /// Go.
///         Green = 4 "green",
///     }
/// }
/// assert_eq!(Light::from_number(4).map(Light::name), Some("green"));
/// assert_eq!(Light::ALL.map(Light::number), [1, 4]);
/// ```
#[macro_export]
macro_rules! codes {
    (
        $(#[$attribute:meta])*
        $visible:vis enum $name:ident: $number:ident {
            $($(#[$doc:meta])* $code:ident = $value:literal $text:literal),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($number)]
        $visible enum $name {
            $($(#[$doc])* $code = $value),+
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$(stringify!($code)),+].len()] = [$(Self::$code),+];

            /// Its number on the wire.
            #[must_use]
            pub const fn number(self) -> $number {
                self as $number
            }

            /// The one with this number, if the specification names one.
            #[must_use]
            pub const fn from_number(number: $number) -> Option<Self> {
                match number {
                    $($value => Some(Self::$code),)+
                    _ => None,
                }
            }

            /// The specification's words for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $text),+
                }
            }
        }
    };
}
