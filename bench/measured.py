"""Load on a running contender, and what it comes to: rate, CPU, share of the core."""

from collections.abc import Callable

from bench import load as generator
from bench.contenders import Running
from bench.failed import Failed
from bench.figure import Metric, Sample
from bench.load import Load

WARM_UP_SECONDS = 1

RATE = Metric("requests_per_second", "requests per second", 0)
CPU = Metric("cpu_microseconds_per_request", "CPU per request, µs", 1)
SHARE = Metric("percent_of_core", "of its core, %", 0, compared=False)


def cached(path: str, calls_per_second: int) -> Callable[[Running, int], Sample]:
    """A page that comes from the cache, but for so many calls to the application."""

    def measure(running: Running, _: int) -> Sample:
        asked = len(running.stage.calls(path))
        sample = under_load(running, path, running.stage.options.connections)
        asked = len(running.stage.calls(path)) - asked
        if asked > calls_per_second * (running.stage.options.seconds + 2 * WARM_UP_SECONDS):
            raise Failed(f"{path} should have come from the cache, but the application was asked {asked} times")
        return sample

    return measure


def under_load(running: Running, path: str, connections: int, close: bool = False) -> Sample:
    load(running, path, WARM_UP_SECONDS, connections, close=close)
    before = running.cpu_seconds()
    done = load(running, path, running.stage.options.seconds, connections, close=close)
    used = running.cpu_seconds() - before
    return {
        RATE.name: done.requests / done.seconds,
        CPU.name: used / done.requests * 1e6,
        SHARE.name: used / done.seconds * 100,
    }


def load(
    running: Running,
    path: str,
    seconds: int,
    connections: int,
    script: list[str] | None = None,
    close: bool = False,
    on_both_cores: bool = False,
) -> Load:
    urls = [f"http://127.0.0.1:{port}{path}" for port in running.ports]
    options = running.stage.options
    cores = [options.load_core, options.server_core] if on_both_cores else [options.load_core]
    return generator.load(urls, seconds, connections, cores, script, close)
