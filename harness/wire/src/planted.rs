//! Faults that are planted on purpose, so that it can be measured how soon a fuzzer finds them.
//!
//! They are built in by the feature `planted` only, and then at most one is at work: the one that the
//! environment variable `SHAKEDOWN_PLANTED` names. `fuzz/planted.toml` lists them all. Without the feature
//! nothing is left of them.

/// Bytes that a fault which wastes memory takes each time.
const WASTE: usize = 192 << 20;

/// Whether the fault of this name is the one that is at work, and what it waits for came: the caller does then
/// what is wrong.
#[inline]
pub fn strikes(name: &str, when: impl FnOnce() -> bool) -> bool {
    cfg!(feature = "planted") && is_chosen(name) && when()
}

/// Panics when what it waits for comes.
#[inline]
pub fn panics(name: &str, when: impl FnOnce() -> bool) {
    assert!(!strikes(name, when), "the planted fault {name} strikes");
}

/// Does not come back when what it waits for comes.
#[inline]
pub fn hangs(name: &str, when: impl FnOnce() -> bool) {
    if strikes(name, when) {
        loop {
            std::hint::spin_loop();
        }
    }
}

/// Takes memory and never gives it back when what it waits for comes.
#[inline]
pub fn wastes(name: &str, when: impl FnOnce() -> bool) {
    if strikes(name, when) {
        std::mem::forget(vec![1_u8; WASTE]);
    }
}

fn is_chosen(name: &str) -> bool {
    use std::sync::LazyLock;
    static CHOSEN: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("SHAKEDOWN_PLANTED").ok());
    CHOSEN.as_deref() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_chosen_does_nothing() {
        panics("nobody", || true);
        hangs("nobody", || true);
        wastes("nobody", || true);
        assert!(!strikes("nobody", || true));
    }
}
