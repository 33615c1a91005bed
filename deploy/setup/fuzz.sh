#!/usr/bin/env bash
# fuzz.sh: runs each fuzz target for a while (SECONDS_EACH=30 make fuzz), or those that TARGETS names, as many at once as there are
# cores (JOBS). Needs stable Rust and g++ alone: libFuzzer comes with a crate. SANITIZER=address looks for faults of memory, too, for
# which the build takes several times as long. What a target finds is kept in fuzz/corpus, cut down to what reaches anything new; what
# makes it fail in fuzz/artifacts.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
have g++ || die "g++ is missing: apt install g++"
sanitizer=${SANITIZER:-none}
triple=$(rustc -vV | sed -n 's/^host: //p')
directory=$PWD/target/fuzz/$sanitizer
# What libFuzzer goes by: which edges of the code a run takes, and what it compares with what.
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
case $sanitizer in
  none) ;;
  # A flag of nightly that stable takes, if told to.
  address) export RUSTC_BOOTSTRAP=1 && flags+=" -Zsanitizer=address" ;;
  *) die "SANITIZER is none or address" ;;
esac

targets=${TARGETS:-$(cd fuzz/fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')}
bins=()
for target in $targets; do
  [ -f "fuzz/fuzz_targets/$target.rs" ] || die "there is no target $target"
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  bins+=(--bin "$target")
done
# The same versions as everywhere else, and those of libFuzzer beside them.
[ -f fuzz/Cargo.lock ] || cp Cargo.lock fuzz/Cargo.lock
say "building $((${#bins[@]} / 2)) targets"
# A target of its own: build scripts and macros would miss what the flags call.
CARGO_INCREMENTAL=0 RUSTFLAGS="$flags" cargo build --quiet --release --manifest-path fuzz/Cargo.toml \
  --target "$triple" --target-dir "$directory" "${bins[@]}"

fuzz() {
  local target=$1 program=$directory/$triple/release/$1 log=$directory/$1.log
  local corpus=fuzz/corpus/$target
  if ! "$program" "$corpus" "fuzz/seeds/$target" -artifact_prefix="fuzz/artifacts/$target/" \
    -max_total_time="${SECONDS_EACH:-30}" -max_len=4096 -timeout=20 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    say "$target: failed; see $log"
    return 1
  fi
  # Of what is alike in what it reaches, the shortest.
  local kept
  kept=$(mktemp -d "$directory/$target.XXXXXX")
  if "$program" -merge=1 -timeout=20 "$kept" "fuzz/seeds/$target" "$corpus" >>"$log" 2>&1; then
    rm -rf "$corpus" && mv "$kept" "$corpus"
  else
    rm -rf "$kept"
  fi
  say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs, $(find "$corpus" -type f | wc -l) inputs kept"
}

failed=0
running=0
for target in $targets; do
  fuzz "$target" &
  running=$((running + 1))
  if [ "$running" -ge "${JOBS:-$(nproc)}" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
exit "$failed"
