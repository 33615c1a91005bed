#!/usr/bin/env bash
# faketime.sh: installs Debian's libfaketime, for the tests of stepped clocks, if there is none.
source "$(dirname "$0")/shell.sh"

compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || deploy/setup/debian.sh libfaketime ||
  say "The tests of stepped clocks will fail."
