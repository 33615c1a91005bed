#!/usr/bin/env bash
# php.sh: installs Debian's PHP-FPM, for the tests of FastCGI, if there is none. Starts nothing.
source "$(dirname "$0")/shell.sh"

compgen -G '/usr/sbin/php-fpm*' >/dev/null || have php-fpm || deploy/setup/debian.sh php-fpm ||
  say "The tests of FastCGI will fail."
