#!/usr/bin/env bash
# simulate.sh: plays the worlds of many seeds (SEEDS=100000 make simulate, from FROM on), or of one (SEED=17), and shows what was
# wrong with the shortest schedule (docs/simulator.md). WORLD=split: of another kind. WALK=1: lets each thing of each scene fail.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
cargo build --locked --profile siege -p weir-simulator
if [ -n "${WALK:-}" ]; then
  exec target/siege/weir-simulator --walk
fi
if [ -n "${SEED:-}" ]; then
  exec target/siege/weir-simulator --world "${WORLD:-mixed}" --from "$SEED" --seeds 1 --show
fi
exec target/siege/weir-simulator --world "${WORLD:-mixed}" --from "${FROM:-1}" --seeds "${SEEDS:-100000}"
