#!/usr/bin/env bash
# Fuzzes every target, or those named, for FUZZ_SECONDS each; ends with the first that fails, whose input stays in
# fuzz/artifacts. With a nightly toolchain under the address sanitizer, else, or if FUZZ_STABLE is set, without one.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-10}
tool=cargo-fuzz@0.13.2
build=${CARGO_TARGET_DIR:-target}/fuzz
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for program in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$program" .rs)"); done
fi

command -v cargo-fuzz >/dev/null || cargo install --locked "$tool"

# The crates are built as in production: `--cfg fuzzing` takes checks of signatures and sums out of some.
options=(--no-cfg-fuzzing --codegen-units 16 --target-dir "$build")
fuzz() { cargo ${toolchain:+"$toolchain"} fuzz "$@"; }

toolchain=+nightly
if [ -z "${FUZZ_STABLE:-}" ] && cargo +nightly --version >/dev/null 2>&1 && fuzz build --sanitizer address "${options[@]}"; then
  options+=(--sanitizer address)
else
  # Any toolchain will do, if it is told to take the options of nightly ones.
  toolchain=
  export RUSTC_BOOTSTRAP=1
  options+=(--sanitizer none)
  fuzz build "${options[@]}"
fi

for target in "${targets[@]}"; do
  echo "== $target: $seconds s"
  # What is found on the way stays out of the sources: only what once did harm belongs into fuzz/corpus.
  found=$build/corpus/$target
  mkdir -p "$found"
  limits=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=8192)
  if [ -e "fuzz/dict/$target.dict" ]; then limits+=(-dict="fuzz/dict/$target.dict"); fi
  fuzz run "${options[@]}" "$target" "$found" "fuzz/corpus/$target" -- -print_final_stats=1 "${limits[@]}" 2>&1 | tee "$build/$target.log" |
    grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD|pulse)' || { tail -n 60 "$build/$target.log"; exit 1; }
done
