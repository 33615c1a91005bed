#!/usr/bin/env bash
# wheel.sh [PROFILE] [DIRECTORY]: builds the wheel weir-server into DIRECTORY (target/wheels); prints its path.
# PROFILE is release (minutes), demo, or dev, which takes the program as the tests have built it.
source "$(dirname "$0")/shell.sh"

profile=${1:-release}
out=${2:-target/wheels}
deploy/setup/need.sh
deploy/setup/venv.sh python/requirements.txt

[ "$profile" != dev ] || export CARGO=$PWD/deploy/setup/cargo_of_tests.sh
mkdir -p "$out"
rm -f "$out"/weir_server-*.whl
say "Building the wheel with the profile $profile"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
(cd python && ../.venv/bin/maturin build --profile "$profile" --strip --out "$(realpath "../$out")") >"$log" 2>&1 ||
  { cat "$log" >&2 && die "maturin could not build the wheel"; }
ls "$out"/weir_server-*.whl
