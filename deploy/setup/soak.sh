#!/usr/bin/env bash
# soak.sh: an hour of everything at once on a cluster of two, on 127.0.0.1. Options: tests/soak/__main__.py.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt
WEIR_REDIS_SERVER=$(deploy/setup/redis.sh)
export WEIR_REDIS_SERVER WEIR_UWSGI=$PWD/.venv/bin/uwsgi
# WEIR_BINARIES names a directory with programs that are built already.
if [ -z "${WEIR_BINARIES:-}" ]; then
  cargo build --profile siege --locked --bins
  export WEIR_BINARIES=$PWD/target/siege
fi
cd tests
exec ../.venv/bin/python -m soak
