#!/usr/bin/env bash
# test.sh: sets up what the tests need, runs them all, and makes sure that they left nothing running.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt
deploy/setup/php.sh
deploy/setup/faketime.sh
deploy/setup/nginx.sh
WEIR_REDIS_SERVER=$(deploy/setup/redis.sh)
export WEIR_REDIS_SERVER WEIR_UWSGI=$PWD/.venv/bin/uwsgi

WEIR_DEMO_STATE=$(mktemp -d)
trap 'rm -rf "$WEIR_DEMO_STATE"' EXIT
WEIR_DEMO_STATE=$WEIR_DEMO_STATE .venv/bin/python deploy/demo/manage.py prepare
WEIR_DEMO_STATE=$WEIR_DEMO_STATE .venv/bin/python deploy/demo/manage.py test news

cargo test --workspace --locked --no-run
.venv/bin/python deploy/setup/leave_nothing.py cargo test --workspace --locked
