#!/usr/bin/env bash
# php.sh: prints the path of a PHP-FPM for the tests of FastCGI, installing Debian's if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

find_fpm() {
  local fpm
  for fpm in /usr/sbin/php-fpm*; do
    [ -x "$fpm" ] && printf '%s\n' "$fpm" && return 0
  done
  command -v php-fpm
}

# Debian would start it as a service as soon as it is installed and at every boot. Neither is wanted here.
from_debian() (
  [ "$(id -u)" = 0 ] && have apt-get || return 1
  say "Installing Debian's php-fpm"
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq >&2 || true # what is known already may do
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends php-fpm >&2 || return 1
  local unit
  for unit in /etc/init.d/php*-fpm; do
    update-rc.d "$(basename "$unit")" disable >&2 || true
  done
)

find_fpm || { from_debian && find_fpm; } || say "php-fpm is missing: apt install php-fpm (the tests of FastCGI will fail)"
