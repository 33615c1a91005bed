"""The figures of the front door: cached pages under all kinds of load, files, and the memory of connections."""

import http.client
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench import client
from bench.contenders import FLOOR, HAPROXY, NGINX, ON_BOTH_CORES, PER_CORE, VARNISH, WEIR, Contender, Running
from bench.failed import Failed
from bench.figure import Figure, Goal, Metric, Sample
from bench.idle import crowd
from bench.load import steady
from bench.measured import CPU, RATE, SHARE, WARM_UP_SECONDS, cached, load, under_load
from bench.stage import LARGE_FILE_BYTES

CACHES = [NGINX, WEIR, VARNISH, HAPROXY]
# What a server does after the last answer, such as giving memory back, is over then: Weir parks connections after
# 250 ms, and its allocator gives pages back after a second.
SETTLE_SECONDS = 3
# After a storm: time to notice that it is over.
CALM_SECONDS = 5
STORMS = 3
# Handshakes take their time, and each connection its 10 KiB and more.
IDLE_TLS_CONNECTIONS = 2000
HALF_WITH_GZIP = Path(__file__).parent / "half_gzip.lua"
PAGES = {"1 KiB": "/long/small", "9 KiB": "/long/page", "100 KiB": "/long/large"}
PEAK_SHARE = 0.7
DOWNLOADS = 10

MEDIAN = Metric("median_microseconds", "median, µs", 0)
SLOW = Metric("99th_microseconds", "99th percentile, µs", 0)
PER_CONNECTION = Metric("bytes_per_connection", "bytes per connection", 0)
TOTAL = Metric("total_mebibytes", "whole server, MiB", 1)
BEFORE = Metric("before_mebibytes", "before, MiB", 1, compared=False)
DURING = Metric("during_mebibytes", "during the third, MiB", 1, compared=False)
AFTER = Metric("after_mebibytes", "after, MiB", 1, compared=False)
KEPT = Metric("kept_mebibytes", "more than before, MiB", 1, compared=False)
WORK = Metric("requests_per_cpu_second_of_all_cores", "requests per second that its cores have time for", 0)
PLAIN = Metric("cpu_microseconds_plain", "nobody takes gzip: CPU, µs", 1)
HALF = Metric("cpu_microseconds_half_gzip", "half take gzip: CPU, µs", 1)
BY_GZIP = Metric("by_gzip", "half ÷ nobody", 2, compared=False)
PER_FILE = Metric("cpu_milliseconds_per_file", "CPU per file, ms", 1)


def _rate_of(size: str) -> Metric:
    return Metric(f"{RATE.name}, {size}", f"{size}: per second", 0, compared=False)


def _cpu_of(size: str) -> Metric:
    return Metric(f"{CPU.name}, {size}", f"{size}: CPU, µs", 1)


def _sizes(connections: int, close: bool) -> Callable[[Running, int], Sample]:
    def measure(running: Running, _: int) -> Sample:
        sample: Sample = {}
        for size, path in PAGES.items():
            # Kept before a crowd asks for it: not all servers let one request make the page for all.
            client.get(running.ports[0], path)
            one = under_load(running, path, connections, close)
            sample |= {_rate_of(size).name: one[RATE.name], _cpu_of(size).name: one[CPU.name]}
        return sample

    return measure


def _steady(running: Running, _: int) -> Sample:
    options, path = running.stage.options, "/long/page"
    load(running, path, WARM_UP_SECONDS, options.connections)
    peak = load(running, path, options.seconds, options.connections)
    rate = PEAK_SHARE * peak.requests / peak.seconds
    times = steady(running.ports[0], path, options.seconds, options.connections, options.load_core, rate)
    return {RATE.name: rate, MEDIAN.name: times.median, SLOW.name: times.slow}


def _idle(running: Running, _: int) -> Sample:
    return _memory_of(running, running.ports[0], running.stage.options.idle, tls=False)


def _idle_tls(running: Running, _: int) -> Sample:
    return _memory_of(running, running.tls_port, min(running.stage.options.idle, IDLE_TLS_CONNECTIONS), tls=True)


def _memory_of(running: Running, port: int, connections: int, tls: bool) -> Sample:
    # A first crowd, so that buffers, pools and tables that are there once have been made.
    with crowd(port, "/long/page", running.stage.options.connections, tls):
        pass
    time.sleep(SETTLE_SECONDS)
    before = running.memory_bytes()
    with crowd(port, "/long/page", connections, tls):
        time.sleep(SETTLE_SECONDS)
        during = running.memory_bytes()
    return {PER_CONNECTION.name: (during - before) / connections, TOTAL.name: during / 2**20}


def _two_cores(running: Running, _: int) -> Sample:
    path, connections = "/long/page", running.stage.options.connections
    load(running, path, WARM_UP_SECONDS, connections, on_both_cores=True)
    before = running.cpu_seconds()
    done = load(running, path, running.stage.options.seconds, connections, on_both_cores=True)
    used = running.cpu_seconds() - before
    cores = 2 if running.on_both_cores else 1
    return {WORK.name: cores * done.requests / used, CPU.name: used / done.requests * 1e6}


def _half_gzip(running: Running, _: int) -> Sample:
    options, path = running.stage.options, "/gzip/large"
    cpu = {}
    # Kept, and compressed where that is kept.
    load(running, path, WARM_UP_SECONDS, options.connections, [str(HALF_WITH_GZIP), "2"])
    for metric, each in ((PLAIN, 0), (HALF, 2)):
        before = running.cpu_seconds()
        done = load(running, path, options.seconds, options.connections, [str(HALF_WITH_GZIP), str(each)])
        cpu[metric.name] = (running.cpu_seconds() - before) / done.requests * 1e6
    return cpu | {BY_GZIP.name: cpu[HALF.name] / cpu[PLAIN.name]}


def _storm(running: Running, _: int) -> Sample:
    options = running.stage.options
    with crowd(running.ports[0], "/long/page", options.connections):
        pass
    time.sleep(SETTLE_SECONDS)
    before = running.memory_bytes()
    for _ in range(STORMS):
        with crowd(running.ports[0], "/long/page", options.idle):
            during = running.memory_bytes()
    time.sleep(CALM_SECONDS)
    after = running.memory_bytes()
    sizes = {BEFORE: before, DURING: during, AFTER: after, KEPT: after - before}
    return {metric.name: size / 2**20 for metric, size in sizes.items()}


def _download(running: Running, _: int) -> Sample:
    with closing(http.client.HTTPConnection("127.0.0.1", running.ports[0], timeout=30)) as connection:
        _fetch(connection)
        before = running.cpu_seconds()
        for _ in range(DOWNLOADS):
            _fetch(connection)
        return {PER_FILE.name: (running.cpu_seconds() - before) / DOWNLOADS * 1e3}


def _fetch(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/static/large.bin", headers={"Host": client.HOST})
    response = connection.getresponse()
    room, length = bytearray(2**18), 0
    while got := response.readinto(room):
        length += got
    if response.status != 200 or length != LARGE_FILE_BYTES:
        raise Failed(f"the large file came with {response.status} and {length} bytes")


def _figure_of_sizes(name: str, title: str, connections: int, close: bool) -> Figure:
    metrics = [metric for size in PAGES for metric in (_rate_of(size), _cpu_of(size))]
    explanation = "Requests per second and CPU per request for pages of three sizes."
    goals = [Goal(WEIR, _cpu_of(size), False, 0.9 if close else 1.0) for size in PAGES]
    return Figure(name, title, explanation, CACHES, metrics, _sizes(connections, close), goals)


def _goals_of_cached(contender: Contender) -> list[Goal]:
    by_nginx = [Goal(contender, RATE, True, 1.5), Goal(contender, CPU, False, 0.67)]
    return [*by_nginx, Goal(contender, CPU, False, 1.2, of=FLOOR)]


CACHED = Figure(
    "cached",
    "A cached page of 9 KiB",
    "Kept for an hour, so that all answers are hits. The bare epoll loop (bench/floor.c) reads no request and knows "
    "one answer: less is not possible in this way.",
    [*CACHES, FLOOR],
    [RATE, CPU, SHARE],
    cached("/long/page", 0),
    _goals_of_cached(WEIR),
)

SIZES = [
    _figure_of_sizes("sizes64", "Cached pages over 64 connections", 64, False),
    _figure_of_sizes("sizes1000", "Cached pages over 1,000 connections", 1000, False),
    _figure_of_sizes("fresh64", "Cached pages, 64 at a time, each over a connection of its own", 64, True),
    _figure_of_sizes("fresh1000", "Cached pages, 1,000 at a time, each over a connection of its own", 1000, True),
]

STEADY = Figure(
    "steady",
    "How long a cached page takes at 70 % of the peak",
    "Of each server's own peak, measured just before. Requests come at a fixed rate (bench/steady.c); the time counts "
    "from when each was due, so that a server which keeps others waiting is charged for it.",
    CACHES,
    [RATE, MEDIAN, SLOW],
    _steady,
    [Goal(WEIR, SLOW, False, 1.0)],
)

IDLE = Figure(
    "idle",
    "Memory per idle keep-alive connection",
    "After one cached page each; proportional set size of all processes, with the connections less without. nginx "
    "sets some of it aside at its start (`worker_connections`), which is in the last column only.",
    [NGINX, WEIR],
    [PER_CONNECTION, TOTAL],
    _idle,
    [Goal(WEIR, PER_CONNECTION, False, 640, relative=False)],
)

IDLE_TLS = Figure(
    "idle_tls",
    "The same over TLS",
    f"{IDLE_TLS_CONNECTIONS:,} connections over TLS 1.3; nginx with OpenSSL.",
    [NGINX, WEIR],
    [PER_CONNECTION, TOTAL],
    _idle_tls,
    [Goal(WEIR, PER_CONNECTION, False, 5000, relative=False)],
)

STORM = Figure(
    "storm",
    "Memory before, during and after a storm",
    f"As many connections as above come, ask for a cached page and go, three times; after: {CALM_SECONDS} s later. "
    "On two cores a connection is often ended by another thread than took it.",
    [NGINX, WEIR, ON_BOTH_CORES],
    [BEFORE, DURING, AFTER, KEPT],
    _storm,
    [Goal(WEIR, KEPT, False, 2.0, relative=False), Goal(ON_BOTH_CORES, KEPT, False, 2.0, relative=False)],
)

TWO_CORES = Figure(
    "two_cores",
    "A cached page of 9 KiB by one core and by two",
    "The load comes from both cores in all cases, and takes more of them than the server. So what counts is the CPU "
    "that a request costs: what the cores would have time for if they had nothing else to do.",
    [WEIR, ON_BOTH_CORES, PER_CORE],
    [WORK, CPU],
    _two_cores,
    [Goal(ON_BOTH_CORES, WORK, True, 1.9), Goal(PER_CORE, WORK, True, 1.9)],
)

HALF_GZIP = Figure(
    "half_gzip",
    "A cached page of 100 KiB, with gzip for half of the visitors",
    "Level 1 in both; nginx keeps the page as it came and compresses each answer.",
    [NGINX, WEIR],
    [PLAIN, HALF, BY_GZIP],
    _half_gzip,
    [Goal(WEIR, BY_GZIP, False, 1.1, relative=False)],
)

DOWNLOAD = Figure(
    "download",
    "A static file of 100 MiB",
    f"{DOWNLOADS} times over one connection; nginx with sendfile.",
    [NGINX, WEIR],
    [PER_FILE],
    _download,
    [Goal(WEIR, PER_FILE, False, 1.5)],
)
