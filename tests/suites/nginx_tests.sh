#!/usr/bin/env bash
# nginx_tests.sh SUITE LIST [FILE ...]: runs files of nginx's own test suite (https://github.com/nginx/nginx-tests), a copy of which is
# at SUITE, with `weir nginx --lenient` as the program. LIST names the files, one a line; FILE ... are some of them. Prints a table by
# file: assertions that passed, assertions in all, and what -t says is not done. Needs Perl; IO::Socket::SSL for the files with TLS.
# WEIR_BINARIES names a directory with a built weir; SECONDS_EACH bounds a file, 60 if it is not set. Nothing of the suite is kept.
source "$(dirname "$0")/../../deploy/setup/shell.sh"

[ -f "${1:-}/lib/Test/Nginx.pm" ] && [ -f "${2:-}" ] || die "usage: nginx_tests.sh SUITE LIST [FILE ...]"
have perl || die "perl is missing"
suite=$(realpath "$1") list=$(realpath "$2")
shift 2
[ -n "${WEIR_BINARIES:-}" ] || cargo build --locked -p weir
weir=$(realpath "${WEIR_BINARIES:-target/debug}/weir")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
chmod 755 "$run"

# What is not done goes to a file for the table; the rest of the output is nginx's.
cat >"$run/nginx" <<END
#!/bin/bash
case " \$* " in
*" -V "* | *" -T "*) exec "$weir" nginx --lenient "\$@" ;;
esac
"$weir" nginx -t "\$@" 2>&1 | sed -n 's/^nginx: \[emerg\] "\([^"]*\)" is not done.*/\1/p' >>"\$NOT_DONE"
exec "$weir" nginx --lenient "\$@"
END
chmod +x "$run/nginx"

files=("$@")
((${#files[@]})) || mapfile -t files <"$list"
export TEST_NGINX_BINARY=$run/nginx TMPDIR=$run
if [ "$(id -u)" = 0 ]; then export TEST_NGINX_GLOBALS="user root;"; fi
all=0 good=0
echo "| file | passed | of | not done |"
echo "|---|---|---|---|"
for file in "${files[@]}"; do
  grep -qx "$file" "$list" || die "$file is not in $list"
  export NOT_DONE=$run/not_done
  : >"$NOT_DONE"
  (cd "$suite" && timeout -k 5 "${SECONDS_EACH:-60}" perl -Ilib "$file") >"$run/output" 2>"$run/errors" || true
  [ -z "${KEEP:-}" ] || { cp "$run/output" "$KEEP/$file.output" && cp "$run/errors" "$KEEP/$file.errors"; }
  passed=$(grep -c '^ok ' "$run/output" || true)
  planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$run/output" | head -n 1)
  # A file that fails to start may not come to its plan: Test::Nginx adds two assertions to what the file says.
  if [ -z "$planned" ]; then
    planned=$(sed -n 's/.*plan(\([0-9]*\)).*/\1/p' "$suite/$file" | head -n 1)
    planned=${planned:+$((planned + 2))}
  fi
  missing=$(sort -u "$NOT_DONE" | paste -sd ' ')
  if grep -q '^1\.\.0' "$run/output"; then missing="skipped: $(sed -n 's/^1\.\.0 # SKIP //p' "$run/output")" planned=0; fi
  all=$((all + ${planned:-0})) good=$((good + passed))
  echo "| $file | $passed | ${planned:-?} | $missing |"
done
echo
echo "$good of $all assertions"
