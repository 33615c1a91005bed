#!/usr/bin/env bash
# count.sh: counts the instructions of a request in nginx and in Weir, built as it is shipped. RECORD=1 writes bench/count.json.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
missing=()
for program in nginx openssl valgrind; do
  have "$program" || missing+=("$program")
done
[ "${#missing[@]}" -eq 0 ] || deploy/setup/debian.sh "${missing[@]}"
deploy/setup/venv.sh deploy/demo/requirements.txt
# WEIR_BINARIES names a directory with programs that are built already.
[ -n "${WEIR_BINARIES:-}" ] || cargo build --release --locked -p weir
exec .venv/bin/python -m bench.count
