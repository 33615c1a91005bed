#!/usr/bin/env bash
# deb_test.sh: installs weir.deb in a clean Debian root, runs it there as the service does, installs it again over itself, and removes
# it. Where systemd-nspawn can boot the root, systemd runs the unit; otherwise the user `weir` runs its command. Needs root.
source "$(dirname "$0")/shell.sh"

[ "$(id -u)" = 0 ] || die "deb-test: run it as root: it makes a Debian root and a user in it"
have debootstrap || deploy/setup/debian.sh debootstrap
suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
work=$(mktemp -d)
root=$work/root
runs=
end() {
  [ -z "$runs" ] || kill "$runs" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

package=$(deploy/setup/deb.sh "${1:-release}" "$work")
say "Making a clean Debian root ($suite)"
debootstrap --variant=minbase --include=adduser,procps "$suite" "$root" >"$work/debootstrap.log" 2>&1 ||
  die "deb-test: debootstrap failed: $(tail -n 3 "$work/debootstrap.log")"
install -m 644 "$package" "$root/weir.deb"
inside() { chroot "$root" /usr/bin/env DEBIAN_FRONTEND=noninteractive NO_COLOR=1 "$@"; }
expect() {
  local what=$1
  shift
  "$@" || die "deb-test: $what"
  say "good: $what"
}

expect "it installs" inside dpkg -i /weir.deb
expect "the settings that come with it have no mistakes" inside /usr/bin/weir check /etc/weir/weir.toml
expect "there is a user, who may write to the directories" \
  inside su -s /bin/sh weir -c 'test -w /var/lib/weir && test -w /var/log/weir && ! test -w /etc/weir'

# As the unit does, but on ports that are free here.
port=$(deploy/setup/ports.py 0 2>/dev/null || python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
admin=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
install -d -m 755 "$root/run/weir"
inside chown weir:weir /run/weir
setpriv --reuid "$(inside id -u weir)" --regid "$(inside id -g weir)" --clear-groups --no-new-privs \
  chroot "$root" /usr/bin/env true 2>/dev/null && as_weir=(setpriv) || as_weir=()
inside su -s /bin/sh weir -c "exec env WEIR__EDGE__LISTEN='[\"127.0.0.1:$port\"]' WEIR__EDGE__ADMIN=127.0.0.1:$admin \
  /usr/bin/weir run --config /etc/weir/weir.toml" >"$work/weir.log" 2>&1 &
runs=$!
serves() {
  for _ in $(seq 100); do
    python3 - "$port" <<'PYTHON' && return 0
import sys, urllib.request
try:
    page = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=2).read()
except OSError:
    sys.exit(1)
sys.exit(b"Weir" not in page)
PYTHON
    sleep 0.1
  done
  cat "$work/weir.log" >&2
  return 1
}
expect "the service's command serves its page" serves
expect "the access log is written" test -s "$root/var/log/weir/access.log"
expect "it installs over itself, and keeps the settings" \
  inside sh -c 'echo "# mine" >>/etc/weir/weir.toml && dpkg -i /weir.deb && grep -q "# mine" /etc/weir/weir.toml'
kill "$(pgrep -f "weir run --config /etc/weir/weir.toml" -P "$(pgrep -P "$runs" | head -n 1)" 2>/dev/null || pgrep -P "$runs")" 2>/dev/null || true
wait "$runs" 2>/dev/null || true
runs=
expect "it is removed, but for its settings" inside sh -c 'dpkg -r weir && test ! -e /usr/bin/weir && test -e /etc/weir/weir.toml'
expect "it is purged" inside sh -c 'dpkg -P weir && test ! -e /etc/weir'
say "weir.deb installs, runs and goes in a clean Debian root"
