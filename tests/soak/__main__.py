"""An hour of everything at once: `python -m soak`, from tests/. MINUTES, WEIR_BINARIES, WEIR_REDIS_SERVER, WEIR_UWSGI.

Visitors of all kinds ask two edges of a cluster, and a `weir` alone, while purges, reloads, ends and losses befall what
is behind them (faults.py). Prints what memory, descriptors and latency did. Fails if a visitor of `edge_a` or `weir`
got a wrong answer, memory grew, a descriptor was lost, requests were left over, or hits became slower.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from soak.cluster import Cluster
from soak.faults import CUTS, CUTS_SECONDS, PAUSE_SECONDS, faults
from soak.visitors import Visitor, Visits

# They are never ended.
WATCHED = ("edge_a", "node_a", "adapter_a", "weir")
VISITED = ("edge_a", "weir")
VISITORS = 6
# Memory is judged by what it is in the last tenth, against the fourth: before, caches fill.
MAY_GROW = 1.1
# Descriptors that may be open for a moment when they are counted.
MAY_BE_OPEN = 6
SETTLING_SECONDS = 20
# They are 0 when nobody asks.
BUSY = (
    *("weir_edge_connections_active", "weir_edge_requests_active", "weir_edge_fills_active", "weir_edge_bodies_bytes"),
    *("weir_cache_node_streams", "weir_cache_node_waiting", "weir_wsgi_adapter_in_flight", "weir_wsgi_adapter_queued"),
)
SAMPLE_SECONDS = 5


def resident(pid: int) -> float:
    """MiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def part(values: list[float], begin: float, end: float) -> float:
    """The mean of the values between these parts of all, such as 0.9 and 1."""
    return statistics.mean(values[int(len(values) * begin) : max(int(len(values) * end), int(len(values) * begin) + 1)])


def main() -> int:
    minutes = float(os.environ.get("MINUTES", "60"))
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="weir-soak-") as name, Cluster(Path(name)) as cluster:
        pids = {name: cluster.programs[name].process.pid for name in WATCHED}
        time.sleep(SETTLING_SECONDS / 4)
        opened = {name: descriptors(pid) for name, pid in pids.items()}
        visits = {name: Visits() for name in cluster.http}
        memory: dict[str, list[float]] = {name: [] for name in WATCHED}
        leave = threading.Event()
        visitors = [
            Visitor(cluster.http[name], visits[name], seed, leave) for name in visits for seed in range(VISITORS)
        ]
        begin = time.monotonic()
        end = begin + 60 * minutes
        for visitor in visitors:
            visitor.start()

        def sample() -> None:
            while not leave.wait(SAMPLE_SECONDS):
                for name, pid in pids.items():
                    memory[name].append(resident(pid))

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        befallen: list[tuple[float, str]] = []
        while time.monotonic() < end:
            for what, befall in faults(cluster):
                print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)
                befallen.append((time.monotonic(), what))
                if told := befall():
                    wrong.append(told)
                time.sleep(PAUSE_SECONDS)
                if time.monotonic() > end:
                    break
        leave.set()
        for visitor in visitors:
            visitor.join(60)
        time.sleep(SETTLING_SECONDS)
        for seen in visits.values():
            seen.wrong = [(at, what) for at, what in seen.wrong if not was_cut(at, what, befallen)]
        wrong += judge(cluster, visits, memory, opened, pids, (begin, end))
    print(f"\n{minutes:g} minutes, {len(befallen)} events, {sum(v.asked for v in visits.values())} requests")
    print("\n".join(["", "Wrong:", *wrong] if wrong else ["Nothing was wrong."]))
    return 1 if wrong else 0


def was_cut(at: float, what: str, befallen: list[tuple[float, str]]) -> bool:
    return "IncompleteRead" in what and any(
        event == CUTS and begun <= at < begun + CUTS_SECONDS for begun, event in befallen
    )


def judge(
    cluster: Cluster,
    visits: dict[str, Visits],
    memory: dict[str, list[float]],
    opened: dict[str, int],
    pids: dict[str, int],
    run: tuple[float, float],
) -> list[str]:
    wrong = []
    print("| process | MiB, fourth tenth | MiB, last tenth | descriptors before | after |\n|---|---:|---:|---:|---:|")
    for name, pid in pids.items():
        before, after, left = part(memory[name], 0.3, 0.4), part(memory[name], 0.9, 1), descriptors(pid)
        print(f"| {name} | {before:.1f} | {after:.1f} | {opened[name]} | {left} |")
        if after > before * MAY_GROW:
            wrong.append(f"{name}: {before:.1f} MiB became {after:.1f}")
        if left > opened[name] + MAY_BE_OPEN:
            wrong.append(f"{name}: {opened[name]} descriptors became {left}")
    print("\n| edge | requests | wrong | hit, median in ms, first tenth | last | 99th percentile, first | last |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    tenth = (run[1] - run[0]) / 10
    first, last = (run[0], run[0] + tenth), (run[1] - tenth, run[1])
    for name, seen in visits.items():
        medians = [seen.percentile(0.5, *when) for when in (first, last)]
        worst = [seen.percentile(0.99, *when) for when in (first, last)]
        times = " | ".join(f"{value:.1f}" for value in medians + worst)
        print(f"| {name} | {seen.asked} | {len(seen.wrong)} | {times} |")
        if name not in VISITED:
            continue
        wrong += [f"{name}, after {(at - run[0]) / 60:.1f} minutes: {what}" for at, what in seen.wrong[:20]]
        if medians[1] > 2 * medians[0] + 1:
            wrong.append(f"{name}: hits took {medians[0]:.1f} ms, and {medians[1]:.1f} in the end")
    for name in VISITED:
        for line in cluster.metrics(name).splitlines():
            measure, _, value = line.rpartition(" ")
            if measure.partition("{")[0] in BUSY and float(value) > 0:
                wrong.append(f"{name}: {line}, though nobody asks")
        if "panicked" in cluster.programs[name].log():
            wrong.append(f"{name} has panicked")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
