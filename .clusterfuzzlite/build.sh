#!/bin/bash -eu
# Builds the fuzz targets into $OUT as ClusterFuzzLite and OSS-Fuzz want them: each with its seeds in
# TARGET_seed_corpus.zip, its dictionary and its options. BUILT, if set, is a folder of targets that are built.
# fuzz/check-oss-fuzz.sh runs this without Docker.

if [ -n "${BUILT:-}" ]; then
	directory=$BUILT
else
	cargo fuzz build -O --debug-assertions
	directory=fuzz/target/x86_64-unknown-linux-gnu/release
fi

for source in fuzz/fuzz_targets/*.rs; do
	target=$(basename "$source" .rs)
	cp "$directory/$target" "$OUT/"
	python3 - "$OUT/${target}_seed_corpus.zip" "fuzz/seeds/$target" "fuzz/crashes/$target" <<-'END'
		import os, sys, zipfile
		with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as corpus:
		    for folder in filter(os.path.isdir, sys.argv[2:]):
		        for name in sorted(os.listdir(folder)):
		            corpus.write(os.path.join(folder, name), os.path.basename(folder) + "-" + name)
	END
	if [ -e "fuzz/dictionaries/$target.dict" ]; then
		cp "fuzz/dictionaries/$target.dict" "$OUT/"
	fi
	printf '[libfuzzer]\nmax_len = 65536\ntimeout = 25\n' >"$OUT/$target.options"
done
