#!/usr/bin/env bash
# sdist.sh [DIRECTORY]: writes the source package of weir-server into DIRECTORY (target/wheels); prints its path.
source "$(dirname "$0")/shell.sh"

out=${1:-target/wheels}
deploy/setup/need.sh
deploy/setup/venv.sh python/requirements.txt
mkdir -p "$out"
rm -f "$out"/weir_server-*.tar.gz
log=$(mktemp)
trap 'rm -f "$log"' EXIT
(cd python && ../.venv/bin/maturin sdist --out "$(realpath "../$out")") >"$log" 2>&1 ||
  { cat "$log" >&2 && die "maturin could not write the source package"; }
ls "$out"/weir_server-*.tar.gz
