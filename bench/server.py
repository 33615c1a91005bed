"""A process that the bench starts, with its children: pinned to cores, looked at in /proc, stopped for certain."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from bench.failed import Failed

TICK = 1 / os.sysconf("SC_CLK_TCK")
SECONDS_TO_STOP = 15
LOG_LINES_SHOWN = 12


class Server:
    """Starts COMMAND in a session of its own, so that its children can be told from all others' and a Ctrl-C in the
    terminal does not reach it before us."""

    def __init__(
        self, name: str, command: list[str], cores: list[int], log: Path, environment: dict[str, str] | None = None
    ):
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._leader = subprocess.Popen(
                ["taskset", "--cpu-list", ",".join(map(str, cores)), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | (environment or {}),
            )

    def must_live(self) -> None:
        if self._leader.poll() is not None:
            last = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            raise Failed("\n  ".join([f"{self.name} ended by itself; the end of its log:", *last]))

    def cpu_seconds(self) -> float:
        """User and system time of all its processes, all threads together, so far."""
        # Fields 14 and 15 of proc(5)'s stat; _stat() leaves out the first two.
        return sum(int(fields[11]) + int(fields[12]) for fields in self._stats().values()) * TICK

    def memory_bytes(self) -> int:
        """Proportional set size of all its processes: shared pages count once."""
        return sum(_pss(pid) for pid in self._stats())

    def stop(self) -> None:
        """TERM, some seconds, then KILL to all that is left of the session."""
        self._leader.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._leader.wait(SECONDS_TO_STOP)
        for pid in self._stats():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._leader.wait()

    def _stats(self) -> dict[int, list[str]]:
        """The stat fields of each process of the session. Field 6 is the session: the leader's pid."""
        stats = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
        return {pid: fields for pid, fields in stats.items() if fields and int(fields[3]) == self._leader.pid}


def _stat(process: Path) -> list[str]:
    """What follows the process' name in its stat file; nothing if it has ended."""
    try:
        # The name, in brackets, may itself hold spaces and brackets.
        return (process / "stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return []


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it has ended
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
