#!/usr/bin/env bash
# cache_tests.sh SUITE: runs the public cache suite (https://github.com/http-tests/cache-tests), a copy of which is at SUITE, against
# Weir on 127.0.0.1, for some two minutes. Prints what did not pass and the counts; fails if they are worse than the last known ones.
# Needs node 20 and nothing of npm. WEIR_BINARIES names a directory with a built weir. REQUIRED and OPTIMAL are the least counts.
source "$(dirname "$0")/../../deploy/setup/shell.sh"

[ -f "${1:-}/test-engine/cli.mjs" ] || die "usage: cache_tests.sh SUITE, a copy of the suite's repository"
have node || die "node is missing"
suite=$(realpath "$1")
[ -n "${WEIR_BINARIES:-}" ] || cargo build --locked -p weir
weir=$(realpath "${WEIR_BINARIES:-target/debug}/weir")
here=$PWD/tests/suites/cache_tests
run=$(mktemp -d)
processes=()
finish() {
  ((${#processes[@]} == 0)) || kill "${processes[@]}" 2>/dev/null || true
  rm -rf "$run"
}
trap finish EXIT

# The suite stays as it is: what it imports stands beside a link to it.
mkdir -p "$run/node_modules/undici"
cp -r "$suite" "$run/suite"
cp "$here/undici.mjs" "$run/node_modules/undici/index.mjs"
echo '{"name": "undici", "type": "module", "main": "index.mjs"}' >"$run/node_modules/undici/package.json"

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
port=$(free_port) origin=$(free_port)
sed "s/@PORT@/$port/; s/@ORIGIN@/$origin/" "$here/weir.toml" >"$run/weir.toml"
(cd "$run/suite" && npm_config_protocol=http npm_config_port=$origin npm_config_pidfile=$run/pid \
  exec node --no-warnings test-engine/server/server.mjs) >"$run/server.log" 2>&1 &
processes+=($!)
"$weir" run --config "$run/weir.toml" >"$run/weir.log" 2>&1 &
processes+=($!)
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$origin") 2>/dev/null && break
  sleep 0.1
done
(cd "$run/suite" && npm_config_base="http://127.0.0.1:$port" npm_config_id="${ID:-}" npm_package_config_id="" timeout 900 \
  node --no-warnings test-engine/cli.mjs) >"$run/results" 2>"$run/errors" ||
  die "the suite did not run: $(tail -n 12 "$run/errors" "$run/weir.log")"
[ -z "${ID:-}" ] || { cat "$run/results"; exit; }
[ -z "${RESULTS:-}" ] || cp "$run/results" "$RESULTS"
node --no-warnings "$here/score.mjs" "$run/suite" "$run/results"
