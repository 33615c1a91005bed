#!/usr/bin/env bash
# cargo_of_tests.sh …: cargo for maturin, which builds the programs like `cargo test` does, so that nothing is built twice.
set -euo pipefail

[ "${1:-}" = rustc ] || exec cargo "$@"
# The test of the program has its name too.
cargo build --workspace --bins --tests --locked --message-format json-render-diagnostics | grep -v '"test":true},"features"'
