#!/bin/sh
# Runs each fuzz target for some seconds: fuzz/run.sh SECONDS [TARGET...]
#
# With cargo-fuzz where it is installed; else the targets are built by cargo itself with the same
# instrumentation. Both need a nightly toolchain; without one it says so and ends well.
# Without names all targets run but judged_responder: what it finds of late are verdicts of the monitor on
# rare conversations, and it has yet to run clean for a minute. Run it by name when working on the monitor.
# Inputs that are found go to fuzz/corpus/TARGET, those that break a target to fuzz/artifacts/TARGET;
# put the latter into fuzz/crashes/TARGET, and the tests replay them for ever.
set -eu
cd "$(dirname "$0")"

seconds=${1:?"usage: fuzz/run.sh SECONDS [TARGET...]"}
shift
targets=${*:-$(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml | grep -v '^judged_responder$')}
cargo=${CARGO:-cargo}

if ! rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
	echo "fuzz: no nightly toolchain is installed; the fuzz targets were NOT run"
	exit 0
fi

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
if $cargo +nightly fuzz --version >/dev/null 2>&1; then
	echo "fuzz: built by cargo-fuzz"
	# The program has no unsafe code: an address sanitizer would only slow it down.
	$cargo +nightly fuzz build --sanitizer none --target "$host"
	directory=${CARGO_TARGET_DIR:-target}/$host/release
else
	echo "fuzz: cargo-fuzz is not installed; built by cargo with the same instrumentation"
	flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
	flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
	flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table"
	flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares"
	flags="$flags -Cdebug-assertions -Ccodegen-units=1"
	RUSTFLAGS="$flags" $cargo +nightly build --release --locked --target "$host" --target-dir target/plain
	directory=target/plain/$host/release
fi

for target in $targets; do
	mkdir -p "corpus/$target" "artifacts/$target"
	echo "fuzz: $target, $seconds s"
	"$directory/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="artifacts/$target/" \
		"corpus/$target" "seeds/$target" 2>"artifacts/$target.log" || {
		tail -n 60 "artifacts/$target.log"
		echo "fuzz: $target FAILED; the input is in fuzz/artifacts/$target"
		exit 1
	}
	grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "artifacts/$target.log"
done
