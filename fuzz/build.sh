#!/bin/sh
# Builds all fuzz targets and prints the folder in which they are: fuzz/build.sh [OPTION OF CARGO...]
#
# With cargo-fuzz where it is installed; else by cargo itself with the same instrumentation. Both need a nightly
# toolchain. FUZZ_RUSTFLAGS are further flags of the compiler, FUZZ_CONFIG is a file of settings for cargo itself.
set -eu
cd "$(dirname "$0")"

cargo=${CARGO:-cargo}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
if [ "${FUZZ_PLAIN:-}" = "" ] && $cargo +nightly fuzz --version >/dev/null 2>&1; then
	echo "fuzz: built by cargo-fuzz" >&2
	# The program has no unsafe code: an address sanitizer would only slow it down.
	$cargo +nightly fuzz build --sanitizer none --target "$host" "$@" >&2
	echo "$PWD/target/$host/release"
else
	echo "fuzz: built by cargo with the instrumentation of cargo-fuzz" >&2
	flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
	flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
	flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table"
	flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares"
	flags="$flags -Cdebug-assertions -Ccodegen-units=1 ${FUZZ_RUSTFLAGS:-}"
	RUSTFLAGS="$flags" $cargo +nightly ${FUZZ_CONFIG:+--config "$FUZZ_CONFIG"} build --release --locked --target "$host" --target-dir "target/plain${1:+-planted}" "$@" >&2
	echo "$PWD/target/plain${1:+-planted}/$host/release"
fi
