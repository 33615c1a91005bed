#!/usr/bin/env bash
# rfcs.sh: how many MUSTs and SHOULDs are cited at code and test, by our own count and by duvet, the tool of s2n-quic.
# With RFC_TEXTS=DIRECTORY (rfc9110.txt …) duvet looks the sentences up in the whole texts, as Debian's doc-rfc-*
# packages have them; without, in the sentences that docs/rfcs/ holds.
source "$(dirname "$0")/shell.sh"

VERSION=0.4.3
deploy/setup/need.sh
deploy/setup/venv.sh deploy/setup/lint-requirements.txt
.venv/bin/python deploy/setup/rfcs.py report
.venv/bin/python deploy/setup/rfcs.py check

duvet=target/tools/duvet/bin/duvet
if [ "$("$duvet" --version 2>/dev/null)" != "duvet $VERSION" ]; then
  say "building duvet $VERSION, which takes some minutes"
  CARGO_TARGET_DIR=target/tools/duvet/build cargo install --quiet --locked --root target/tools/duvet "duvet@$VERSION"
fi
project=target/rfcs
rm -rf "$project"
mkdir -p "$project/.duvet/specifications/www.rfc-editor.org/rfc"
if [ -n "${RFC_TEXTS:-}" ]; then
  cp "$RFC_TEXTS"/rfc*.txt "$project/.duvet/specifications/www.rfc-editor.org/rfc/"
fi
.venv/bin/python deploy/setup/rfcs.py project "$project"
(cd "$project" && "$OLDPWD/$duvet" report)
say "duvet's report: $project/.duvet/reports/report.html"
