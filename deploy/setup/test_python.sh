#!/usr/bin/env bash
# test_python.sh: the tests of the Python package, with $WEIR_WHEEL and $WEIR_BIN; called by test.sh.
source "$(dirname "$0")/shell.sh"

MOST_ACCIDENTS=5
cd python
tests() { ../.venv/bin/python ../deploy/setup/leave_nothing.py ../.venv/bin/python -m pytest --quiet "$@" 2>&1; }

failures=$(mktemp)
trap 'rm -f "$failures"' EXIT
# The tests of one file stay in one process. Most wait most of the time, for a server to start or a page to be made.
if tests --numprocesses "$(nproc)" --dist loadfile --no-loadscope-reorder | tee "$failures"; then
  exit 0
fi
# As in test.sh: what failed is asked once more, alone, and named if it passes then.
mapfile -t failed < <(sed -n '/^FAILED /{ s/^FAILED //; s/ - .*//; p }' "$failures")
if [ "${#failed[@]}" -eq 0 ] || [ "${#failed[@]}" -gt "$MOST_ACCIDENTS" ] || grep --quiet "^left running\|^ERROR" "$failures"; then
  exit 1
fi
say "These failed, and are asked once more, alone: ${failed[*]}"
tests "${failed[@]}"
say "UNSTEADY, failed once and passed alone: ${failed[*]}"
