#!/usr/bin/env bash
# reproducible.sh [PROFILE]: builds the programs twice, from copies of the tracked files in two directories, and compares
# them byte by byte. PROFILE is release, or demo, which is faster to build.
source "$(dirname "$0")/shell.sh"

profile=${1:-release}
programs=(weir edge cache-node wsgi-adapter)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Paths of this machine stand in panics and debug information otherwise.
home=${CARGO_HOME:-$HOME/.cargo}
build() { # DIRECTORY
  mkdir -p "$1"
  git archive HEAD | tar -x -C "$1"
  (
    cd "$1"
    RUSTFLAGS="--remap-path-prefix=$PWD=/weir --remap-path-prefix=$home=/cargo" \
      CFLAGS="${CFLAGS:-} -ffile-prefix-map=$PWD=/weir -ffile-prefix-map=$home=/cargo" \
      SOURCE_DATE_EPOCH=$(git -C "$OLDPWD" log -1 --format=%ct) \
      cargo build --locked --quiet --profile "$profile" -p weir -p edge -p cache-node -p wsgi-adapter
    cd "target/$profile" && sha256sum "${programs[@]}"
  ) >"$1.sums"
}
say "Building with the profile $profile, twice"
build "$work/one"
build "$work/another-place"
cat "$work/one.sums"
diff "$work/one.sums" "$work/another-place.sums" || die "the two builds differ"
say "The two builds are the same, byte by byte."
