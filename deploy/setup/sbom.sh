#!/usr/bin/env bash
# sbom.sh [DIRECTORY]: writes NAME.cdx.json for each program into DIRECTORY (target/sbom): its crates, as CycloneDX.
source "$(dirname "$0")/shell.sh"

python=$(deploy/setup/python.sh)
out=${1:-target/sbom}
mkdir -p "$out"
for program in weir edge cache-node wsgi-adapter; do
  "$python" deploy/setup/sbom.py "$program" >"$out/$program.cdx.json"
  say "$out/$program.cdx.json"
done
