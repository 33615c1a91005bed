#!/usr/bin/env bash
# fuzz.sh: runs each fuzz target for a while (SECONDS_EACH=30 make fuzz), or those that TARGETS names. Fetches cargo-fuzz if it is not
# there. What is found is kept below fuzz/corpus and fuzz/artifacts.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
if ! cargo fuzz --version >/dev/null 2>&1; then
  say "Installing cargo-fuzz"
  cargo install --quiet --locked cargo-fuzz >&2 || die "cargo-fuzz is missing: cargo install cargo-fuzz"
fi
# Without a nightly toolchain the stable one takes the sanitizer's flags too, if told to.
if rustup run nightly rustc --version >/dev/null 2>&1; then
  toolchain=+nightly
else
  toolchain=
  export RUSTC_BOOTSTRAP=1
fi
all="head uri chunked reply fastcgi http2 hpack proxy_protocol forwarded cache_request cache_reply csrf holes entry
  nginx_conf nginx_front settings htpasswd record_filter"
for target in ${TARGETS:-$all}; do
  mkdir -p "fuzz/corpus/$target"
  cargo ${toolchain:+"$toolchain"} fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="${SECONDS_EACH:-30}" -max_len=4096
done
