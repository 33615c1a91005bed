"""Weir with a system call that fails: the n-th of each thread, for every n. `python -m faults`, from tests/.

For each call and error, Weir is started under strace (Debian's), which lets that call fail, and asked everything in
SCENES. A request may get an error or be cut off. A fault is: wrong bytes, an error although there is an old page, an
end of the process, a panic, or a request that is not answered rightly once nothing fails any more. WEIR_BIN names the
program; CALLS="writev connect" chooses.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from faults.scenes import BROKEN, WITHOUT_NEED, scenes
from faults.weir import Weir, application

# Each call, how it fails, and up to which n. `write` and `clone3` are left out: tokio wakes and starts its own threads
# by them, and panics where that fails.
CALLS = [
    ("accept4", "EMFILE", 8),
    ("accept4", "ECONNABORTED", 4),
    ("socket", "EMFILE", 10),
    ("connect", "ECONNREFUSED", 6),
    ("connect", "EADDRNOTAVAIL", 6),
    ("setsockopt", "EINVAL", 14),
    ("openat", "EMFILE", 30),
    ("openat", "EIO", 30),
    ("statx", "EIO", 14),
    ("sendfile", "EIO", 4),
    ("sendfile", "EINVAL", 4),
    ("pread64", "EIO", 6),
    ("read", "EIO", 14),
    ("recvfrom", "ECONNRESET", 14),
    ("sendto", "EPIPE", 14),
    ("writev", "EPIPE", 14),
    ("epoll_ctl", "ENOSPC", 18),
    ("shutdown", "ENOTCONN", 4),
]
# Rounds of all scenes until one meets no failing call.
ROUNDS = 5


def main() -> int:
    chosen = os.environ.get("CALLS", "").split()
    faults = 0
    print("| call | error | walked | answered | refused | cut off | does not start | faults |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="weir-faults-") as name, application(Path(name)) as app:
        for call, error, last in CALLS:
            if chosen and call not in chosen:
                continue
            seen: Counter[str] = Counter()
            for n in range(1, last + 1):
                if not walk(Weir(Path(name), app, (call, error, n)), seen):
                    break
            columns = ("walked", "answered", "refused", "cut off", "does not start", "faults")
            print(f"| `{call}` | {error} | " + " | ".join(str(seen[column]) for column in columns) + " |", flush=True)
            faults += seen["faults"]
    return 1 if faults else 0


def walk(weir: Weir, seen: Counter[str]) -> bool:
    """False: no thread makes so many of these calls."""
    with weir:
        if not weir.starts():
            if weir.injected() == 0:
                fault(weir, seen, f"does not start, though nothing failed: {weir.log()[-300:]}")
            seen.update(("walked", "does not start"))
            return True
        for _ in range(ROUNDS):
            before = weir.injected()
            told = scenes(weir.ports)
            for scene, outcome in told.items():
                seen[outcome] += 1
                if outcome == BROKEN:
                    fault(weir, seen, f"{scene}: wrong bytes")
                if outcome == WITHOUT_NEED:
                    fault(weir, seen, f"{scene}: an error although there is an old page")
            if weir.injected() == before:
                for scene, outcome in told.items():
                    if outcome != "answered":
                        fault(weir, seen, f"{scene}: {outcome}, though nothing fails any more")
                break
        if not weir.runs():
            fault(weir, seen, "it has ended")
        if "panicked" in weir.log():
            fault(weir, seen, "it has panicked")
        reached = weir.injected() > 0
        seen["walked"] += reached
        return reached


def fault(weir: Weir, seen: Counter[str], what: str) -> None:
    seen["faults"] += 1
    print(f"{weir.failing}: {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
