#!/bin/sh
# Runs each fuzz target for some seconds: fuzz/run.sh SECONDS [TARGET...]
#
# Without names all targets run but judged_responder: on rare conversations of several sessions on one tuple it still
# finds something after some ten thousand runs, in a machine or in the monitor, and it has yet to run clean for minutes.
# JOBS targets run at the same time, 1 by default. Without a nightly toolchain it says so and ends well.
# FUZZ_SEED, if it is set, makes a run draw the same each time.
# Inputs that are found go to fuzz/corpus/TARGET (or FUZZ_CORPUS/TARGET, a folder that several machines may
# share), those that break a target to fuzz/artifacts/TARGET; put the latter into fuzz/crashes/TARGET, and the
# tests replay them for ever.
set -eu
cd "$(dirname "$0")"

seconds=${1:?"usage: fuzz/run.sh SECONDS [TARGET...]"}
shift
targets=${*:-$(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml | grep -vx judged_responder)}

if ! rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
	echo "fuzz: no nightly toolchain is installed; the fuzz targets were NOT run"
	exit 0
fi

directory=$(./build.sh)
export directory seconds
corpus=${FUZZ_CORPUS:-corpus}
export corpus

# One target; what it printed is shown where it fails.
one='
	target=$1
	mkdir -p "$corpus/$target" "artifacts/$target"
	dictionary=
	[ ! -e "dictionaries/$target.dict" ] || dictionary="-dict=dictionaries/$target.dict"
	"$directory/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -reload=1 \
		${FUZZ_SEED:+-seed=$FUZZ_SEED} -print_final_stats=1 -artifact_prefix="artifacts/$target/" $dictionary \
		"$corpus/$target" "seeds/$target" 2>"artifacts/$target.log" || {
		tail -n 60 "artifacts/$target.log"
		echo "fuzz: $target FAILED; the input is in fuzz/artifacts/$target"
		exit 1
	}
	figure() { sed -n "s/^stat::$1: *//p" "artifacts/$target.log"; }
	echo "fuzz: $target, $seconds s: $(figure number_of_executed_units) inputs," \
		"$(figure average_exec_per_sec) a second, $(figure peak_rss_mb) MiB"
'
printf '%s\n' $targets | xargs -P "${JOBS:-1}" -I {} sh -c "$one" fuzz {}
