//! Attacks on the program from outside: hostile implementations, files and flags. Each is a row of
//! [`attacks`]; whatever it is, the program ends in time, with the exit code and the words that are
//! right, and never holds more than [`MOST_MEMORY`].
//!
//! `make test` runs those that are over soon, `make torture` all of them, with a table.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod attack;
mod attacks;

use std::time::{Duration, Instant};

use attacks::ATTACKS;

/// The most that the program may hold, in kibibytes.
const MOST_MEMORY: u64 = 512 * 1024;

/// How long all attacks may take; those that are left then are told as not tried.
const MOST_TIME: Duration = Duration::from_secs(9 * 60);

/// The table of `make torture`.
#[test]
#[ignore = "make torture"]
fn all_attacks_one_after_the_other() {
    let start = Instant::now();
    let (mut tried, mut failed, mut memory, mut waited) = (0, Vec::new(), 0, Duration::ZERO);
    println!("\n{:70} {:>8} {:>9}", "attack", "memory", "ended in");
    for (name, attack) in ATTACKS {
        let name = name.replace('_', " ");
        if start.elapsed() > MOST_TIME {
            println!("{name:70} not tried");
            continue;
        }
        tried += 1;
        match attack.run() {
            Ok(survived) => {
                let seconds = survived.waited.as_secs_f64();
                println!("{name:70} {:5} MB {seconds:7.2} s", survived.memory / 1024);
                memory = survived.memory.max(memory);
                waited = survived.waited.max(waited);
            }
            Err(why) => {
                println!("{name:70} DID NOT STAND: {why}");
                failed.push(name);
            }
        }
    }
    println!(
        "\n{tried} of {} tried, {} survived; highest memory {} MB, longest wait {:.1} s",
        ATTACKS.len(),
        tried - failed.len(),
        memory / 1024,
        waited.as_secs_f64()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(tried, ATTACKS.len(), "the time was over");
}
