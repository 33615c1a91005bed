#!/usr/bin/env bash
# test.sh: sets up what the tests need, runs them all, and makes sure that they left nothing running.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt python/requirements.txt
deploy/setup/php.sh
deploy/setup/faketime.sh
deploy/setup/pebble.sh
deploy/setup/chromium.sh
deploy/setup/nginx.sh
WEIR_REDIS_SERVER=$(deploy/setup/redis.sh)
export WEIR_REDIS_SERVER WEIR_UWSGI=$PWD/.venv/bin/uwsgi

WEIR_DEMO_STATE=$(mktemp -d)
output=$(mktemp)
of_python=$(mktemp)
python_tests=
# What still runs when this script is stopped ends with it.
end() {
  [ -z "$python_tests" ] || kill -TERM -- "-$python_tests" 2>/dev/null || true
  rm -rf "$WEIR_DEMO_STATE" "$output" "$of_python"
}
trap end EXIT
trap 'exit 130' INT TERM HUP
WEIR_DEMO_STATE=$WEIR_DEMO_STATE .venv/bin/python deploy/demo/manage.py prepare
WEIR_DEMO_STATE=$WEIR_DEMO_STATE .venv/bin/python deploy/demo/manage.py test news

# Most tests wait most of the time, for a lifetime or a deadline to pass.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((3 * $(nproc)))}
export RUST_TEST_THREADS

# A linker that ran out of memory or of disk for a moment is no fault of the code: what is built is kept, and the rest
# is tried once more, one at a time. If that fails too, the reason stands last, where it is found.
if ! cargo test --workspace --locked --no-run; then
  say "The build failed, and is tried once more, one program at a time."
  if ! cargo test --workspace --locked --no-run --jobs 1 2>&1 | tee "$output"; then
    printf '\nThe build failed:\n'
    grep --text -A 12 "^error" "$output" | cut -c -600 || true
    df -h . /tmp
    free -m
    exit 1
  fi
fi
# With the filters given. The machine may be busy for a moment: a test that fails is asked once more, alone, and if it
# passes then, its name is printed for somebody to look into. Many failures, a process left running, and a program of
# tests that did not get to its end are no accident.
MOST_ACCIDENTS=5
run() {
  local failed
  if cargo_test "$@" | tee "$output"; then
    return
  fi
  mapfile -t failed < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$output" | sort --unique)
  if [ "${#failed[@]}" -gt 0 ] && [ "${#failed[@]}" -le "$MOST_ACCIDENTS" ] && all_ended; then
    say "These failed, and are asked once more, alone: ${failed[*]}"
    if cargo_test -- --exact --test-threads=1 "${failed[@]}" | tee "$output" && [ "$(passed)" -ge "${#failed[@]}" ]; then
      say "UNSTEADY, failed once and passed alone: ${failed[*]}"
      unsteady+=("${failed[@]}")
      return
    fi
  fi
  # The logs of all processes of a failed test stand between here and its reason: once more, last, where it is found.
  printf '\nFailures in short:\n'
  grep --text -A 2 "panicked at\|^error\|^left running" "$output" | cut -c -600 || true
  exit 1
}
# Each program that failed has told its result, and left nothing running.
all_ended() {
  ! grep --quiet "^left running" "$output" &&
    [ "$(grep --text --count "^test result: FAILED" "$output")" -eq "$(grep --text --count "^error: .*test failed" "$output")" ]
}
# How many tests have passed, in all programs.
passed() {
  sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$output" | awk '{ sum += $1 } END { print sum + 0 }'
}
cargo_test() {
  .venv/bin/python deploy/setup/leave_nothing.py cargo test --workspace --locked --no-fail-fast "$@" 2>&1
}
unsteady=()

# The Python package, with the program as it was built above, beside the tests of the programs: both wait often.
WEIR_WHEEL=$(deploy/setup/wheel.sh dev target/tmp/wheels)
export WEIR_WHEEL=$PWD/$WEIR_WHEEL WEIR_BIN=$PWD/target/debug/weir
setsid deploy/setup/test_python.sh >"$of_python" 2>&1 </dev/null &
python_tests=$!

run
# What is kept in Redis, once more in Valkey.
if WEIR_REDIS_SERVER=$(deploy/setup/valkey.sh); then
  run -- store:: redis
else
  say "Valkey is not tested."
fi
# The Redis of the simulator keeps the contract that Redis keeps.
WEIR_REDIS_SERVER=$PWD/target/debug/redis-twin
run -- store::contract

say "The tests of the Python package:"
code=0
wait "$python_tests" || code=$?
python_tests=
cat "$of_python"
[ "$code" -eq 0 ] || exit "$code"
[ "${#unsteady[@]}" -eq 0 ] || say "Look into these, they failed once: ${unsteady[*]}"
