"""Weir under strace, and the application behind it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from faults.scenes import BIG, Ports

REPOSITORY = Path(__file__).resolve().parents[2]
APPLICATION = """
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "POST":
        received = 0
        while piece := environ["wsgi.input"].read(65536):
            received += len(piece)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
        return [str(received).encode()]
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"0123456789abcdef" * 4000] * 40 if path == "/large" else [f"{path}|".encode() * 300]
"""
SETTINGS = """
[edge]
listen = [
  {{ address = "127.0.0.1:{plain}", http2 = true }},
  {{ address = "127.0.0.1:{tls}", tls = {{ certificate = "cert.pem", key = "key.pem" }} }},
]
admin = "off"
access_log = "json"
purge_allow = ["127.0.0.1/32"]
[[edge.site]]
[[edge.site.location]]
match = "/files/"
alias = "files/"
[[edge.site.location]]
match = "/refreshed/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
[[edge.site.location]]
match = "/waited-for/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = 0
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
[wsgi_adapter]
admin = "off"
[[wsgi_adapter.pool]]
name = "app"
servers = ["uwsgi+unix://{app}"]
[cache_node]
admin = "off"
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def application(directory: Path) -> Iterator[Path]:
    """It runs; its socket."""
    (directory / "app.py").write_text(APPLICATION)
    (directory / "files").mkdir()
    (directory / "files/small.txt").write_text("small file")
    (directory / "files/large.bin").write_bytes(BIG)
    certificate = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    subprocess.run(certificate.split(), cwd=directory, check=True, stderr=subprocess.DEVNULL)
    uwsgi = os.environ.get("WEIR_UWSGI", f"{sys.prefix}/bin/uwsgi")
    listening = directory / "app.sock"
    command = [uwsgi, "--socket", str(listening), "--wsgi-file", "app.py", "--threads", "4", "--need-app"]
    with (directory / "uwsgi.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        for _ in range(100):
            if listening.exists():
                break
            time.sleep(0.1)
        yield listening
    finally:
        process.kill()
        process.wait(30)


class Weir:
    """A context in which it runs, and the n-th such call of each thread fails."""

    def __init__(self, directory: Path, app: Path, failing: tuple[str, str, int]) -> None:
        self.directory, self.failing = directory, failing
        self.ports = Ports(free_port(), free_port())
        settings = SETTINGS.format(plain=self.ports.plain, tls=self.ports.tls, app=app)
        (directory / "weir.toml").write_text(settings)

    def __enter__(self) -> "Weir":
        call, error, n = self.failing
        self.trace, self.output = self.directory / "trace", self.directory / "weir.log"
        self.trace.unlink(missing_ok=True)
        weir = os.environ.get("WEIR_BIN", str(REPOSITORY / "target/debug/weir"))
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={n}"]
        command = ["strace", "-f", "-qq", "-o", str(self.trace), *inject, weir, "run", "--config", "weir.toml"]
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for signal_number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal_number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                return

    def starts(self) -> bool:
        for _ in range(200):
            if "weir serves on" in self.log():
                return True
            if not self.runs():
                return False
            time.sleep(0.05)
        return False

    def runs(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def injected(self) -> int:
        """How many calls have failed."""
        return self.trace.read_text(errors="replace").count("(INJECTED)") if self.trace.exists() else 0
