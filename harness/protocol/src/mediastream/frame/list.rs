/// Declares the module of each form, and makes [`Frame`](super::Frame), its decoder, its encoder and the
/// list of the forms.
macro_rules! frames {
    (
        datagrams in $token_module:ident {
            $($(#[$token_doc:meta])* $token:ident = $token_form:ident,)+
        }
        $($body:ident in $module:ident {
            $($(#[$doc:meta])* $frame:ident = $form:ident,)+
        })+
    ) => {
        mod $token_module;
        $(mod $module;)+

        $(pub use $module::$body;)+

        /// A decoded datagram of any form.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Frame<'a> {
            $($(#[$token_doc])* $token,)+
            $($($(#[$doc])* $frame($body<'a>),)+)+
        }

        /// Every form, in the specification's order.
        pub const FORMS: &[&Form] = &[
            $(&$token_module::$token_form,)+
            $($(&$module::$form),+),+
        ];

        /// ProtocolFlag, the first two bytes of every datagram but the tokens.
        pub mod flag {
            $($(
                pub const $form: u16 = super::$module::$form.flag();
            )+)+
        }

        impl<'a> Frame<'a> {
            /// Decodes a datagram of any form, whatever the mode; [`Grammar`](super::Grammar) says
            /// which forms a mode knows. `None` if the flag belongs to no form.
            ///
            /// # Errors
            /// [`DecodeError`] if the form is known and the datagram is malformed, or if it is
            /// shorter than a flag.
            #[inline]
            pub fn decode(datagram: &'a [u8]) -> Result<Option<Self>, DecodeError> {
                $(if $token_module::$token_form.start.is(datagram) {
                    return Ok(Some(Self::$token));
                })+
                let mut reader = Reader::new(datagram);
                let flag = reader.u16_le("ProtocolFlag")?;
                let frame = match flag {
                    // Fields that several frames have are decoded in one place for all of them, so
                    // that their decoder is compiled into this one.
                    $($(flag::$form)|+ => {
                        let form = match flag {
                            $(flag::$form => &$module::$form,)+
                            _ => return Ok(None),
                        };
                        let body = $body::decode(&mut reader, form)?;
                        match flag {
                            $(flag::$form => Self::$frame(body),)+
                            _ => return Ok(None),
                        }
                    })+
                    _ => return Ok(None),
                };
                planted::after(&frame);
                Ok(Some(frame))
            }

            /// Appends the datagram to `buffer`.
            pub fn encode(&self, buffer: &mut Vec<u8>) {
                let mut writer = Writer::new(buffer);
                self.form().start.write(&mut writer);
                match self {
                    $(Self::$token => {})+
                    $($(Self::$frame(body) => body.encode(&mut writer),)+)+
                }
            }

            #[must_use]
            pub const fn form(&self) -> &'static Form {
                match self {
                    $(Self::$token => &$token_module::$token_form,)+
                    $($(Self::$frame(_) => &$module::$form,)+)+
                }
            }
        }
    };
}
