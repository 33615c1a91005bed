#!/usr/bin/env bash
# python.sh: prints the command of a Python that is new enough, or says what to do.
source "$(dirname "$0")/shell.sh"

for python in python3 python3.14 python3.13 python3.12 python3.11; do
  if have "$python" && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    printf '%s\n' "$python"
    exit 0
  fi
done
die "Python 3.11 or newer is missing: apt install python3"
