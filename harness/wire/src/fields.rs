/// A struct of fields that stand one after the other in a frame, with `FIELDS`, their table, and
/// with `decode` and `encode`.
///
/// A row is `name: type = kind "Name in the specification"`. Kinds are `u8`, `u16_le`, `u32_le`,
/// `u64_le`, the same with `_be`, `uuid`, `bytes<length>`, `text<length>`, and to the end of the datagram `payload` (at least one byte),
/// `trailing` and `tlvs`, with a condition in parentheses under which extensions are checked. A
/// rule in brackets says what must hold of the value, and what is wrong if it does not: the
/// [`Rule`](crate::Rule) and a few words. It may name the fields above. A row without a kind is another such struct.
///
/// ```
/// use shakedown_wire::{DecodeError, Form, Reader, Rule, Start, fields};
///
/// fields! {
///     /// A point with a name.
///     #[derive(Debug, PartialEq)]
///     pub struct Point<'a> {
///         /// Distance in metres; never 0.
///         pub distance: u16 = u16_le "Distance" [distance != 0, Value "is 0"],
///         /// What it is called.
///         pub name: &'a [u8; 3] = text<3> "Name",
///     }
/// }
///
/// let form = Form::new("point", Start::U16Le(7), Point::FIELDS);
/// let point = Point::decode(&mut Reader::new(&[1, 0, b'a', b'b', 0]), &form);
/// assert_eq!(point, Ok(Point { distance: 1, name: b"ab\0" }));
/// let places: Vec<_> = form.places().map(|(field, offset)| (field.key, offset)).collect();
/// assert_eq!(places, [("distance", 2), ("name", 4)]);
/// let error = Point::decode(&mut Reader::new(&[0, 0]), &form);
/// assert_eq!(error, Err(DecodeError::invalid("Distance", 0, Rule::Value, "is 0")));
/// ```
#[macro_export]
macro_rules! fields {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident $(<$life:lifetime>)? {$(
            $(#[$doc:meta])*
            $field_visible:vis $field:ident: $type:ty
                $(= $kind:ident $(<$length:literal>)? $wire:literal
                    $(($condition:expr))? $([$holds:expr, $rule:ident $fault:literal])?)?
        ),+ $(,)?}
    ) => {
        $(#[$attribute])*
        $visible struct $name $(<$life>)? {$(
            $(#[$doc])*
            $field_visible $field: $type,
        )+}

        impl $(<$life>)? $name $(<$life>)? {
            /// Its fields, in the order in which they stand.
            $visible const FIELDS: &'static [$crate::Field] = &[$(
                $crate::fields!(@field $field, $type $(, $kind $($length)?, $wire)?),
            )+];

            /// The length of those that have one, in bytes.
            $visible const FIXED_LENGTH: usize = $crate::Field::length(Self::FIELDS);

            /// Reads them.
            ///
            /// # Errors
            /// If one is cut, or breaks its rule.
            #[inline]
            #[allow(unused_variables, reason = "only some rows have a rule, or extensions")]
            $visible fn decode(
                reader: &mut $crate::Reader<$($life)?>,
                form: &$crate::Form,
            ) -> Result<Self, $crate::DecodeError> {
                $(
                    let offset = reader.offset();
                    let $field = $crate::fields!(
                        @read reader, form, $type $(, $kind $wire $(, $condition)?)?
                    );
                    $($(
                        if !($holds) {
                            let rule = $crate::Rule::$rule;
                            return Err($crate::DecodeError::invalid($wire, offset, rule, $fault));
                        }
                    )?)?
                )+
                Ok(Self { $($field),+ })
            }

            $visible fn encode(&self, writer: &mut $crate::Writer<'_>) {
                $($crate::fields!(@write writer, self.$field $(, $kind)?);)+
            }
        }
    };

    (@field $field:ident, $type:ty) => {
        $crate::Field {
            name: stringify!($field),
            key: stringify!($field),
            kind: $crate::Kind::Group(<$type>::FIELDS),
        }
    };
    (@field $field:ident, $type:ty, $kind:ident $($length:literal)?, $wire:literal) => {
        $crate::Field {
            name: $wire,
            key: stringify!($field),
            kind: $crate::fields!(@kind $kind $($length)?),
        }
    };

    (@kind u8) => { $crate::Kind::U8 };
    (@kind u16_le) => { $crate::Kind::U16Le };
    (@kind u32_le) => { $crate::Kind::U32Le };
    (@kind u64_le) => { $crate::Kind::U64Le };
    (@kind u16_be) => { $crate::Kind::U16Be };
    (@kind u32_be) => { $crate::Kind::U32Be };
    (@kind u64_be) => { $crate::Kind::U64Be };
    (@kind uuid) => { $crate::Kind::Uuid };
    (@kind bytes $length:literal) => { $crate::Kind::Bytes($length) };
    (@kind text $length:literal) => { $crate::Kind::Text($length) };
    (@kind payload) => { $crate::Kind::Payload };
    (@kind trailing) => { $crate::Kind::Trailing };
    (@kind tlvs) => { $crate::Kind::Tlvs };

    (@read $reader:ident, $form:ident, $type:ty) => { <$type>::decode($reader, $form)? };
    (@read $reader:ident, $form:ident, $type:ty, text $name:literal) => { $reader.array($name)? };
    (@read $reader:ident, $form:ident, $type:ty, bytes $name:literal) => { $reader.array($name)? };
    (@read $reader:ident, $form:ident, $type:ty, uuid $name:literal) => { $reader.array($name)? };
    (@read $reader:ident, $form:ident, $type:ty, payload $name:literal) => {
        $reader.at_least($name, 1)?
    };
    (@read $reader:ident, $form:ident, $type:ty, trailing $name:literal) => { $reader.rest() };
    (@read $reader:ident, $form:ident, $type:ty, tlvs $name:literal, $condition:expr) => {
        $crate::Tlvs::decode($reader, $form, $condition)?
    };
    (@read $reader:ident, $form:ident, $type:ty, $number:ident $name:literal) => {
        $reader.$number($name)?
    };

    (@write $writer:ident, $value:expr) => { $value.encode($writer) };
    (@write $writer:ident, $value:expr, text) => { $writer.bytes($value) };
    (@write $writer:ident, $value:expr, bytes) => { $writer.bytes($value) };
    (@write $writer:ident, $value:expr, uuid) => { $writer.bytes($value) };
    (@write $writer:ident, $value:expr, payload) => { $writer.bytes($value) };
    (@write $writer:ident, $value:expr, trailing) => { $writer.bytes($value) };
    (@write $writer:ident, $value:expr, tlvs) => { $writer.bytes($value.as_bytes()) };
    (@write $writer:ident, $value:expr, $number:ident) => { $writer.$number($value) };
}
