#!/usr/bin/env bash
# deb_test.sh [PROFILE]: installs weir.deb in a clean Debian root, runs it there as its user, installs it over itself, and removes it.
# Needs root and some minutes; WEIR_PROGRAM names a program that is built already.
source "$(dirname "$0")/shell.sh"

[ "$(id -u)" = 0 ] || die "deb_test.sh makes a Debian root and a user in it: run it as root"
have debootstrap || deploy/setup/debian.sh debootstrap
suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
work=$(mktemp -d)
root=$work/root
weir=
end() {
  [ -z "$weir" ] || kill "$weir" 2>/dev/null || true
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap end EXIT

package=$(deploy/setup/deb.sh "${1:-release}" "$work")
say "Making a clean Debian root ($suite)"
debootstrap --variant=minbase --include=adduser "$suite" "$root" >"$work/debootstrap.log" 2>&1 ||
  die "debootstrap failed: $(tail -n 3 "$work/debootstrap.log")"
install -m 644 "$package" "$root/weir.deb"
# Files are opened by way of it.
mount -t proc proc "$root/proc"
inside() { chroot "$root" /usr/bin/env DEBIAN_FRONTEND=noninteractive NO_COLOR=1 "$@"; }
as_weir() { chroot --userspec=weir:weir "$root" /usr/bin/env NO_COLOR=1 "$@"; }
# expect WHAT COMMAND…
expect() {
  "${@:2}" || die "not so: $1"
  say "good: $1"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

expect "it installs" inside dpkg -i /weir.deb
expect "its settings have no mistakes" inside /usr/bin/weir check /etc/weir/weir.toml
expect "its user may write what it must" as_weir sh -c 'test -w /var/lib/weir && test -w /var/log/weir && test ! -w /etc/weir'

# As the unit does, but on ports that are free here.
port=$(free_port)
chroot --userspec=weir:weir "$root" /usr/bin/env WEIR__EDGE__LISTEN="[\"127.0.0.1:$port\"]" WEIR__EDGE__ADMIN="127.0.0.1:$(free_port)" \
  /usr/bin/weir run --config /etc/weir/weir.toml >"$work/weir.log" 2>&1 &
weir=$!
shows_its_page() {
  for _ in $(seq 100); do
    if curl --silent --max-time 2 "http://127.0.0.1:$port/" | grep -q "Weir"; then return; fi
    sleep 0.1
  done
  tail -n 20 "$work/weir.log" >&2
  return 1
}
expect "it shows its page" shows_its_page
expect "it writes its log" test -s "$root/var/log/weir/access.log"
expect "it installs over itself, and keeps what its owner has changed" \
  inside sh -c 'echo "# mine" >>/etc/weir/weir.toml && dpkg -i /weir.deb && grep -q "# mine" /etc/weir/weir.toml'
expect "it serves on meanwhile" shows_its_page
kill "$weir"
expect "it ends well" wait "$weir"
weir=
expect "it is removed, but for its settings" inside sh -c 'dpkg -r weir && test ! -e /usr/bin/weir && test -e /etc/weir/weir.toml'
expect "it is purged" inside sh -c 'dpkg -P weir && test ! -e /etc/weir/weir.toml'
say "weir.deb installs, runs and goes in a clean Debian root"
