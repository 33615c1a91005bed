#!/usr/bin/env bash
# promtool.sh: prints the path of a promtool, taking Debian's out of its package if there is none. Installs no Prometheus.
source "$(dirname "$0")/shell.sh"

if ! have promtool && [ ! -x .venv/bin/promtool ]; then
  have apt-get || die "promtool is missing: it comes with Prometheus (https://prometheus.io/download)"
  say "Taking promtool out of Debian's package"
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  apt-get update -qq >&2 || true # what is known already may do
  (cd "$unpacked" && apt-get download -qq prometheus >&2 && dpkg-deb --extract prometheus_*.deb .) ||
    die "apt-get could not download prometheus (the reason is above): check the network connection"
  install "$unpacked/usr/bin/promtool" .venv/bin/promtool
fi
command -v promtool || echo "$PWD/.venv/bin/promtool"
