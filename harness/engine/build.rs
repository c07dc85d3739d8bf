//! Cases that are files: a new one must be seen without a change to the code.

fn main() {
    for folder in [
        "tests/bad-scenarios",
        "tests/bad-descriptions",
        "../../vectors",
    ] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
