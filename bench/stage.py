"""What all servers of a run share: the application on uWSGI, the static file, a directory for what they write."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.options import Options
from bench.server import Server

STYLE = ("/* ten kilobytes of style */\n" * 500)[: 10 * 1024].encode()
TMPFS = Path("/dev/shm")
# The workers share one core with the load generator; more of them would only switch more often.
WORKERS = 2
# Connections that may wait for a worker; the most that kernels of every age allow.
QUEUE = 128


@dataclass(frozen=True)
class Stage:
    options: Options
    run: Path

    @property
    def socket(self) -> Path:
        return self.run / "app.sock"

    @property
    def static(self) -> Path:
        return self.run / "static"

    def calls_below(self, prefix: str) -> dict[str, int]:
        """How often the application was asked for each path that begins so."""
        asked = (line.split()[1] for line in _calls_file(self.run).read_text().splitlines())
        return Counter(path for path in asked if path.startswith(prefix))

    def calls(self, path: str) -> list[float]:
        """When the application was asked for this path (with its query), in seconds since 1970."""
        lines = _calls_file(self.run).read_text().splitlines()
        return [float(at) for at, asked in map(str.split, lines) if asked == path]


@contextmanager
def stage(options: Options) -> Iterator[Stage]:
    """Starts the application; stops it and removes the directory at the end."""
    memory = TMPFS if os.access(TMPFS, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir=memory) as directory:
        ready = Stage(options, Path(directory))
        ready.static.mkdir()
        (ready.static / "style.css").write_bytes(STYLE)
        _calls_file(ready.run).touch()
        uwsgi = _uwsgi(ready)
        try:
            yield ready
        finally:
            uwsgi.stop()


def _uwsgi(ready: Stage) -> Server:
    command = [".venv/bin/uwsgi", f"--socket={ready.socket}", "--wsgi-file=bench/app.py", f"--listen={QUEUE}"]
    command += ["--master", f"--processes={WORKERS}", "--buffer-size=32768", "--single-interpreter"]
    command += ["--need-app", "--die-on-term", "--disable-logging"]
    environment = {"BENCH_CALLS": str(_calls_file(ready.run))}
    return Server("uWSGI", command, ready.options.load_core, ready.run / "uwsgi.log", environment)


def _calls_file(run: Path) -> Path:
    return run / "calls"
