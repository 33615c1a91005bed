"""Programs that a test runs: on free ports, ended when the test ends, their output shown if it fails."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

SITE = Path(__file__).resolve().parent / "site"
REPOSITORY = SITE.parents[2]
# A site may take more than a minute to start beside other builds.
PATIENCE = 180.0


def weir() -> str:
    """The program, as `make test` has built it."""
    return os.environ.get("WEIR_BIN", str(REPOSITORY / "target/debug/weir"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cache(self) -> str:
        return self.headers.get("cache-status", "")


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, timeout: float = 20.0, **headers: str
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        reply = connection.getresponse()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


class Browser:
    """A visitor with cookies, who sends the token of a form along."""

    def __init__(self, port: int, host: str = "localhost") -> None:
        self.port, self.host = port, host
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask(path, "GET", None, **headers)

    def post(self, path: str, form: Mapping[str, str]) -> Reply:
        body = urlencode({"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **form}).encode()
        return self.ask(path, "POST", body, Content_Type="application/x-www-form-urlencoded")

    def ask(self, path: str, method: str, body: bytes | None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            named = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            if self.cookies:
                named["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            for line in reply.headers.get_all("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, fields, reply.read())


def until(what: str, found: Callable[[], Any], patience: float = PATIENCE) -> Any:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if value := found():
                return value
        time.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    port: int
    admin: int
    log: Path

    def get(self, path: str, **headers: str) -> Reply:
        return ask(self.port, path, **headers)

    def says(self, text: str, times: int = 1) -> bool:
        return self.log.read_text(errors="replace").count(text) >= times

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextlib.contextmanager
def serving(
    command: list[str],
    directory: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    path: str = "/",
    admin_host: str = "127.0.0.1",
) -> Iterator[Running]:
    """Runs a command with `--listen` and `--admin` on free ports, until it answers."""
    directory.mkdir(exist_ok=True)
    port, admin, log = free_port(), free_port(), directory / "output"
    addresses = ["--listen", f"127.0.0.1:{port}", "--admin", f"{admin_host}:{admin}"]
    given = {**os.environ, "WEIR_RUNTIME_DIR": str(directory), "XDG_RUNTIME_DIR": str(directory), **(env or {})}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *addresses], cwd=cwd, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    running = Running(process, port, admin, log)
    try:
        until("it answers", lambda: process.poll() is not None or ask(port, path).status < 500)
        assert process.poll() is None, "it has ended"
        yield running
        assert running.end() == 0, "it was not ended in order"
        left = [file.name for file in directory.glob("weir-serve-*")]
        assert not left, f"left behind: {left}"
    except BaseException:
        running.end()
        print(log.read_text(errors="replace")[-6000:])
        raise


def copy_site(to: Path, site: Path = SITE) -> Path:
    shutil.copytree(site, to, ignore=shutil.ignore_patterns("__pycache__", "state"))
    return to


def prepare_site(directory: Path, env: Mapping[str, str]) -> None:
    """Makes its tables and rows."""
    script = (
        "import random, django; django.setup()\n"
        "from django.core.management import call_command\n"
        "from django.db import connection\n"
        "for name in ('default', 'second'): call_command('migrate', run_syncdb=True, verbosity=0, database=name)\n"
        "c = connection.cursor()\n"
        "c.execute('CREATE VIEW shop_article_view AS SELECT id, title FROM shop_article WHERE published')\n"
        "if connection.vendor == 'sqlite': c.execute('PRAGMA journal_mode=WAL'); c.fetchall()\n"
        "c.close()\n"
        "from shop import changes; changes.fill(random.Random(1))\n"
    )
    settings = {"DJANGO_SETTINGS_MODULE": "settings", "WEIR_ADMIN": "off"}
    subprocess.run([sys.executable, "-c", script], cwd=directory, env={**env, **settings}, check=True)
