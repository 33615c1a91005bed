"""The load generator: wrk on its core, one for each address, and what it counted."""

import re
import subprocess
from dataclasses import dataclass

from bench.client import HOST
from bench.failed import Failed

PATIENCE = 15
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}
COUNTED = re.compile(r"^ *(\d+) requests in ([\d.]+)(us|ms|s|m),", re.MULTILINE)
WRONG = re.compile(r"^ *((?:Non-2xx or 3xx responses|Socket errors): .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    requests: int
    seconds: float


@dataclass(frozen=True)
class Times:
    """How long answers took, in microseconds, counted from when each request was due."""

    median: float
    slow: float


def load(
    urls: list[str],
    seconds: int,
    connections: int,
    cores: list[int],
    script: list[str] | None = None,
    close: bool = False,
) -> Load:
    """Shares connections among the URLs; each asks again after its answer, on a new connection if `close`."""
    share = str(connections // len(urls))
    wrk = ["taskset", "--cpu-list", ",".join(map(str, cores)), "wrk", f"--threads={len(cores)}"]
    wrk += [f"--connections={share}"]
    # A late answer counts too: how late answers are is another figure.
    wrk += [f"--duration={seconds}s", f"--timeout={PATIENCE}s", f"--header=Host: {HOST}"]
    wrk += ["--header=Connection: close"] if close else []
    by_script = [f"--script={script[0]}"] if script else []
    after = ["--", *script[1:]] if script else []
    running = [subprocess.Popen([*wrk, *by_script, url, *after], stdout=subprocess.PIPE, text=True) for url in urls]
    try:
        loads = [_counted(each.communicate(timeout=seconds + PATIENCE)[0]) for each in running]
    except subprocess.TimeoutExpired:
        raise Failed(f"wrk did not end in {seconds + PATIENCE} s") from None
    finally:
        for each in running:
            each.kill()
            each.wait()
    return Load(sum(load.requests for load in loads), max(load.seconds for load in loads))


def steady(port: int, path: str, seconds: int, connections: int, core: int, rate: float) -> Times:
    """Sends this many requests per second, however long the answers take."""
    command = ["taskset", "--cpu-list", str(core), "target/bench/steady", str(port), HOST, path]
    command += [str(connections), f"{rate:.0f}", str(seconds)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"steady did not end in {seconds + PATIENCE} s") from None
    if said.returncode != 0:
        raise Failed(said.stderr.strip() or "steady failed")
    _, _, median, slow, _ = map(float, said.stdout.split())
    return Times(median, slow)


def _counted(output: str) -> Load:
    wrong = WRONG.search(output)
    counted = COUNTED.search(output)
    if wrong or not counted or counted[1] == "0":
        raise Failed(f"wrk: {wrong[1] if wrong else 'no requests were counted'}")
    requests, number, unit = counted.groups()
    return Load(int(requests), float(number) * UNITS[unit])
