#!/usr/bin/env bash
# pebble.sh: installs Debian's pebble, an authority for the tests of ACME, if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

have pebble-challtestsrv || deploy/setup/debian.sh pebble || say "The tests of ACME will fail."
