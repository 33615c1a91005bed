#!/usr/bin/env bash
# siege.sh: attacks Weir and nginx on 127.0.0.1, beside ordinary visitors; a few minutes. Options: bench/siege/__main__.py.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
have nginx || deploy/setup/debian.sh nginx
deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt
# Thousands of connections. WEIR_BINARIES names a directory with programs that are built already.
ulimit -n "$(ulimit -Hn)"
[ -n "${WEIR_BINARIES:-}" ] || CFLAGS="${CFLAGS:--g0}" cargo build --profile siege --locked -p weir
exec .venv/bin/python -m bench.siege
