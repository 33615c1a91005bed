#!/usr/bin/env bash
# bench.sh: sets up what the comparison with other servers needs, builds in release, measures. Its options: bench/options.py.
source "$(dirname "$0")/shell.sh"

main() {
  deploy/setup/need.sh
  have taskset || die "taskset is missing: apt install util-linux"
  local missing=()
  have nginx || missing+=(nginx)
  have wrk || missing+=(wrk)
  have h2load || missing+=(nghttp2-client)
  have openssl || missing+=(openssl)
  [ "${#missing[@]}" -eq 0 ] || deploy/setup/debian.sh "${missing[@]}"
  # Without these, the comparison still has nginx.
  have varnishd || deploy/setup/debian.sh varnish || say "Varnish is not measured."
  have h2o || deploy/setup/debian.sh h2o || say "H2O is not measured."
  [ -e /usr/lib/nginx/modules/ngx_http_brotli_static_module.so ] ||
    deploy/setup/debian.sh libnginx-mod-http-brotli-static || say "nginx sends files with .br as they are."
  have haproxy || deploy/setup/debian.sh haproxy || say "HAProxy is not measured."
  deploy/setup/venv.sh deploy/demo/requirements.txt
  WEIR_REDIS_SERVER=$(deploy/setup/redis.sh)
  export WEIR_REDIS_SERVER
  # WEIR_BINARIES names a directory with programs that are built already.
  [ -n "${WEIR_BINARIES:-}" ] || cargo build --release --locked -p weir -p edge -p cache-node -p wsgi-adapter
  mkdir -p target/bench
  for program in floor steady; do
    gcc -O2 -D_GNU_SOURCE -Wall -Wextra -o "target/bench/$program" "bench/$program.c"
  done
  exec .venv/bin/python -m bench
}

main "$@"
