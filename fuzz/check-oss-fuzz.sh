#!/bin/bash
# Builds the fuzz targets by .clusterfuzzlite/build.sh without Docker, and checks what comes of it as OSS-Fuzz does
# (check_build): every target is a program that runs by itself, is instrumented, takes an empty input and every
# seed, and does not leave traces beside its folder. FUZZ_BUILT, if set, is a folder of targets that are built.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=$(mktemp -d)
export OUT
trap 'rm -rf "$OUT"' EXIT
BUILT=${FUZZ_BUILT:-$(fuzz/build.sh)} bash -eu .clusterfuzzlite/build.sh

failed=0
wrong() { echo "check: $1: $2"; failed=1; }
for source in fuzz/fuzz_targets/*.rs; do
	target=$(basename "$source" .rs)
	program=$OUT/$target
	[ -x "$program" ] || { wrong "$target" "is no program"; continue; }
	! ldd "$program" | grep -q 'not found' || wrong "$target" "needs a library that is not there"
	grep -qa LLVMFuzzerTestOneInput "$program" \
		|| wrong "$target" "has no LLVMFuzzerTestOneInput"
	seeds=$OUT/seeds-$target
	mkdir "$seeds"
	python3 -m zipfile -e "$OUT/${target}_seed_corpus.zip" "$seeds"
	count=$(ls "$seeds" | wc -l)
	[ "$count" -gt 0 ] || wrong "$target" "has no seeds"
	said=$(cd "$OUT" && "$program" -runs=64 -seed=1 -timeout=25 -rss_limit_mb=2560 "$seeds" 2>&1) \
		|| wrong "$target" "fails: $(tail -n 5 <<<"$said")"
	grep -q 'inline 8-bit counters' <<<"$said" || wrong "$target" "is not instrumented"
	covered=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' <<<"$said" | tail -n 1)
	[ "${covered:-0}" -ge 50 ] || wrong "$target" "covers ${covered:-nothing}"
	echo "check: $target: $count seeds, cov: $covered"
done
exit "$failed"
