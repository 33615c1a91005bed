"""The options of a run, from the environment: `ROUNDS=5 SECONDS=5 make bench`.

ROUNDS       measurements of each server, in turn with the others
SECONDS      load per measurement
CONNECTIONS  keep-alive connections under load
IDLE         idle keep-alive connections whose memory is measured
FIGURES      some figures only, by their names with commas between; nothing is written then
"""

import os
import resource
from dataclasses import dataclass

from bench.failed import Failed

# What a server opens besides the connections: listeners, files, its peers.
FILES_BESIDES = 500


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: int
    connections: int
    idle: int
    figures: tuple[str, ...]
    server_core: int
    load_core: int


def from_environment(known_figures: tuple[str, ...]) -> Options:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failed("two cores are needed: one for the server, one for the load")
    figures = tuple(filter(None, os.environ.get("FIGURES", "").split(","))) or known_figures
    for figure in figures:
        if figure not in known_figures:
            raise Failed(f"FIGURES: {figure!r} is none of {', '.join(known_figures)}")
    idle = _number("IDLE", 9000, 1, 100_000)
    return Options(
        rounds=_number("ROUNDS", 5, 1, 100),
        seconds=_number("SECONDS", 5, 1, 60),
        connections=_number("CONNECTIONS", 64, 2, 1000),
        idle=min(idle, _raise_open_files(idle + FILES_BESIDES) - FILES_BESIDES),
        figures=figures,
        server_core=cores[0],
        load_core=cores[1],
    )


def _number(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, "") or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Failed(f"{name}={text}: a number from {least} to {most} is needed")
    return int(text)


def _raise_open_files(wanted: int) -> int:
    """Raises the limit for this process and all it starts; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit <= FILES_BESIDES:
        raise Failed(f"the limit on open files is {limit}: raise it (ulimit -Hn) above {FILES_BESIDES}")
    return limit
