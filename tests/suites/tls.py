"""tlsfuzzer's scripts about what each server of TLS 1.2 and 1.3 must do; each tries many handshakes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from suites.case import Case, Result

# What needs no client certificate, no algorithm that is off everywhere today, and no early data.
SCRIPTS = """
alpn-negotiation ccs client-hello-max-size conversation cve-2016-6309 empty-extensions extended-master-secret-extension
fallback-scsv fuzzed-finished invalid-cipher-suites invalid-client-hello invalid-compression-methods
invalid-content-type invalid-session-id invalid-version large-hello message-skipping record-layer-fragmentation
truncating-of-client-hello version-numbers x25519 zero-length-data
tls13-ccs tls13-conversation tls13-count-tickets tls13-crfg-curves tls13-ecdhe-curves tls13-empty-alert tls13-finished
tls13-hrr tls13-invalid-ciphers tls13-keyshare-omitted tls13-keyupdate tls13-large-number-of-extensions
tls13-legacy-version tls13-lengths tls13-nociphers tls13-non-support tls13-record-layer-limits tls13-record-padding
tls13-rsa-signatures tls13-session-resumption tls13-shuffled-extentions tls13-signature-algorithms
tls13-unencrypted-alert tls13-unknown-groups tls13-unrecognised-extensions tls13-version-negotiation
tls13-zero-content-type tls13-zero-length-data
""".split()
# For one script, in seconds, and conversations of each.
MOST, TRIES = 60, 4
SUMMARY = re.compile(r"^(TOTAL|SKIP|PASS|XFAIL|FAIL|XPASS): (\d+)", re.MULTILINE)


def results(directory: Path, port: int) -> Iterator[tuple[Case, Result]]:
    for script in SCRIPTS:
        file = directory / "scripts" / f"test-{script}.py"
        if file.exists():
            yield run(directory, file, port)


def run(directory: Path, file: Path, port: int) -> tuple[Case, Result]:
    case = Case(file.stem, b"", "accept")
    command = [sys.executable, str(file), "-h", "127.0.0.1", "-p", str(port), "-n", str(TRIES)]
    env = {**os.environ, "PYTHONPATH": str(directory)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST, env=env, cwd=directory)
    except subprocess.TimeoutExpired:
        case.saw = f"not over within {MOST} s"
        return case, Result.SKIPPED
    found = {name: int(number) for name, number in SUMMARY.findall(done.stdout)}
    case.saw = " ".join(f"{name} {number}" for name, number in found.items()) or done.stderr[-200:]
    if not found:
        return case, Result.SKIPPED
    return case, Result.HELD if done.returncode == 0 else Result.LAXER
