"""python -m bench.siege: each attack on Weir and on nginx, beside twenty ordinary visitors of one application.

Prints the visitors' 99th percentile and errors with and without the attack, and the server's memory. Run it
by `make siege`, which does the set-up and the build. SECONDS_EACH=8 is how long each attack lasts,
ATTACKS="half_heads slow_readers" chooses some, SERVERS="weir" leaves nginx out, WEIR_BINARIES names a
directory with a weir that is built already.
"""

import multiprocessing
import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from bench.failed import Failed
from bench.siege.attacks import ATTACKS, Attack, Target
from bench.siege.servers import Front, front
from bench.siege.visitors import Visits, visit

SECONDS = float(os.environ.get("SECONDS_EACH") or 8)
SERVERS = (os.environ.get("SERVERS") or "weir nginx").split()
# Before the attack, and what it has to take effect.
QUIET_SECONDS = 4
BEGIN_SECONDS = 1
# A 99th percentile this much above is the machine's: the visitors' interpreter takes its turns with the attack's.
SLACK_MS = 50


@dataclass
class Outcome:
    before: Visits
    during: Visits
    most_memory: int
    note: str

    def holds(self) -> bool:
        """Within a factor of two of the run without the attack, and without an error."""
        return self.during.errors == 0 and self._p99(self.during) <= 2 * self._p99(self.before) + SLACK_MS

    def is_worse_than(self, other: "Outcome") -> bool:
        return self.during.errors > other.during.errors or (
            self._p99(self.during) > 2 * self._p99(other.during) + SLACK_MS
        )

    def cells(self) -> str:
        before, during = (f"{self._p99(visits):.0f}" for visits in (self.before, self.during))
        errors = f"{self.during.errors} of {len(self.during.seconds)}"
        return f"{before} | {during} | {errors} | {self.most_memory / 2**20:.0f} | {self.note}"

    @staticmethod
    def _p99(visits: Visits) -> float:
        return visits.percentile(0.99)


def main() -> int:
    chosen = (os.environ.get("ATTACKS") or "").split()
    attacks = [attack for attack in ATTACKS if not chosen or attack.__name__ in chosen]
    won = []
    print("| attack | server | p99 before (ms) | p99 during (ms) | errors | memory (MiB) | the attack |")
    print("|---|---|---:|---:|---:|---:|---|", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="weir-siege-") as run:
            for attack in attacks:
                won += [attack.__name__] * besieged(attack, Path(run))
    except Failed as failed:
        print(f"siege: {failed}", file=sys.stderr)
        return 1
    print("\nWeir holds against all of them." if not won else f"\nThese attacks win: {', '.join(won)}.")
    return 1 if won else 0


def besieged(attack: Attack, run: Path) -> bool:
    """Whether it wins against Weir: its visitors notice it, and more than they would at nginx."""
    outcomes = {}
    for name in SERVERS:
        with front(name, run) as there:
            outcome = outcomes[name] = _attacked(attack, there)
        print(f"| {attack.__name__} | {name} | {outcome.cells()} |", flush=True)
    weir, nginx = outcomes.get("weir"), outcomes.get("nginx")
    return weir is not None and not weir.holds() and (nginx is None or weir.is_worse_than(nginx))


def _attacked(attack: Attack, there: Front) -> Outcome:
    before = visit(there.target.port, QUIET_SECONDS)
    stop, notes = multiprocessing.Event(), multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=_attack, args=(attack, there.target, stop, notes), daemon=True)
    process.start()
    watch = Watch(there)
    stop.wait(BEGIN_SECONDS)
    during = visit(there.target.port, SECONDS)
    stop.set()
    process.join(10)
    process.kill()
    note = notes.get() if not notes.empty() else "the attack did not end"
    return Outcome(before, during, watch.end(), note)


def _attack(attack: Attack, target: Target, stop, notes) -> None:
    notes.put(attack(target, stop))


class Watch:
    """The most memory that the server has held."""

    def __init__(self, there: Front):
        self._server, self._most, self._ended = there.server, 0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.25):
            self._most = max(self._most, self._server.memory_bytes())

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._most


if __name__ == "__main__":
    sys.exit(main())
