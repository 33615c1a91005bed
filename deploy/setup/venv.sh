#!/usr/bin/env bash
# venv.sh FILE…: makes .venv and installs each requirements file into it, once per content of the file.
source "$(dirname "$0")/shell.sh"

exec 9<deploy/setup
flock 9 # one at a time: demo, test and lint may be started together

make_venv() {
  local python
  python=$(deploy/setup/python.sh)
  rm -rf .venv
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -m venv .venv
  elif have virtualenv; then
    virtualenv --quiet --python "$python" .venv
  else
    die "Python's venv module is missing: apt install python3-venv"
  fi
}

.venv/bin/python -c "import pip" 2>/dev/null || make_venv

for file in "$@"; do
  stamp=.venv/installed-$(sha256sum "$file" | cut -c1-16)
  [ -e "$stamp" ] && continue
  say "Installing $file into .venv"
  .venv/bin/python -m pip install --quiet --requirement "$file" ||
    die "pip could not install $file (the reason is above): check the network connection"
  touch "$stamp"
done
