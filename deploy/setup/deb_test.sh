#!/usr/bin/env bash
# deb_test.sh [PROFILE]: installs weir.deb into a clean Debian root, runs a site from it there, hands over to a new
# process, and removes the package. Needs root, and debootstrap (installed if it is missing). PROFILE: as in deb.sh.
source "$(dirname "$0")/shell.sh"

profile=${1:-demo}
[ "$(id -u)" = 0 ] || die "deb_test.sh makes a root directory of its own: run it as root"
have debootstrap || deploy/setup/debian.sh debootstrap
deb=$(deploy/setup/deb.sh "$profile")

root=$(mktemp -d "${TMPDIR:-/tmp}/weir-deb-XXXXXX")
cleanup() {
  [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap cleanup EXIT

say "Making a clean Debian in $root"
suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-bookworm}")
debootstrap --variant=minbase --include=adduser,systemd,curl "$suite" "$root" "${WEIR_MIRROR:-http://deb.debian.org/debian}" \
  >"$root.log" 2>&1 || { tail -20 "$root.log" >&2 && die "debootstrap could not make it"; }
rm -f "$root.log"
mount -t proc proc "$root/proc"

# `first SECONDS COMMAND…`: runs it until it succeeds.
first() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || die "not within the time: $*"
    sleep 0.2
  done
}
inside() { chroot "$root" "$@"; }
get() { inside curl --silent --show-error --fail --max-time 5 "http://127.0.0.1:$port$1"; }

say "Installing $deb"
cp "$deb" "$root/weir.deb"
inside dpkg -i /weir.deb
inside getent passwd weir >/dev/null || die "there is no user weir"
for file in /usr/bin/weir /lib/systemd/system/weir.service /usr/lib/sysusers.d/weir.conf /usr/lib/tmpfiles.d/weir.conf \
  /etc/logrotate.d/weir /etc/weir/weir.toml /usr/share/weir/html/index.html; do
  [ -s "$root$file" ] || die "$file is missing"
done
[ "$(stat -c %u "$root/var/lib/weir")" = "$(inside id -u weir)" ] || die "/var/lib/weir is not weir's"
inside weir check /etc/weir/weir.toml
inside systemd-analyze verify /lib/systemd/system/weir.service /lib/systemd/system/weir.socket

free='import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
port=$(python3 -c "$free")
admin=$(python3 -c "$free")
say "Running its site at 127.0.0.1:$port"
sed -i "s/0.0.0.0:80\"\\]/127.0.0.1:$port\"]\\nadmin = \"127.0.0.1:$admin\"/" "$root/etc/weir/weir.toml"
mkdir -p "$root/run/weir"
inside chown weir:weir /run/weir
NO_COLOR=1 chroot --userspec=weir:weir "$root" /usr/bin/weir run --config /etc/weir/weir.toml 2>"$root/weir.err" &
pid=$!
first 20 get / >/dev/null
get / | grep --quiet "Weir runs" || die "the site does not say that Weir runs"
[ -s "$root/var/log/weir/access.log" ] || first 5 test -s "$root/var/log/weir/access.log"

say "Handing over to a new process"
inside weir upgrade --config /etc/weir/weir.toml
get / | grep --quiet "Weir runs" || die "the new process does not serve the site"
wait "$pid" || true
pid=$(sed -n 's/.*a new process was started.*process=\([0-9]*\).*/\1/p' "$root/weir.err" | tail -1)
[ -n "$pid" ] || die "the log does not name the new process"

say "Reloading a changed setting"
sed -i 's/drain = "25s"/drain = "20s"/' "$root/etc/weir/weir.toml"
inside weir reload --config /etc/weir/weir.toml | grep --quiet 'edge.timeouts.drain: "25s" → "20s"' ||
  die "weir reload does not say what has changed"
kill "$pid"

say "Removing it"
inside dpkg --purge weir
[ ! -e "$root/usr/bin/weir" ] && [ ! -e "$root/var/lib/weir" ] || die "something is left behind"
say "weir.deb installs, serves, hands over, reloads and is removed"
