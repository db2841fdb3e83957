#!/usr/bin/env bash
# Everything that `make test` runs; arguments go to `cargo nextest run`.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh test
PATH="$PWD/.venv/bin:$PATH"
target=${CARGO_TARGET_DIR:-target}

echo '== scripts and contract'
if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; fi
buf lint
if [ -e proto/baseline.binpb ]; then buf breaking --against proto/baseline.binpb; fi

echo '== dashboard'
npm --prefix web test --silent
make --no-print-directory web/dist/index.html

echo '== server'
cargo build --locked --bins
exec "$target/debug/gad" with-stores -- cargo nextest run --locked "$@"
