#!/usr/bin/env bash
# deb.sh [PROFILE] [DIRECTORY]: builds weir.deb into DIRECTORY (target/debian) by dpkg-deb; prints its path. PROFILE is
# release (minutes) or demo; WEIR_PROGRAM names a program that is built already.
source "$(dirname "$0")/shell.sh"

profile=${1:-release}
out=${2:-target/debian}
have dpkg-deb || die "dpkg-deb is missing: a package of Debian is built on Debian or its kin"

program=${WEIR_PROGRAM:-}
if [ -z "$program" ]; then
  deploy/setup/need.sh
  say "Building weir with the profile $profile"
  cargo build --profile "$profile" --package weir --locked >&2
  program=target/$profile/weir
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
# put MODE FILE PLACE
put() { install -D -m "$1" "$2" "$tree/$3"; }
put 755 "$program" usr/bin/weir
have strip && strip "$tree/usr/bin/weir"
put 644 deploy/systemd/weir.service lib/systemd/system/weir.service
put 644 deploy/systemd/weir.socket lib/systemd/system/weir.socket
put 644 deploy/systemd/weir.sysusers usr/lib/sysusers.d/weir.conf
put 644 deploy/systemd/weir.tmpfiles usr/lib/tmpfiles.d/weir.conf
put 644 deploy/systemd/weir.logrotate etc/logrotate.d/weir
put 644 deploy/debian/weir.toml etc/weir/weir.toml
put 644 deploy/debian/index.html usr/share/weir/html/index.html
put 644 docs/operate.md usr/share/doc/weir/operate.md
put 644 docs/settings.md usr/share/doc/weir/settings.md
for script in postinst prerm postrm; do
  put 755 "deploy/debian/$script" "DEBIAN/$script"
done
printf '/etc/weir/weir.toml\n/etc/logrotate.d/weir\n' >"$tree/DEBIAN/conffiles"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# The program may need what this machine's C library has.
libc=$(getconf GNU_LIBC_VERSION | sed 's/glibc //')
sed "s/VERSION/$version/; s/ARCHITECTURE/$(dpkg --print-architecture)/; s/LIBC/$libc/" deploy/debian/control \
  >"$tree/DEBIAN/control"

mkdir -p "$out"
dpkg-deb --root-owner-group --build "$tree" "$out/weir.deb" >&2
ls "$out/weir.deb"
