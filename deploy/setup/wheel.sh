#!/usr/bin/env bash
# wheel.sh [PROFILE] [DIRECTORY]: builds the wheel weir-server into DIRECTORY (target/wheels); prints its path.
# PROFILE is wheel (some ten minutes; for glibc 2.17 and newer), another of Cargo.toml (for this machine's glibc), or dev, which
# takes the program as the tests have built it.
source "$(dirname "$0")/shell.sh"

profile=${1:-wheel}
out=${2:-target/wheels}
deploy/setup/need.sh
deploy/setup/venv.sh python/requirements.txt

# Small where it is downloaded, quick to make where it is tested.
compression=9
if [ "$profile" = dev ]; then
  export CARGO=$PWD/deploy/setup/cargo_of_tests.sh
  compression=1
fi
platform=()
if [ "$profile" = wheel ]; then
  # Zig links for a glibc that is older than this machine's.
  deploy/setup/venv.sh python/wheel-requirements.txt
  platform=(--zig --compatibility manylinux2014)
fi
mkdir -p "$out"
whole=$(realpath "$out")
rm -f "$out"/weir_server-*.whl
say "Building the wheel with the profile $profile"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
(cd python && PATH=$PWD/../.venv/bin:$PATH ../.venv/bin/maturin build --profile "$profile" --strip --compression-level "$compression" "${platform[@]}" \
  --out "$whole") >"$log" 2>&1 ||
  { cat "$log" >&2 && die "maturin could not build the wheel"; }
ls "$out"/weir_server-*.whl
