#!/usr/bin/env bash
# debian.sh PACKAGE…: installs Debian's packages where this is root, and starts none of the services in them.
source "$(dirname "$0")/shell.sh"

if [ "$(id -u)" != 0 ] || ! have apt-get; then
  die "Missing: $*. Install with: apt install $*"
fi
say "Installing Debian's $*"
# Debian starts a service when it is installed and at every boot. Neither is wanted here.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get update -qq >&2 || true # what is known already may do
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2 ||
  die "apt-get could not install $* (the reason is above): check the network connection"
for service in nginx h2o varnish varnishncsa haproxy php-fpm php8.2-fpm; do
  [ -e "/etc/init.d/$service" ] || continue
  service "$service" stop >&2 || true # where a policy-rc.d of the machine's own let it start
  update-rc.d "$service" disable >&2 || say "$service may start at the next boot: systemctl disable $service"
done
