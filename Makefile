# `make run` and `make test` are the two commands that matter; `make help` names the others.

CARGO ?= cargo
# A development build: on a fresh machine it is done sooner than a release build, and the suite is
# bound by the protocol's timers, not by the processor.
SHAKEDOWN := target/debug/shakedown
# The part of all mutants that `make mutants` tries: about 90, an hour on two cores.
SHARD ?= 1/40

# Every file of Rust.
SOURCES := find harness fuzz -name target -prune -o -name '*.rs' -print

.DEFAULT_GOAL := help
.PHONY: help build run test acceptance odds vacuity test-browser test-wireshark torture golden specification dist format lint fuzz fuzz-smoke fuzz-coverage fuzz-benchmark mutants bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program
	$(CARGO) build --locked --package shakedown-cli

# The report of the suite over sockets is to stand last.
run: build ## Judge the field recordings, then the reference in virtual time and over sockets
	@status=0; \
	$(SHAKEDOWN) run --virtual --level may --out reports/virtual --force || status=$$?; \
	$(SHAKEDOWN) check --level may --out reports/field --force pcaps/field/*.pcap || status=$$?; \
	$(SHAKEDOWN) run --level may --retries 2 || status=$$?; \
	exit $$status

# Most tests of the program wait for timers: twice as many as there are processors run at the same time.
test: ## Run all tests: offline, without root
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace --no-fail-fast --test-threads $$((2 * $$(getconf _NPROCESSORS_ONLN))) \
		&& $(CARGO) test --locked --workspace --doc --quiet; \
	else \
		$(CARGO) test --locked --workspace --no-fail-fast; \
	fi

# All packages are named also where one test is wanted: with others of their features most of them would be built
# once more.
# Part of `make test` too.
acceptance: ## Run 50 concurrent sessions of 1,000 frames a second, in every mode
	$(CARGO) test --locked --workspace --test serve_connect acceptance_of

odds: ## Test slow servers 20 times each, on an idle and on a busy machine, and print the counts
	$(CARGO) test --locked --workspace --test late -- --ignored --nocapture

# That each scenario has an expectation that is needed is part of `make test`.
vacuity: ## Count the expectations that are needed to catch a twin
	$(CARGO) test --locked --workspace --test vacuity -- --ignored --nocapture

BROWSER ?= chromium
test-browser: ## Test Chromium as a client of darktower; installs it if possible
	@if ! command -v $(BROWSER) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -qq --yes --no-install-recommends $(BROWSER) >/dev/null; \
	fi; true
	@if command -v $(BROWSER) >/dev/null; then \
		BROWSER=$(BROWSER) $(CARGO) test --locked --workspace --test browser -- --ignored --test-threads 1; \
	else \
		echo "test-browser: SKIPPED, nothing was tested: there is no $(BROWSER), and only root can install it (apt-get)"; \
	fi

test-wireshark: ## Test the Wireshark dissector on the golden captures; installs tshark if possible
	@if ! command -v tshark >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends tshark >/dev/null; \
	fi; true
	@if command -v tshark >/dev/null; then \
		$(CARGO) test --locked --workspace --test wireshark -- --ignored; \
	else \
		echo "test-wireshark: SKIPPED, nothing was tested: there is no tshark, and only root can install it (apt-get)"; \
	fi

# Attacks that are over soon are part of `make test`.
torture: ## Attack the program with hostile peers and files, for at most 10 minutes, and print a table
	$(CARGO) test --locked --workspace --test torture all_attacks -- --ignored --nocapture

golden: ## Regenerate pcaps/golden/ in virtual time; review the diff before committing
	GOLDEN_UPDATE=always $(CARGO) test --locked --workspace --test golden --quiet

specification: ## Write the requirements of vectors/ into the tables of docs/spec/
	SPECIFICATION_UPDATE=always $(CARGO) test --locked --package shakedown-protocol --lib --quiet specification

format: ## Format all Rust files
	$(SOURCES) | xargs rustfmt --edition 2024

lint: ## Check format, lints, documentation and, if cargo-deny is installed, licences
	@# `cargo fmt` does not find modules that a macro declares.
	$(SOURCES) | xargs rustfmt --check --edition 2024
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --offline check bans licenses sources; \
	else \
		echo "lint: cargo-deny is not installed; licences and sources were NOT checked"; \
	fi

fuzz: ## Run all fuzz targets, FUZZ_SECONDS each (60), JOBS at a time (1)
	@CARGO="$(CARGO)" JOBS=$(or $(JOBS),1) fuzz/run.sh $(or $(FUZZ_SECONDS),60)

fuzz-smoke: ## Run each fuzz target for 5 seconds with a fixed seed, if a nightly toolchain is installed
	@FUZZ_CONFIG=smoke.toml CARGO="$(CARGO)" JOBS=$(or $(JOBS),$$(getconf _NPROCESSORS_ONLN)) FUZZ_SEED=1 fuzz/run.sh $(or $(FUZZ_SECONDS),5)

fuzz-coverage: ## Report the coverage of the fuzz corpora
	@CARGO="$(CARGO)" fuzz/coverage.sh

# FUZZ_SEEDS (10) and FUZZ_MOST (600 seconds) are hours; what was measured is kept, and gone on from.
fuzz-benchmark: ## Measure the time to find planted faults, and update the table in docs/fuzzing.md
	$(CARGO) build --locked --release --package shakedown-cli --features planted --target-dir target/planted
	@PLANTED_TARGETS=$$(CARGO="$(CARGO)" FUZZ_PLAIN=1 fuzz/build.sh --features planted) \
		PLANTED_SHAKEDOWN=$(CURDIR)/target/planted/release/shakedown \
		$(CARGO) test --locked --workspace --test fuzz_benchmark measure -- --ignored --nocapture

mutants: ## Mutation testing of frames, monitors and scripts (SHARD=1/40)
	@$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-mutants
	@$(CARGO) mutants --list --no-config >reports/mutants.list
	@sed -n "s/^    '\(.*\)',.*/\1/p" .cargo/mutants.toml | while read -r entry; do \
		grep -qE -e "$$entry" reports/mutants.list || { echo "mutants: '$$entry' matches nothing"; exit 1; }; \
	done
	$(CARGO) mutants --shard $(SHARD) --sharding round-robin --minimum-test-timeout 240 --output reports

dist: ## Build a release archive: static binary, completions, man pages, licences, SBOM
	@CARGO="$(CARGO)" .ci/dist/build

bench: ## Run the benchmarks
	$(CARGO) bench --locked --workspace

clean: ## Remove build output and reports
	$(CARGO) clean
	rm -rf reports/virtual reports/field reports/latest reports/[0-9]*Z-*
