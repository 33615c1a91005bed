#!/usr/bin/env bash
# demo.sh: the Django site on uWSGI with Weir in front, until Ctrl-C. Everything it writes is in deploy/demo/run.
source "$(dirname "$0")/shell.sh"

run=deploy/demo/run
open=http://127.0.0.1:8080
declare -A pids=()

main() {
  deploy/setup/need.sh
  deploy/setup/ports.py 8080 9900 29000
  build
  mkdir -p "$run"
  .venv/bin/python deploy/demo/manage.py prepare

  trap 'stop; exit 0' INT TERM HUP
  start uwsgi .venv/bin/uwsgi --ini deploy/demo/uwsgi.ini
  start weir target/demo/weir run --config deploy/demo/weir.toml
  until_it_answers
  invite
  wait -n || true
  report_death
}

# The application's packages are fetched while Weir is built.
build() {
  setsid deploy/setup/venv.sh deploy/demo/requirements.txt &
  local packages=$!
  # shellcheck disable=SC2064
  trap "kill -TERM -- -$packages 2>/dev/null || true" EXIT
  cargo build --profile demo --locked -p weir --no-default-features
  wait "$packages"
  trap - EXIT
}

# A session of its own keeps the terminal's Ctrl-C from all but this script, which then stops things in order.
start() { # NAME COMMAND…
  local name=$1
  shift
  setsid "$@" >"$run/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
}

# Weir first, so that it drains while the application still answers; a process that does not end in ten seconds is
# killed with all its children (uWSGI can miss a TERM that arrives while it starts its workers).
stop() {
  trap '' INT TERM HUP
  local name
  for name in weir uwsgi; do
    kill -TERM "${pids[$name]:-}" 2>/dev/null || continue
    timeout 10 tail -s 0.1 --pid="${pids[$name]}" -f /dev/null || kill -KILL -- "-${pids[$name]}" 2>/dev/null || true
  done
  wait
}

until_it_answers() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    all_alive || report_death
    .venv/bin/python -c "import urllib.request as web; web.urlopen('$open/', timeout=5)" 2>/dev/null && return
    sleep 0.2
  done
  stop
  die "$open does not answer; read the logs $run/weir.log and $run/uwsgi.log"
}

all_alive() {
  local name
  for name in "${!pids[@]}"; do
    kill -0 "${pids[$name]}" 2>/dev/null || return 1
  done
}

report_death() {
  local name
  for name in "${!pids[@]}"; do
    kill -0 "${pids[$name]}" 2>/dev/null && continue
    say "$name has stopped; the end of $run/$name.log:"
    tail -n 12 "$run/$name.log" | sed 's/^/  /' >&2
  done
  stop
  exit 1
}

invite() {
  local manage=".venv/bin/python deploy/demo/manage.py"
  cat <<END

  A newspaper on Django and uWSGI behind Weir:   $open
  Sign in to edit an article:                    $open/admin/    (demo, demo)
  Figures and health:                            http://127.0.0.1:9900

  Three things to try in another terminal:

  Where a page came from, twice; it may be kept for a day:
    for i in 1 2; do curl -s -D - -o /dev/null $open/ | grep -iE '^(HTTP|Cache-Status|Age)'; done

  Six thousand visits and three edits, each seen at once by the next visitor; then the hit rate:
    for i in 1 2 3; do curl -sZ --no-progress-meter --parallel-max 50 -o /dev/null "$open/#[1-2000]"; $manage edit "Edit \$i"; curl -s $open/ | grep -m 1 -o "Edit \$i"; done; $manage hits

  A form in a shared page, whose token is another one for each visitor:
    for i in 1 2; do curl -s -D - $open/letters/ | grep -iE 'Cache-Status|csrfmiddlewaretoken'; done

  Logs: $run/weir.log, $run/uwsgi.log. Ctrl-C stops both.
END
}

main "$@"
