# `make run` and `make test` need Debian or Ubuntu and Rust; they install whatever else is missing.

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Arguments for `cargo nextest run`, such as ARGS='-E "test(cursor)"', or for the bench, such as ARGS=--help.
ARGS ?=
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help run test check baseline release bench fuzz clean

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: ## Build and start everything: http://127.0.0.1:8080
	@scripts/install.sh run
	@$(MAKE) --no-print-directory web/dist/index.html
	@cargo build --locked --profile quick --bins
	@exec $(TARGET)/quick/gad up

test: ## Run all tests
	@scripts/test.sh $(ARGS)

check: ## Formatting, lints, documentation, then all tests
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	@scripts/test.sh $(ARGS)

baseline: ## Take the protos as they are as what later ones must be compatible with
	buf build --exclude-source-info --output proto/baseline.binpb

release: ## Build for production
	cargo build --locked --release --bins

bench: ## Measure, with private stores: a table, and target/bench.json
	@scripts/install.sh run
	@cargo bench --locked --profile quick --bench speed --no-run
	@$(TARGET)/quick/gad with-stores --durable -- cargo bench --locked --profile quick --bench speed -- $(ARGS)

fuzz: ## Fuzz what strangers may send, FUZZ_SECONDS (10) per target; ARGS names targets
	@scripts/fuzz.sh $(ARGS)

clean: ## Remove what was built; data in .gad stays
	cargo clean
	rm -rf web/dist

web/dist/index.html: $(shell find web -type d \( -name node_modules -o -name dist -o -name gen \) -prune -o -type f -print 2>/dev/null) $(wildcard proto/gad/v1/*.proto)
	@echo 'Building the dashboard'
	@npm --prefix web run --silent build
	@touch $@
