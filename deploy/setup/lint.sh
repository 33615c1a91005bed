#!/usr/bin/env bash
# lint.sh: formatting and lints of all that is tracked: Rust, shell, Python, TOML, YAML, JSON.
source "$(dirname "$0")/shell.sh"

deploy/setup/need.sh
cargo fmt --version >/dev/null 2>&1 || die "rustfmt is missing: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || die "clippy is missing: rustup component add clippy"
# mypy reads what the package imports.
deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt python/requirements.txt deploy/setup/lint-requirements.txt

failed=()
check() { # NAME COMMAND…; all checks run, so that one run tells all
  local name=$1
  shift
  say "lint: $name"
  "$@" || failed+=("$name")
}
tracked() { git ls-files -z -- "$@"; }
parse() { # MODULE FILES…: reads each file with a parser of Python's library
  .venv/bin/python -c 'import importlib, sys
parser = importlib.import_module(sys.argv[1])
for name in sys.argv[2:]:
    try:
        parser.load(open(name, "rb"))
    except ValueError as error:
        sys.exit(f"{name}: {error}")' "$@"
}

mapfile -d '' scripts < <(tracked '*.sh' .ci/run)
mapfile -d '' tomls < <(tracked '*.toml' '*.lock')
mapfile -d '' jsons < <(tracked '*.json')
mapfile -d '' yamls < <(tracked '*.yml' '*.yaml')

check rustfmt cargo fmt --all --check
check shellcheck .venv/bin/shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
check ruff .venv/bin/ruff check --quiet --config deploy/setup/ruff.toml .
check "ruff format" .venv/bin/ruff format --quiet --check --config deploy/setup/ruff.toml .
check mypy .venv/bin/python -m mypy --config-file python/pyproject.toml
check toml parse tomllib "${tomls[@]}"
check json parse json "${jsons[@]}"
if [ "${#yamls[@]}" -gt 0 ]; then
  check yamllint .venv/bin/yamllint --strict --config-data '{extends: default, rules: {line-length: {max: 140}, document-start: disable}}' "${yamls[@]}"
fi
mapfile -d '' dockerfiles < <(tracked '*Dockerfile')
check hadolint .venv/bin/hadolint --ignore DL4006 --ignore DL3008 "${dockerfiles[@]}"
check compose .venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
check "Kubernetes, alerts, dashboard" .venv/bin/python deploy/setup/lint_deploy.py "$(deploy/setup/promtool.sh)"
check "tests of words, names, functions" .venv/bin/python deploy/setup/test_lint_words.py --quiet
check "words, names, functions" .venv/bin/python deploy/setup/lint_words.py
check "citations of RFCs (docs/rfcs.md)" .venv/bin/python deploy/setup/rfcs.py check
check "dependencies (deny.toml)" deploy/setup/deny.sh
check clippy cargo clippy --workspace --all-targets --locked -- -D warnings

[ "${#failed[@]}" -eq 0 ] || die "lint failed: ${failed[*]}"
say "lint: no faults"
