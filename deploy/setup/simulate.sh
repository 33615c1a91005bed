#!/usr/bin/env bash
# simulate.sh: plays the worlds of many seeds (SEEDS=100000 make simulate, from FROM on), or of one (SEED=17), and shows what was
# wrong with the shortest schedule (docs/simulator.md). WORLD=split: of another kind. WALK=1: lets each thing of each scene fail.
# FAULT=NAME, or all: puts a fault back into a copy of the source, and says by which seed of the first 1000 (SEEDS) it is found.
# PROFILE=dev: another profile than `siege`, which is built faster and plays more slowly.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
profile=${PROFILE:-siege}
# Where cargo has the profile's programs.
built=${profile/#dev/debug}
cargo build --locked --profile "$profile" -p weir-simulator
simulator=$PWD/target/$built/weir-simulator
if [ -n "${FAULT:-}" ]; then
  tree=$PWD/target/simulator/tree build=$PWD/target/simulator/build
  mkdir -p "$tree" "$build"
  # What is built already of other crates is right there too.
  [ -d "$build/$built" ] || cp -a "target/$built" "$build/$built"
  names=$FAULT missed=()
  [ "$FAULT" != all ] || names=$("$simulator" --code-faults)
  for name in $names; do
    git ls-files -z | tar --null --files-from=- -c | tar -x -C "$tree"
    world=$("$simulator" --put-back "$name" --tree "$tree")
    (cd "$tree" && CARGO_TARGET_DIR=$build cargo build --quiet --locked --profile "$profile" -p weir-simulator)
    if found=$("$build/$built/weir-simulator" --world "$world" --from "${FROM:-1}" --seeds "${SEEDS:-1000}" --quick); then
      missed+=("$name")
      found="not found"
    fi
    say "$name, worlds $world: $found"
  done
  [ "${#missed[@]}" -eq 0 ] || die "simulate: not found: ${missed[*]}"
  exit
fi
if [ -n "${WALK:-}" ]; then
  exec "$simulator" --walk
fi
if [ -n "${SEED:-}" ]; then
  exec "$simulator" --world "${WORLD:-mixed}" --from "$SEED" --seeds 1 --show
fi
exec "$simulator" --world "${WORLD:-mixed}" --from "${FROM:-1}" --seeds "${SEEDS:-100000}"
