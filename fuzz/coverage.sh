#!/bin/sh
# What the corpora of the fuzz targets reach: fuzz/coverage.sh
#
# Builds the targets with the compiler's own coverage, runs each over its seeds, its former crashes and its corpus,
# and writes artifacts/coverage.txt (a line for each file) and artifacts/never-reached.txt (lines of the program
# that no target reaches), and artifacts/state-pairs.txt (pairs of a state of mediastream and a frame that no seed of the
# judged targets reaches). It needs llvm-profdata and llvm-cov of the compiler's LLVM.
set -eu
cd "$(dirname "$0")"

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
major=$(rustc +nightly -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
own=$(rustc +nightly --print sysroot)/lib/rustlib/$host/bin
tools=
for folder in "$own" "/usr/lib/llvm-$major/bin" /usr/bin; do
	if [ -x "$folder/llvm-profdata" ] && "$folder/llvm-profdata" --version 2>/dev/null | grep -q "version $major\."; then
		tools=$folder
		break
	fi
done
if [ -z "$tools" ]; then
	echo "fuzz: coverage was NOT measured: there is no llvm-profdata of LLVM $major," \
		"which the nightly compiler has (rustup component add llvm-tools --toolchain nightly)"
	exit 0
fi

RUSTFLAGS="--cfg fuzzing -Cinstrument-coverage" \
	"${CARGO:-cargo}" +nightly build --release --locked --target "$host" --target-dir target/coverage
directory=target/coverage/$host/release
rm -rf artifacts/profiles
mkdir -p artifacts/profiles
objects=
for target in $(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml); do
	folders=
	for folder in "seeds/$target" "crashes/$target" "corpus/$target"; do
		[ ! -d "$folder" ] || folders="$folders $folder"
	done
	LLVM_PROFILE_FILE="artifacts/profiles/$target.profraw" "$directory/$target" -runs=0 $folders \
		2>"artifacts/$target.log"
	objects="$objects --object $directory/$target"
done
"$tools/llvm-profdata" merge --sparse artifacts/profiles/*.profraw --output artifacts/profiles/all
ignored='--ignore-filename-regex=(/registry/|/rustc/|/tests/|fuzz_targets)'
"$tools/llvm-cov" report $objects --instr-profile artifacts/profiles/all "$ignored" >artifacts/coverage.txt
"$tools/llvm-cov" show $objects --instr-profile artifacts/profiles/all "$ignored" \
	| sed -n 's/^\(\/.*\):$/\1/p; /^ *[0-9]*| *0|/p' >artifacts/never-reached.txt
"${CARGO:-cargo}" test --locked --quiet --manifest-path ../Cargo.toml --package shakedown-engine --test fuzz_seeds -- --ignored --nocapture pairs \
	| sed -n 's/^never reached: //p' >artifacts/state-pairs.txt
tail -n 1 artifacts/coverage.txt
echo "fuzz: fuzz/artifacts/coverage.txt has each file, fuzz/artifacts/never-reached.txt the lines that none reaches," \
	"fuzz/artifacts/state-pairs.txt the pairs of state and frame that no seed reaches"
