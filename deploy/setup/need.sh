#!/usr/bin/env bash
# need.sh: says, one line each, which tools for building are missing and what to do. Exit 1 if any is.
source "$(dirname "$0")/shell.sh"

floor=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
missing=0
lacks() {
  say "$@"
  missing=1
}

if ! have cargo; then
  lacks "cargo is missing: install Rust $floor or newer with rustup (https://rustup.rs), then open a new shell"
elif version=$(rustc --version | cut -d' ' -f2) && [ "$(printf '%s\n' "$floor" "$version" | sort -V | head -n 1)" != "$floor" ]; then
  lacks "Rust $version is too old: get $floor or newer with 'rustup update stable'"
fi
have gcc || lacks "gcc is missing: apt install gcc libc6-dev"
deploy/setup/python.sh >/dev/null || missing=1
exit "$missing"
