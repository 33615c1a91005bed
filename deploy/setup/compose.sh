#!/usr/bin/env bash
# compose.sh ARGUMENTS…: docker-compose.yml, with Compose v2 or with docker-compose 1.29, whichever is here.
source "$(dirname "$0")/shell.sh"

docker info >/dev/null 2>&1 || die "no Docker engine is running: start one (docker info says what is wrong)"
if docker compose version >/dev/null 2>&1; then
  exec docker compose "$@"
fi
have docker-compose || die "docker-compose is missing: apt install docker-compose"
exec docker-compose "$@"
