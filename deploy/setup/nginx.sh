#!/usr/bin/env bash
# nginx.sh: installs Debian's nginx, which the tests compare with, if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

have nginx || deploy/setup/debian.sh nginx || say "The tests that compare with nginx will fail."
