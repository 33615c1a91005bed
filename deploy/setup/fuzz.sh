#!/usr/bin/env bash
# Runs each fuzz target for a while: SECONDS_EACH=30 make fuzz. What is found is kept below fuzz/corpus and fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo-fuzz is missing: cargo install cargo-fuzz" >&2
  exit 1
fi
# Without a nightly toolchain the stable one takes the sanitizer's flags too, if told to.
if rustup run nightly rustc --version >/dev/null 2>&1; then
  toolchain=+nightly
else
  toolchain=
  export RUSTC_BOOTSTRAP=1
fi
for target in head chunked reply fastcgi cache_request cache_reply csrf entry; do
  mkdir -p "fuzz/corpus/$target"
  cargo ${toolchain:+"$toolchain"} fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="${SECONDS_EACH:-30}" -max_len=4096
done
