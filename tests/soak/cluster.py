"""What is soaked: two edges, two cache-nodes, two wsgi-adapters, Redis and uWSGI, and beside them one `weir`."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from faults.weir import REPOSITORY, free_port

TIMES = ("1s", "2s")  # what a reload changes
SETTINGS = """
[edge]
listen = ["127.0.0.1:{http}"]
admin = "127.0.0.1:{admin}"
access_log = "off"
purge_allow = ["127.0.0.1/32"]
{peers}
[[edge.site]]
[[edge.site.location]]
match = "/files/"
alias = "files/"
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "{ttl}"
[wsgi_adapter]
listen = "127.0.0.1:{adapter}"
admin = "off"
[[wsgi_adapter.pool]]
name = "app"
servers = ["uwsgi+unix://{app}"]
buffer_size = "32KiB"
[cache_node]
listen = "127.0.0.1:{node}"
admin = "off"
name = "{name}"
"""


class Program:
    """A process that can be killed and started again."""

    def __init__(self, name: str, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.name, self.command, self.directory = name, command, directory
        self.environment = os.environ | environment
        self.start()

    def start(self) -> None:
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise

    def log(self) -> str:
        return (self.directory / f"{self.name}.log").read_text(errors="replace")


class Cluster:
    """Those whose name ends in `a`, and `weir`, are never killed: their memory is watched, and their visitors."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.programs = directory, {}
        (directory / "files").mkdir()
        (directory / "files/large.bin").write_bytes(b"0123456789abcdef" * 65536)
        (directory / "oracle").mkdir()
        self.ports = {name: free_port() for name in ("redis", "node_a", "node_b", "adapter_a", "adapter_b")}
        self.http = {name: free_port() for name in ("edge_a", "edge_b", "weir")}
        self.admin = {name: free_port() for name in self.http}

    def __enter__(self) -> "Cluster":
        redis = os.environ.get("WEIR_REDIS_SERVER") or shutil.which("redis-server") or "redis-server"
        self._run("redis", [redis, "--port", str(self.ports["redis"]), "--save", "", "--appendonly", "no"])
        uwsgi = [os.environ.get("WEIR_UWSGI", f"{sys.prefix}/bin/uwsgi"), "--socket", "app.sock", "--need-app"]
        uwsgi += ["--threads", "8", "--listen", "100", "--buffer-size", "32768", "--single-interpreter", "--master"]
        oracle = REPOSITORY / "tests/apps/oracle.py"
        self._run("uwsgi", [*uwsgi, "--wsgi-file", str(oracle)], ORACLE_DIR=str(self.directory / "oracle"))
        for name in ("node_a", "node_b"):
            self._service("cache-node", name)
        for name in ("adapter_a", "adapter_b"):
            self._service("wsgi-adapter", name)
        for name in ("edge_a", "edge_b"):
            self._service("edge", name)
        self._service("weir", "weir")
        for name in self.http:
            self.wait(name)
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.programs.values()):
            with suppress(ProcessLookupError):
                program.process.kill()
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(10)

    def write(self, name: str, ttl: str = TIMES[0]) -> None:
        """The settings of one process."""
        nodes = ", ".join(f'"http://127.0.0.1:{self.ports[node]}"' for node in ("node_a", "node_b"))
        adapters = ", ".join(f'"http://127.0.0.1:{self.ports[adapter]}"' for adapter in ("adapter_a", "adapter_b"))
        alone = name == "weir"
        text = SETTINGS.format(
            name=name,
            ttl=ttl,
            http=self.http.get(name, 1),
            admin=self.admin.get(name, 2),
            node=self.ports.get(name, 3),
            adapter=self.ports.get(name, 4),
            app=self.directory / "app.sock",
            peers="" if alone else f"peers = {{ cache_node = [{nodes}], wsgi_adapter = [{adapters}] }}",
        )
        if not alone:
            text += f'redis = {{ url = "redis://127.0.0.1:{self.ports["redis"]}" }}\n'
        (self.directory / f"{name}.toml").write_text(text)

    def wait(self, name: str, seconds: float = 60) -> None:
        """Until this edge says that it is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.admin[name]}/readyz", timeout=5):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{name} is not ready:\n{self.programs[name].log()[-2000:]}")

    def metrics(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin[name]}/metrics", timeout=10) as reply:
            return str(reply.read(), "utf-8")

    def purge(self, name: str, prefix: str) -> bool:
        """Whether all have acknowledged it."""
        weir = [str(binary("weir")), "purge", "--admin", f"127.0.0.1:{self.admin[name]}", "--prefix", prefix]
        return subprocess.run(weir, cwd=self.directory, capture_output=True, timeout=60, check=False).returncode == 0

    def _service(self, program: str, name: str) -> None:
        self.write(name)
        command = [str(binary(program)), *(["run"] if program == "weir" else []), "--config", f"{name}.toml"]
        self._run(name, command)

    def _run(self, name: str, command: list[str], **environment: str) -> None:
        self.programs[name] = Program(name, command, self.directory, environment)


def binary(name: str) -> Path:
    return Path(os.environ.get("WEIR_BINARIES", REPOSITORY / "target/debug")) / name
