//! The vectors are built into the program: a new or changed file must be seen.

fn main() {
    println!("cargo::rerun-if-changed=../../vectors");
}
