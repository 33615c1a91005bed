#!/usr/bin/env bash
# bench.sh: sets up what the comparison with nginx needs, builds in release, measures. Its options: bench/options.py.
source "$(dirname "$0")/shell.sh"

main() {
  deploy/setup/need.sh
  have taskset || die "taskset is missing: apt install util-linux"
  local missing=()
  have nginx || missing+=(nginx)
  have wrk || missing+=(wrk)
  [ "${#missing[@]}" -eq 0 ] || deploy/setup/debian.sh "${missing[@]}"
  deploy/setup/venv.sh deploy/demo/requirements.txt
  WEIR_REDIS_SERVER=$(deploy/setup/redis.sh)
  export WEIR_REDIS_SERVER
  cargo build --release --locked -p weir -p edge -p cache-node -p wsgi-adapter
  exec .venv/bin/python -m bench
}

main "$@"
