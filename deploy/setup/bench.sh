#!/usr/bin/env bash
# bench.sh: sets up what the comparison with nginx needs, builds in release, measures. Its options: bench/options.py.
source "$(dirname "$0")/shell.sh"

main() {
  deploy/setup/need.sh
  have taskset || die "taskset is missing: apt install util-linux"
  local missing=()
  have nginx || missing+=(nginx)
  have wrk || missing+=(wrk)
  if [ "${#missing[@]}" -gt 0 ]; then
    { [ "$(id -u)" = 0 ] && have apt-get; } || die "Missing: ${missing[*]}. Install with: apt install ${missing[*]}"
    from_debian "${missing[@]}"
  fi
  deploy/setup/venv.sh deploy/demo/requirements.txt
  cargo build --release --locked -p weir -p edge -p cache-node -p wsgi-adapter
  exec .venv/bin/python -m bench
}

# Debian starts nginx on port 80 as soon as it is installed and at every boot. Neither is wanted here.
from_debian() (
  say "Installing Debian's $*"
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq >&2 || true # what is known already may do
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2 ||
    die "apt-get could not install $* (its reason is above): is the network there?"
  if [[ " $* " == *" nginx "* ]]; then
    service nginx stop >&2 || true # where a policy-rc.d of the machine's own let it start
    update-rc.d nginx disable >&2 || say "nginx may start at the next boot: systemctl disable nginx"
  fi
)

main "$@"
