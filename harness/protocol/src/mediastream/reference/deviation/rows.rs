//! Makes of the rows of the table the twins and their hooks.

macro_rules! table {
    ($($variant:ident = $name:literal $($role:ident)?: $fault:literal $(=> $hook:expr)*,)+) => {
        crate::twin::twins! {
            pub(in super::super) struct Deviations;
            $($variant = $name $($role)?: $fault,)+
        }

        pub(super) static HOOKS: &[(Deviation, Hook)] =
            &[$($((Deviation::$variant, $hook),)*)+];
    };
}
