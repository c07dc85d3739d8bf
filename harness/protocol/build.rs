//! Has the tests compiled again when a file comes or goes in a folder that they list.

fn main() {
    println!("cargo::rerun-if-changed=../../vectors/mediastream/frames");
    println!("cargo::rerun-if-changed=../../fuzz/seeds");
}
