"""The figures of what browsers speak: HTTP/2 and TLS."""

import time
from collections.abc import Callable

from bench.contenders import H2O, NGINX, WEIR, Running
from bench.figure import Figure, Goal, Metric, Sample
from bench.h2load import handshakes, measured, streams
from bench.load import Load
from bench.measured import CPU, RATE, SHARE
from bench.stage import ASSETS

FRONTS = [NGINX, WEIR, H2O]
# As many as browsers open, and as nginx and Weir allow at least.
STREAMS = 100
CONNECTIONS = 4
# Pages that are loaded by one run of h2load, each over a connection of its own, and how many at a time.
VIEWS = 64
VIEW = ["/long/page", *(f"/assets/{name}" for name in ASSETS)]
BY_FILES = "H2O has no cache: its page is a file."

PER_VIEW = Metric("cpu_microseconds_per_view", "CPU per page view, µs", 0)
VIEW_RATE = Metric("views_per_second", "page views per second", 0)
FULL = Metric("cpu_microseconds_per_full_handshake", "full: CPU, µs", 1)
RESUMED = Metric("cpu_microseconds_per_resumed_handshake", "resumed: CPU, µs", 1)


def _many_streams(path: str, tls: bool) -> Callable[[Running, int], Sample]:
    def measure(running: Running, _: int) -> Sample:
        def work(seconds: int) -> Load:
            at_once = (f"--clients={CONNECTIONS}", f"--max-concurrent-streams={STREAMS}")
            return streams(running, [path], tls, *at_once, f"--duration={seconds}")

        # Kept before a crowd asks for it.
        streams(running, [path], tls, "--requests=1")
        return measured(running, work)

    return measure


def _views(running: Running, _: int) -> Sample:
    def work(seconds: int) -> Load:
        options = (f"--clients={VIEWS}", f"--requests={VIEWS * len(VIEW)}", f"--max-concurrent-streams={len(VIEW)}")
        views, begun = 0, time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            streams(running, VIEW, True, *options, "--header=accept-encoding: gzip, deflate, br")
            views += VIEWS
        return Load(views, passed)

    streams(running, VIEW, True, f"--requests={len(VIEW)}")
    sample = measured(running, work)
    return {VIEW_RATE.name: sample[RATE.name], PER_VIEW.name: sample[CPU.name]}


def _handshakes(running: Running, _: int) -> Sample:
    cpu = {}
    for metric, resumed in ((FULL, False), (RESUMED, True)):
        sample = measured(running, lambda seconds, resumed=resumed: handshakes(running, seconds, resumed))
        cpu[metric.name] = sample[CPU.name]
    return cpu


def _figure(name: str, title: str, path: str, tls: bool, explanation: str, goal: Goal) -> Figure:
    metrics = [RATE, CPU, SHARE]
    told = f"h2load: {STREAMS} streams on each of {CONNECTIONS} connections. {explanation}"
    return Figure(name, title, told, FRONTS, metrics, _many_streams(path, tls), [goal])


BROWSERS = [
    _figure(
        "h2",
        "A cached page of 9 KiB over HTTP/2 and TLS",
        "/long/page",
        True,
        BY_FILES,
        Goal(WEIR, CPU, False, 0.4),
    ),
    _figure(
        "h2c",
        "A cached page of 1 KiB over HTTP/2 without TLS",
        "/long/small",
        False,
        BY_FILES,
        Goal(WEIR, CPU, False, 5.0, relative=False),
    ),
    _figure(
        "h2_static",
        "A static file of 10 KiB over HTTP/2 and TLS",
        "/static/style.css",
        True,
        "nginx with open_file_cache.",
        Goal(WEIR, CPU, False, 0.8),
    ),
    Figure(
        "view",
        "A page and 20 files with .br, as a browser loads them",
        f"A view is a connection of its own over TLS 1.3, the cached page, and {len(ASSETS)} scripts and styles at "
        f"once, each with a .br beside it. {BY_FILES}",
        FRONTS,
        [VIEW_RATE, PER_VIEW],
        _views,
        [Goal(WEIR, PER_VIEW, False, 0.8)],
    ),
    Figure(
        "handshakes",
        "Connections over TLS 1.3",
        "openssl s_time, one connection after the other, each with one request that is answered by 404 (the ticket "
        "follows the handshake); a certificate with P-256. nginx with OpenSSL.",
        FRONTS,
        [FULL, RESUMED],
        _handshakes,
        [Goal(WEIR, FULL, False, 1.0), Goal(WEIR, RESUMED, False, 1.0)],
    ),
]
