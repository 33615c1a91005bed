"""The servers side by side: how each is set up, started, checked and stopped."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import client
from bench.app import PAGE
from bench.failed import Failed
from bench.options import FILES_BESIDES
from bench.server import Server
from bench.stage import STYLE, Stage

BENCH = Path(__file__).parent


@dataclass
class Running:
    """A contender that answers, on one port or on one for each of its instances."""

    stage: Stage
    ports: list[int] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        return sum(server.cpu_seconds() for server in self.servers)

    def memory_bytes(self) -> int:
        return sum(server.memory_bytes() for server in self.servers)

    def start(self, name: str, command: list[str]) -> None:
        log = self.stage.run / f"{name.replace(' ', '-')}.log"
        self.servers.append(Server(name, command, self.stage.options.server_core, log))

    def check(self) -> None:
        """Waits until all answer; what they answer is what the application says and the file holds."""
        for port in self.ports:
            client.until(f"port {port}", lambda port=port: self._is_up(port))
            right = {"/through/page": PAGE, "/long/page": PAGE, "/second/page": PAGE, "/static/style.css": STYLE}
            for path, body in right.items():
                if client.get(port, path) != body:
                    raise Failed(f"port {port} answered {path} with other bytes than it should")

    def _is_up(self, port: int) -> bool:
        for server in self.servers:
            server.must_live()
        return client.answers(port, "/through/page")


@dataclass(frozen=True)
class Contender:
    name: str
    setup: Callable[[Running], None]

    @contextmanager
    def running(self, stage: Stage) -> Iterator[Running]:
        running = Running(stage)
        try:
            self.setup(running)
            running.check()
            yield running
        finally:
            for server in reversed(running.servers):
                server.stop()


def _nginx(running: Running) -> None:
    port = _free_port()
    directory = running.stage.run / f"nginx-{port}"
    directory.mkdir()
    files = running.stage.options.idle + FILES_BESIDES
    # Master and worker as one user, so that the worker may write where the master made its directories.
    user = "user root root;" if os.getuid() == 0 else ""
    config = _filled(running.stage, ["nginx.conf"], PORT=port, RUN=directory, FILES=files, USER=user)
    running.ports.append(port)
    running.start("nginx", ["nginx", "-e", "stderr", "-c", str(config)])


def _weir(running: Running) -> None:
    port = _free_port()
    config = _filled(running.stage, ["weir.toml"], PORT=port, CACHE_NODE_PORT=0, WSGI_ADAPTER_PORT=0)
    running.ports.append(port)
    running.start("weir", ["target/release/weir", "run", "--config", str(config)])


def _services(running: Running, edges: int) -> None:
    peers = {"CACHE_NODE_PORT": _free_port(), "WSGI_ADAPTER_PORT": _free_port()}
    running.ports += [_free_port() for _ in range(edges)]
    configs = [_filled(running.stage, ["weir.toml", "peers.toml"], PORT=port, **peers) for port in running.ports]
    running.start("cache-node", ["target/release/cache-node", "--config", str(configs[0])])
    running.start("wsgi-adapter", ["target/release/wsgi-adapter", "--config", str(configs[0])])
    for config in configs:
        running.start("edge", ["target/release/edge", "--config", str(config)])


def _filled(stage: Stage, templates: list[str], **words: object) -> Path:
    """A settings file made of the templates, with their @WORDS@ filled in."""
    text = "".join((BENCH / name).read_text() for name in templates)
    for word, value in {**words, "APPLICATION": stage.socket, "STATIC": stage.static}.items():
        text = text.replace(f"@{word}@", str(value))
    file = stage.run / f"{words['PORT']}-{templates[0]}"
    file.write_text(text)
    return file


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


NGINX = Contender("nginx", _nginx)
WEIR = Contender("Weir", _weir)
SERVICES = Contender("Weir, three services", lambda running: _services(running, 1))
TWO_NGINX = Contender("two nginx", lambda running: (_nginx(running), _nginx(running)))
TWO_EDGES = Contender("Weir, two edges", lambda running: _services(running, 2))
