"""What befalls the cluster, one at a time. Nobody who visits `edge_a` or `weir` may feel it."""

import signal
import time
from collections.abc import Callable

from soak.cluster import TIMES, Cluster

# How long the cluster has to itself after each.
PAUSE_SECONDS = 10
# What is on its way through it is cut off: no client that has half of a reply can be given the rest of another.
CUTS = "a wsgi-adapter is killed"
CUTS_SECONDS = 3


def faults(cluster: Cluster) -> list[tuple[str, Callable[[], str | None]]]:
    """Each with its name; what it returns is wrong."""
    programs = cluster.programs

    def again(name: str, how: signal.Signals) -> Callable[[], None]:
        def act() -> None:
            programs[name].end(how)
            time.sleep(1)
            programs[name].start()

        return act

    def edge_again(how: signal.Signals) -> None:
        again("edge_b", how)()
        cluster.wait("edge_b")

    def purge() -> str | None:
        wrong = [name for name in cluster.http if not cluster.purge(name, "http://localhost/count/page")]
        return f"a purge at {wrong} is not complete" if wrong else None

    def reload() -> None:
        nonlocal times
        times = times[::-1]
        for name in cluster.http:
            cluster.write(name, times[0])
            programs[name].process.send_signal(signal.SIGHUP)

    def redis_stops() -> None:
        programs["redis"].process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        programs["redis"].process.send_signal(signal.SIGCONT)

    times = TIMES
    return [
        ("a purge", purge),
        ("a reload", reload),
        ("a cache-node is killed", again("node_b", signal.SIGKILL)),
        ("a wsgi-adapter leaves", again("adapter_b", signal.SIGTERM)),
        ("Redis stands still for 3 s", redis_stops),
        ("an edge leaves", lambda: edge_again(signal.SIGTERM)),
        ("a purge", purge),
        ("a cache-node leaves", again("node_b", signal.SIGTERM)),
        ("an edge is killed", lambda: edge_again(signal.SIGKILL)),
        ("Redis is killed, and forgets", again("redis", signal.SIGKILL)),
        (CUTS, again("adapter_b", signal.SIGKILL)),
    ]
