use crate::requirement::Role;

/// A faulty twin of a protocol's reference: it leaves out one behaviour that a requirement demands,
/// for tests of what must find that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twin {
    /// How the setting `without` names it: by the id of the requirement, with a word more where one
    /// requirement has several twins (`PR-S-08/fin`).
    pub name: &'static str,
    /// The only side that can be it, where its requirement binds both.
    pub role: Option<Role>,
    /// What it does, in a sentence.
    pub fault: &'static str,
}

impl Twin {
    /// Id of the requirement that it breaks.
    #[must_use]
    pub fn requirement(&self) -> &'static str {
        requirement_of(self.name)
    }

    /// The place of the twin with this name.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub(crate) fn place(all: &[Self], name: &str) -> Result<usize, String> {
        let place = all.iter().position(|twin| twin.name == name);
        place.ok_or_else(|| {
            let alike = all
                .iter()
                .filter(|twin| twin.requirement() == requirement_of(name));
            let alike: Vec<_> = alike.map(|twin| twin.name).collect();
            let hint = match alike.is_empty() {
                true => String::from("`shakedown list twins` shows what can"),
                false => format!("of this requirement there are {}", alike.join(", ")),
            };
            format!("is no behaviour that can be left out; {hint}")
        })
    }
}

/// Id of the requirement that a name of a twin begins with.
pub(crate) fn requirement_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(id, _)| id)
}

/// Declares the twins of a reference: the type for sets of what they leave out, and for each the
/// variant of `Deviation` that its machines ask for, its name and its fault.
macro_rules! twins {
    ($visible:vis struct $all:ident; $($variant:ident = $name:literal $($role:ident)?: $fault:literal,)+) => {
        /// A mutant of the reference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Deviation {
            $(#[doc = $fault] $variant,)+
        }

        /// The twins, in the order of [`Deviation`].
        pub(crate) static TWINS: &[$crate::twin::Twin] = &[
            $($crate::twin::Twin {
                name: $name,
                role: [$(Some($crate::requirement::Role::$role),)? None][0],
                fault: $fault,
            },)+
        ];

        /// What a twin leaves out; nothing, in the reference itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        $visible struct $all([u64; TWINS.len().div_ceil(64)]);

        impl $all {
            /// Leaves one behaviour out, by the name of the twin.
            ///
            /// # Errors
            /// No twin has this name; says which there are.
            pub(crate) fn add(&mut self, name: &str) -> Result<(), String> {
                let place = $crate::twin::Twin::place(TWINS, name)?;
                self.0[place / 64] |= 1 << (place % 64);
                Ok(())
            }

            /// The time that a twin keeps instead of `usual`, in milliseconds where it has another.
            pub(crate) fn instead<const N: usize>(
                self,
                usual: std::time::Duration,
                others: [(Deviation, u64); N],
            ) -> std::time::Duration {
                let other = others.into_iter().find(|(other, _)| self.has(*other));
                other.map_or(usual, |(_, millis)| std::time::Duration::from_millis(millis))
            }

            /// Whether it is left out.
            pub(crate) const fn has(self, deviation: Deviation) -> bool {
                self.0[deviation as usize / 64] & 1 << (deviation as usize % 64) != 0
            }
        }
    };
}

pub(crate) use twins;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::PROTOCOLS;

    #[test]
    fn a_twin_has_a_name_of_its_own_and_a_requirement_that_exists() {
        for protocol in PROTOCOLS {
            let mut names = BTreeSet::new();
            for twin in protocol.twins {
                assert!(names.insert(twin.name), "{} stands twice", twin.name);
                assert!(
                    protocol.requirement(twin.requirement()).is_some(),
                    "{}",
                    twin.name
                );
            }
        }
    }
}
