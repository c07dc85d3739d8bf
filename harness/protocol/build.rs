//! Compiles the messages of darktower, and has the tests compiled again when a file comes or goes in a
//! folder that they list.

use std::error::Error;
use std::path::PathBuf;

use protox::Compiler;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../vectors/mediastream/frames");
    println!("cargo::rerun-if-changed=../../vectors/darktower/frames");
    println!("cargo::rerun-if-changed=../../fuzz/seeds");
    println!("cargo::rerun-if-changed=src/darktower/signaling.proto");
    let mut compiler = Compiler::new(["src/darktower"])?;
    compiler.open_file("signaling.proto")?;
    let descriptors = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("signaling.bin"), descriptors)?;
    Ok(())
}
