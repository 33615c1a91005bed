#!/usr/bin/env bash
# chromium.sh: installs Debian's Chromium without a window, for the tests of the live page, if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

have chromium || have chromium-headless-shell || [ -n "${WEIR_CHROMIUM:-}" ] ||
  deploy/setup/debian.sh chromium-headless-shell || say "The tests of the live page will fail."
