#!/usr/bin/env bash
# stack_test.sh: docker-compose.yml on a real engine, tried as a whole. Where no image registry is reached, with stand-ins.
source "$(dirname "$0")/shell.sh"

docker info >/dev/null 2>&1 || die "stack-test: no Docker engine is running: start one (docker info says what is wrong)"
python=$(deploy/setup/python.sh)
redis=$(sed -n 's/^ *image: \(redis:.*\)/\1/p' docker-compose.yml | head -n 1)
docker pull --quiet "$redis" >/dev/null 2>&1 || deploy/offline/stand-ins.sh
exec "$python" deploy/stack
