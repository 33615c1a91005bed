"""Load over HTTP/2 and TLS: h2load (Debian: nghttp2-client) and openssl's s_time, on the load generator's core."""

import re
import subprocess
from collections.abc import Callable

from bench.client import HOST
from bench.contenders import Running
from bench.failed import Failed
from bench.figure import Sample
from bench.load import PATIENCE, Load
from bench.measured import CPU, RATE, SHARE, WARM_UP_SECONDS

ENDED = re.compile(r"^finished in ([\d.]+)(us|ms|s),", re.MULTILINE)
COUNTED = re.compile(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", re.MULTILINE)
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1}
SHAKEN = re.compile(r"^(\d+) connections in ([\d.]+) real seconds", re.MULTILINE)


def measured(running: Running, work: Callable[[int], Load]) -> Sample:
    """`work` is done for a number of seconds: once to warm up, and once while it is measured."""
    work(WARM_UP_SECONDS)
    before = running.cpu_seconds()
    done = work(running.stage.options.seconds)
    used = running.cpu_seconds() - before
    return {
        RATE.name: done.requests / done.seconds,
        CPU.name: used / done.requests * 1e6,
        SHARE.name: used / done.seconds * 100,
    }


def streams(running: Running, paths: list[str], tls: bool, *options: str) -> Load:
    """Requests over HTTP/2, as h2load's options say."""
    scheme, port = ("https", running.tls_port) if tls else ("http", running.h2_port)
    # The page's key is that of the other figures, which ask by the usual port.
    command = ["h2load", "--threads=1", f"--connect-to=127.0.0.1:{port}", f"--header=:authority: {HOST}", *options]
    said = _said(running, [*command, *(f"{scheme}://{HOST}:{port}{path}" for path in paths)])
    ended, counted = ENDED.search(said), COUNTED.search(said)
    if not ended or not counted or counted[2] != "0" or counted[3] != "0" or counted[1] == "0":
        raise Failed(f"h2load: {counted[0] if counted else said[-300:]!r}")
    return Load(int(counted[1]), float(ended[1]) * UNITS[ended[2]])


def handshakes(running: Running, seconds: int, resumed: bool) -> Load:
    """Connections over TLS 1.3, one after the other. Each asks for a small page, because the ticket follows the
    handshake."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{running.tls_port}", "-tls1_3", f"-time={seconds}"]
    command += ["-no-CAfile", "-no-CApath", "-no-CAstore", "-www", "/static/none", "-reuse" if resumed else "-new"]
    counted = SHAKEN.search(_said(running, command))
    if not counted:
        raise Failed("openssl s_time has counted nothing")
    return Load(int(counted[1]), float(counted[2]))


def _said(running: Running, command: list[str]) -> str:
    options = running.stage.options
    pinned = ["taskset", "--cpu-list", str(options.load_core), *command]
    try:
        done = subprocess.run(pinned, capture_output=True, text=True, timeout=options.seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end in {options.seconds + PATIENCE} s") from None
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout
