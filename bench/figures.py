"""The figures: what is measured, between whom, how, and what is to be reached."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import client
from bench.contenders import (
    CLUSTER,
    FOUR_EDGES,
    FOUR_NGINX,
    FROM_MEMORY,
    FROM_REDIS,
    NGINX,
    SERVICES,
    THREE_NGINX,
    TWO_EDGES,
    TWO_NGINX,
    WEIR,
    Contender,
    Running,
)
from bench.failed import Failed
from bench.idle import crowd
from bench.load import Load, load

WARM_UP_SECONDS = 1
ZIPF = Path(__file__).parent / "zipf.lua"
PAGES = 10_000
# Few enough that they are all there after the warming up.
LOOKED_UP = 500
PURGES = 300
PURGE_ORDER = '{"tags": ["news"]}'
# uWSGI's queue takes no more.
MOST_THROUGH = 100
# Calls so soon after the first one are due to a page that nobody had yet.
COLD_SECONDS = 0.5
# What a server does after the last answer, such as giving memory back, is over then.
SETTLE_SECONDS = 1

# One measurement: the metrics by name.
Sample = dict[str, float]


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    digits: int
    # Whether a ratio between servers tells anything.
    compared: bool = True


@dataclass(frozen=True)
class Goal:
    """`contender` is to reach `bound`: of the first contender's median where `relative`, else the number itself."""

    contender: Contender
    metric: Metric
    at_least: bool
    bound: float
    relative: bool = True


@dataclass(frozen=True)
class Figure:
    name: str
    title: str
    explanation: str
    contenders: list[Contender]
    metrics: list[Metric]
    measure: Callable[[Running, int], Sample]
    goals: list[Goal]


RATE = Metric("requests_per_second", "requests per second", 0)
CPU = Metric("cpu_microseconds_per_request", "CPU per request, µs", 1)
SHARE = Metric("percent_of_core", "of its core, %", 0, compared=False)
IDLE = Metric("bytes_per_connection", "bytes per connection", 0)
TOTAL = Metric("total_mebibytes", "whole server, MiB", 1)
CALLS = Metric("calls_per_second", "calls per second", 2)
PER_PAGE = Metric("calls_per_page", "calls for each page", 3)
PURGE = Metric("purge_milliseconds", "median, ms", 2, compared=False)
SLOW_PURGE = Metric("purge_99th_milliseconds", "99th percentile, ms", 2, compared=False)
COLD = Metric("cold_calls", "calls for the page when nobody had it", 0)


def _cached(path: str, calls_per_second: int) -> Callable[[Running, int], Sample]:
    def measure(running: Running, _: int) -> Sample:
        asked = len(running.stage.calls(path))
        sample = _under_load(running, path, running.stage.options.connections)
        asked = len(running.stage.calls(path)) - asked
        if asked > calls_per_second * (running.stage.options.seconds + 2 * WARM_UP_SECONDS):
            raise Failed(f"{path} should have come from the cache, but the application was asked {asked} times")
        return sample

    return measure


def _static(running: Running, _: int) -> Sample:
    return _under_load(running, "/static/style.css", running.stage.options.connections)


def _through(running: Running, _: int) -> Sample:
    return _under_load(running, "/through/page", min(running.stage.options.connections, MOST_THROUGH))


def _under_load(running: Running, path: str, connections: int) -> Sample:
    _load(running, path, WARM_UP_SECONDS, connections)
    before = running.cpu_seconds()
    done = _load(running, path, running.stage.options.seconds, connections)
    used = running.cpu_seconds() - before
    return {
        RATE.name: done.requests / done.seconds,
        CPU.name: used / done.requests * 1e6,
        SHARE.name: used / done.seconds * 100,
    }


def _load(running: Running, path: str, seconds: int, connections: int, script: list[str] | None = None) -> Load:
    urls = [f"http://127.0.0.1:{port}{path}" for port in running.ports]
    return load(urls, seconds, connections, running.stage.options.load_core, script)


def _idle(running: Running, _: int) -> Sample:
    options = running.stage.options
    # A first crowd, so that buffers, pools and tables that are there once have been made.
    with crowd(running.ports[0], "/long/page", options.connections):
        pass
    time.sleep(SETTLE_SECONDS)
    before = running.memory_bytes()
    with crowd(running.ports[0], "/long/page", options.idle):
        time.sleep(SETTLE_SECONDS)
        during = running.memory_bytes()
    return {IDLE.name: (during - before) / options.idle, TOTAL.name: during / 2**20}


def _calls(running: Running, round_number: int) -> Sample:
    options = running.stage.options
    path = f"/second/slow?{running.ports[0]}-{round_number}"  # asked of nobody before
    _load(running, path, options.seconds, options.connections)
    calls = running.stage.calls(path)
    cold = [at for at in calls if at - calls[0] < COLD_SECONDS]
    return {CALLS.name: len(calls) / options.seconds, COLD.name: len(cold)}


def _many(running: Running, round_number: int) -> Sample:
    options = running.stage.options
    prefix = f"/long/{running.ports[0]}-{round_number}-"  # asked of nobody before
    done = _load(running, "/", options.seconds, options.connections, [str(ZIPF), str(PAGES), prefix])
    calls = running.stage.calls_below(prefix)
    return {RATE.name: done.requests / done.seconds, PER_PAGE.name: sum(calls.values()) / len(calls)}


def _lookups(running: Running, round_number: int) -> Sample:
    options = running.stage.options
    script = [str(ZIPF), str(LOOKED_UP), f"/long/{round_number}-"]
    # Until all pages are there.
    _load(running, "/", 2 * WARM_UP_SECONDS, options.connections, script)
    done = _load(running, "/", options.seconds, options.connections, script)
    return {RATE.name: done.requests / done.seconds}


def _purges(running: Running, _: int) -> Sample:
    times = []
    for number in range(PURGES):
        answer = json.loads(client.post(running.admins[number % len(running.admins)], "/api/v1/purge", PURGE_ORDER))
        if not answer["complete"]:
            raise Failed(f"a purge was not over everywhere: {answer}")
        times.append(answer["milliseconds"])
    return {PURGE.name: statistics.median(times), SLOW_PURGE.name: statistics.quantiles(times, n=100)[98]}


FIGURES = [
    Figure(
        "cached",
        "A cached page of 9 KiB",
        "Kept for an hour, so that all answers are hits.",
        [NGINX, WEIR],
        [RATE, CPU, SHARE],
        _cached("/long/page", 0),
        [Goal(WEIR, RATE, True, 1.5), Goal(WEIR, CPU, False, 0.67)],
    ),
    Figure(
        "microcached",
        "The same page kept for one second",
        "Stale answers while one request refreshes it in the background.",
        [NGINX, WEIR],
        [RATE, CPU, SHARE],
        _cached("/second/page", 2),
        [],
    ),
    Figure(
        "static",
        "A static file of 10 KiB",
        "nginx with open_file_cache and sendfile.",
        [NGINX, WEIR],
        [RATE, CPU, SHARE],
        _static,
        [Goal(WEIR, RATE, True, 1.0)],
    ),
    Figure(
        "through",
        "An uncached request through to uWSGI",
        "uWSGI and the load generator share a core and are what limits the rate; what counts is the CPU per request.",
        [NGINX, WEIR, SERVICES],
        [RATE, CPU, SHARE],
        _through,
        [Goal(WEIR, CPU, False, 1.0), Goal(SERVICES, CPU, False, 2.5)],
    ),
    Figure(
        "idle",
        "Memory per idle keep-alive connection",
        "After one cached page each; proportional set size of all processes, with the connections less without. nginx "
        "sets some of it aside at its start (`worker_connections`), which is in the last column only.",
        [NGINX, WEIR],
        [IDLE, TOTAL],
        _idle,
        [Goal(WEIR, IDLE, False, 1024, relative=False)],
    ),
    Figure(
        "calls",
        "Application calls for one hot page kept for one second",
        "By the application's own record; it takes 20 ms for the page. nginx counts its second in whole seconds of the "
        "clock, so that its pages live between one and two.",
        [NGINX, WEIR],
        [CALLS, COLD],
        _calls,
        [Goal(WEIR, CALLS, False, 1.0, relative=False), Goal(WEIR, COLD, False, 1.0, relative=False)],
    ),
    Figure(
        "edges",
        "The same by two edges at once",
        "Two nginx with a cache each; two edges of Weir with one cache-node and one wsgi-adapter.",
        [TWO_NGINX, TWO_EDGES],
        [CALLS, COLD],
        _calls,
        [Goal(TWO_EDGES, CALLS, False, 1.0, relative=False), Goal(TWO_EDGES, COLD, False, 1.0, relative=False)],
    ),
    Figure(
        "edges4",
        "The same by four edges at once",
        "Four nginx with a cache each; four edges of Weir with one cache-node and one wsgi-adapter.",
        [FOUR_NGINX, FOUR_EDGES],
        [CALLS, COLD],
        _calls,
        [Goal(FOUR_EDGES, CALLS, False, 1.0, relative=False), Goal(FOUR_EDGES, COLD, False, 1.0, relative=False)],
    ),
    Figure(
        "many",
        "10,000 pages by Zipf's law over three edges",
        "Each kept for an hour; by the application's own record, for each page that was asked for at all.",
        [THREE_NGINX, CLUSTER],
        [RATE, PER_PAGE],
        _many,
        [Goal(CLUSTER, PER_PAGE, False, 1.0, relative=False)],
    ),
    Figure(
        "lookups",
        "Lookups through one cache-node",
        "500 pages of 9 KiB by Zipf's law, asked of an edge that keeps next to nothing itself: requests, each of "
        "them a lookup unless another for the same page is under way. Edge, node and Redis share a core.",
        [FROM_MEMORY, FROM_REDIS],
        [RATE],
        _lookups,
        [],
    ),
    Figure(
        "purge",
        "A purge by tag, acknowledged by three edges and two cache-nodes",
        "300 in a row, at the edges in turn, with no other load; from the purge to the last acknowledgement.",
        [CLUSTER],
        [PURGE, SLOW_PURGE],
        _purges,
        [Goal(CLUSTER, PURGE, False, 10.0, relative=False)],
    ),
]
