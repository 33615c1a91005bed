"""What all servers of a run share: the application on uWSGI, the static file, a directory for what they write."""

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.client import HOST
from bench.failed import Failed
from bench.options import Options
from bench.server import Server

# As large as a file that people download.
LARGE_FILE_BYTES = 100 * 2**20
# What a browser asks for after the page: scripts and styles, with a .br of a third of the size beside each. Nobody
# looks into them.
ASSETS = {f"{number}.{kind}": (2 + 3 * number) * 1024 for number in range(10) for kind in ("css", "js")}
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
    def http(self) -> Path:
        """The same application by HTTP, for servers that do not speak uwsgi."""
        return self.run / "http.sock"

    @property
    def certificate(self) -> Path:
        """The key is beside it."""
        return self.run / "cert.pem"

    def words(self) -> dict[str, Path]:
        """What is filled in for the @WORDS@ of all settings files."""
        key = self.certificate.with_name("key.pem")
        words = {"APPLICATION": self.socket, "HTTP": self.http, "STATIC": self.static}
        return words | {"CERTIFICATE": self.certificate, "KEY": key}

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
        (ready.static / "assets").mkdir()
        for name, size in ASSETS.items():
            (ready.static / "assets" / name).write_bytes(os.urandom(size))
            (ready.static / "assets" / f"{name}.br").write_bytes(os.urandom(size // 3))
        with (ready.static / "large.bin").open("wb") as large:
            for _ in range(LARGE_FILE_BYTES // 2**20):
                large.write(os.urandom(2**20))
        _make_certificate(ready)
        _calls_file(ready.run).touch()
        uwsgi = _uwsgi(ready)
        try:
            yield ready
        finally:
            uwsgi.stop()


def _uwsgi(ready: Stage) -> Server:
    command = [".venv/bin/uwsgi", f"--socket={ready.socket}", f"--http-socket={ready.http}"]
    command += ["--wsgi-file=bench/app.py", f"--listen={QUEUE}"]
    command += ["--master", f"--processes={WORKERS}", "--buffer-size=32768", "--single-interpreter"]
    command += ["--need-app", "--die-on-term", "--disable-logging"]
    environment = {"BENCH_CALLS": str(_calls_file(ready.run))}
    return Server("uWSGI", command, [ready.options.load_core], ready.run / "uwsgi.log", environment)


def _make_certificate(ready: Stage) -> None:
    words = ready.words()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(words["KEY"]), "-out", str(words["CERTIFICATE"]), "-days", "2"]
    command += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=10)
    if made.returncode != 0:
        raise Failed(f"openssl made no certificate: {made.stderr}")


def _calls_file(run: Path) -> Path:
    return run / "calls"
