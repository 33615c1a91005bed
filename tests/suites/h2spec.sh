#!/usr/bin/env bash
# h2spec.sh SUITE: runs h2spec (https://github.com/summerwind/h2spec), a copy of which is at SUITE, against Weir over TLS on 127.0.0.1.
# Prints what did not pass, and fails if anything did not. Builds it with Debian's golang-go, golang-golang-x-net-dev,
# golang-github-spf13-cobra-dev and golang-github-fatih-color-dev. WEIR_BINARIES names a directory with a built weir.
source "$(dirname "$0")/../../deploy/setup/shell.sh"

[ -f "${1:-}/h2spec.go" ] || die "usage: h2spec.sh SUITE, a copy of the suite's repository"
suite=$(realpath "$1")
packages=(golang-go golang-golang-x-net-dev golang-github-spf13-cobra-dev golang-github-fatih-color-dev openssl)
dpkg --status "${packages[@]}" >/dev/null 2>&1 || deploy/setup/debian.sh "${packages[@]}"
[ -n "${WEIR_BINARIES:-}" ] || cargo build --locked -p weir
weir=$(realpath "${WEIR_BINARIES:-target/debug}/weir")
run=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$run"
}
trap finish EXIT

# Go of before modules: Debian's libraries are at /usr/share/gocode.
mkdir -p "$run/go/src/github.com/summerwind"
ln -s "$suite" "$run/go/src/github.com/summerwind/h2spec"
(cd "$run/go/src/github.com/summerwind/h2spec" &&
  GOPATH="$run/go:/usr/share/gocode" GOCACHE="$run/cache" GO111MODULE=off GOFLAGS='' go build -o "$run/h2spec" ./cmd/h2spec)

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$run/key.pem" -out "$run/site.pem" -days 2 -subj /CN=localhost 2>/dev/null
# Longer than a window that the suite makes small.
mkdir "$run/site"
printf 'x%.0s' {1..20000} >"$run/site/index.html"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$run/weir.toml" <<END
[edge]
listen = [{ address = "127.0.0.1:$port", tls = { certificate = "site.pem", key = "key.pem" } }]
admin = "off"
access_log = "off"
[[edge.site]]
[[edge.site.location]]
match = "/"
root = "site"
[cache_node]
admin = "off"
[wsgi_adapter]
admin = "off"
END
"$weir" run --config "$run/weir.toml" >"$run/weir.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done
timeout 600 "$run/h2spec" --host 127.0.0.1 --port "$port" --tls --insecure --strict --timeout 3 >"$run/results" ||
  { sed -n '/^Failures/,$p' "$run/results" && die "h2spec: not all passed"; }
tail -n 1 "$run/results"
