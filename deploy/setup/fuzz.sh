#!/usr/bin/env bash
# fuzz.sh: runs each fuzz target for a while (SECONDS_EACH=30 make fuzz), or those that TARGETS names: plain cargo on the
# toolchain that builds all else, with the flags that libFuzzer needs. SANITIZER=address looks for faults of memory too, and
# takes longer. What is found is kept below fuzz/corpus and fuzz/artifacts.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
have c++ || die "c++ is missing, which libFuzzer is built with: apt install g++"

host=$(rustc --version --verbose | sed -n 's/^host: //p')
flags=(
  --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares
)
if [ -n "${SANITIZER:-}" ]; then
  export RUSTC_BOOTSTRAP=1 # A stable compiler takes the flag if told to.
  flags+=("-Zsanitizer=$SANITIZER")
fi
targets=()
features=()
for file in fuzz/fuzz_targets/*.rs; do
  target=$(basename "$file" .rs)
  case " ${TARGETS:-$target} " in *" $target "*) targets+=("$target") ;; *) continue ;; esac
  # The crates of the parsers alone are built in a minute.
  if grep -q "\"$target\".*\"services\"" fuzz/Cargo.toml; then features=(--features services); fi
done

# The dependencies are those that are shipped.
[ fuzz/Cargo.lock -nt Cargo.lock ] || cp Cargo.lock fuzz/Cargo.lock
say "building the fuzz targets, which takes some minutes"
# With --target, what runs while building has none of these flags.
RUSTFLAGS="${flags[*]}" cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host" "${features[@]}"

failed=()
for target in "${targets[@]}"; do
  say "fuzzing $target"
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -artifact_prefix="fuzz/artifacts/$target/" \
    -max_total_time="${SECONDS_EACH:-30}" -max_len=4096 -timeout=10 -print_final_stats=1 -verbosity=0 || failed+=("$target")
done
[ "${#failed[@]}" -eq 0 ] || die "fuzz: these targets failed: ${failed[*]}"
say "fuzz: nothing found"
