#!/usr/bin/env bash
# valkey.sh: prints the path of a valkey-server for the tests, fetching one if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

runs() { "$1" --version 2>/dev/null | grep -q '^Valkey server'; }

# Debian 12 has it among its backports only, which the machine's own list of sources need not name. Unpacked, not installed: the
# libraries it needs are those of redis-tools.
from_debian() {
  have apt-get && have dpkg-deb || return 1
  local codename site folder
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
  # shellcheck disable=SC2016
  site=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" | head -n 1)
  [ -n "$site" ] || return 1
  folder=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$folder'" RETURN
  mkdir -p "$folder"/{lists,archives}/partial
  local apt=(apt-get -qq -o APT::Sandbox::User= -o Dir::Etc::sourceparts=- -o "Dir::Etc::sourcelist=$folder/sources"
    -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder")
  say "Fetching Debian's valkey-tools into .venv"
  for suite in "$codename" "$codename-backports"; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main" >"$folder/sources"
    "${apt[@]}" update >&2 && (cd "$folder" && "${apt[@]}" download valkey-tools >&2 2>&1) && break
  done
  dpkg-deb -x "$folder"/valkey-tools_*.deb .venv/valkey || return 1
  # One binary has all roles and chooses by its name.
  ln -sf ../valkey/usr/bin/valkey-check-rdb .venv/bin/valkey-server
}

for server in valkey-server .venv/bin/valkey-server; do
  if have "$server" && runs "$server"; then
    realpath -s "$(command -v "$server")"
    exit 0
  fi
done

from_debian || true
runs .venv/bin/valkey-server || die "valkey-server is missing: apt install valkey-server"
realpath -s .venv/bin/valkey-server
