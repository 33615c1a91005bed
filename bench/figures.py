"""The figures: what is measured, between whom, how, and what is to be reached."""

import json
import statistics
from itertools import count
from pathlib import Path

from bench import client
from bench.browsers import BROWSERS
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
    Running,
)
from bench.failed import Failed
from bench.figure import Figure, Goal, Metric, Sample
from bench.front import CACHED, DOWNLOAD, HALF_GZIP, IDLE, IDLE_TLS, SIZES, STEADY, STORM, TWO_CORES
from bench.measured import CPU, RATE, SHARE, WARM_UP_SECONDS, cached, load, under_load

ZIPF = Path(__file__).parent / "zipf.lua"
PAGES = 10_000
# What takes part in a look-up, besides Redis.
LOOK_UP_PARTS = ("edge", "cache-node")
# So few that all are cached after the warm-up.
LOOKED_UP = 500
PURGES = 300
PURGE_ORDER = '{"tags": ["news"]}'
# uWSGI's queue accepts no more.
MOST_THROUGH = 100
# Calls this soon after the first one belong to a page that nobody had yet.
COLD_SECONDS = 0.5
# The lifetime of the hot page, and how many of them are measured: a call more or less at the end matters little.
LIFETIME_SECONDS = 1
LIFETIMES = 12
# Numbers of addresses that nobody has requested before.
UNASKED = count()

CALLS = Metric("calls_per_lifetime", "calls per lifetime", 2)
PER_PAGE = Metric("calls_per_page", "calls for each page", 3)
WHOLE = Metric("cpu_microseconds_at_edge_and_node", "CPU at edge and node, µs", 1)
LOOK_UP = Metric("cpu_microseconds_per_look_up", "of it for the look-up, µs", 1)
PURGE = Metric("purge_milliseconds", "median, ms", 2, compared=False)
SLOW_PURGE = Metric("purge_99th_milliseconds", "99th percentile, ms", 2, compared=False)
COLD = Metric("cold_calls", "calls for the page when nobody had it", 0)


def _static(running: Running, _: int) -> Sample:
    return under_load(running, "/static/style.css", running.stage.options.connections)


def _through(running: Running, _: int) -> Sample:
    return under_load(running, "/through/page", min(running.stage.options.connections, MOST_THROUGH))


def _calls(running: Running, _: int) -> Sample:
    options = running.stage.options
    path = f"/second/slow?{next(UNASKED)}"
    load(running, path, max(options.seconds, LIFETIMES * LIFETIME_SECONDS), options.connections)
    calls = running.stage.calls(path)
    cold = [at for at in calls if at - calls[0] < COLD_SECONDS]
    # Counted by the clock from the first call: one lifetime begins with it, another after each second.
    begun = 1 + (calls[-1] - calls[0]) // LIFETIME_SECONDS
    return {CALLS.name: len(calls) / begun, COLD.name: len(cold)}


def _many(running: Running, _: int) -> Sample:
    options = running.stage.options
    prefix = f"/long/unasked-{next(UNASKED)}-"
    done = load(running, "/", options.seconds, options.connections, [str(ZIPF), str(PAGES), prefix])
    calls = running.stage.calls_below(prefix)
    return {RATE.name: done.requests / done.seconds, PER_PAGE.name: sum(calls.values()) / len(calls)}


def _lookups(running: Running, round_number: int) -> Sample:
    options = running.stage.options
    script = [str(ZIPF), str(LOOKED_UP), f"/long/{round_number}-"]
    # Until all pages are there.
    load(running, "/", 2 * WARM_UP_SECONDS, options.connections, script)
    before = running.cpu_seconds_of(*LOOK_UP_PARTS)
    done = load(running, "/", options.seconds, options.connections, script)
    looked_up = (running.cpu_seconds_of(*LOOK_UP_PARTS) - before) / done.requests * 1e6
    # A file of that size from the same edge's memory: what a request costs without a look-up.
    without = under_load(running, "/static/style.css", options.connections)[CPU.name]
    return {RATE.name: done.requests / done.seconds, WHOLE.name: looked_up, LOOK_UP.name: looked_up - without}


def _purges(running: Running, _: int) -> Sample:
    times = []
    for number in range(PURGES):
        answer = json.loads(client.post(running.admins[number % len(running.admins)], "/api/v1/purge", PURGE_ORDER))
        if not answer["complete"]:
            raise Failed(f"a purge was not complete: {answer}")
        times.append(answer["milliseconds"])
    return {PURGE.name: statistics.median(times), SLOW_PURGE.name: statistics.quantiles(times, n=100)[98]}


FIGURES = [
    CACHED,
    *SIZES,
    STEADY,
    Figure(
        "microcached",
        "The same page kept for one second",
        "Stale answers while one request refreshes it in the background.",
        [NGINX, WEIR],
        [RATE, CPU, SHARE],
        cached("/second/page", 2),
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
    DOWNLOAD,
    HALF_GZIP,
    TWO_CORES,
    *BROWSERS,
    Figure(
        "through",
        "An uncached request through to uWSGI",
        "uWSGI and the load generator share a core and are what limits the rate; what counts is the CPU per request.",
        [NGINX, WEIR, SERVICES],
        [RATE, CPU, SHARE],
        _through,
        [Goal(WEIR, CPU, False, 1.0), Goal(SERVICES, CPU, False, 2.5)],
    ),
    IDLE,
    IDLE_TLS,
    STORM,
    Figure(
        "calls",
        "Application calls for one hot page kept for one second",
        "By the application's own record, which begins a lifetime with the first call and after each second; it takes "
        "20 ms for the page. nginx counts its second in whole seconds of the clock, so that its pages live between one "
        "and two.",
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
        "them a lookup unless another for the same page is under way. Edge, node and Redis share a core. What a "
        "request costs without the lookup is measured with a file of 10 KiB from the memory of the same edge.",
        [FROM_MEMORY, FROM_REDIS],
        [RATE, WHOLE, LOOK_UP],
        _lookups,
        [Goal(FROM_MEMORY, LOOK_UP, False, 20.0, relative=False)],
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
