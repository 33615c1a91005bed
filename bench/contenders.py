"""The servers side by side: how each is set up, started, checked and stopped."""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import client
from bench.app import PAGE, SIZES
from bench.failed import Failed
from bench.options import FILES_BESIDES
from bench.server import Server
from bench.stage import STYLE, Stage

BENCH = Path(__file__).parent
BROTLI_OF_NGINX = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")
# Where the programs are that were built with the release profile.
BUILT = os.environ.get("WEIR_BINARIES") or "target/release"
CACHED = {"/through/page": PAGE, "/long/page": PAGE}
ALL = CACHED | {"/second/page": PAGE, "/static/style.css": STYLE}


@dataclass
class Running:
    """A contender that answers, on one port or on one for each of its instances."""

    stage: Stage
    ports: list[int] = field(default_factory=list)
    # Where the edges' admin listeners are, if they have any.
    admins: list[int] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    # Where TLS is spoken, and HTTP/2 without TLS, if they are.
    tls_port: int = 0
    h2_port: int = 0
    # Where the load comes from as well: for what is a matter of several threads.
    on_both_cores: bool = False
    # What it must answer to be measured at all.
    right: dict[str, bytes] = field(default_factory=lambda: ALL)
    # The command that runs each server, such as valgrind.
    tool: list[str] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        return sum(server.cpu_seconds() for server in self.servers)

    def cpu_seconds_of(self, *names: str) -> float:
        return sum(server.cpu_seconds() for server in self.servers if server.name in names)

    def memory_bytes(self) -> int:
        return sum(server.memory_bytes() for server in self.servers)

    def start(self, name: str, command: list[str], settings: dict[str, object] | None = None) -> None:
        """`settings` go beside the file's, by the environment."""
        log = self.stage.run / f"{name.replace(' ', '-')}.log"
        environment = {key: str(value) for key, value in (settings or {}).items()}
        options = self.stage.options
        cores = [options.server_core, options.load_core] if self.on_both_cores else [options.server_core]
        self.servers.append(Server(name, [*self.tool, *command], cores, log, environment))

    def check(self) -> None:
        """Waits until all answer; what they answer is what the application says and the file holds."""
        for port in self.ports:
            client.until(f"port {port}", lambda port=port: self._is_up(port))
            for path, body in self.right.items():
                if client.get(port, path) != body:
                    raise Failed(f"port {port} answered {path} with other bytes than it should")
        # An edge that does not follow a purge log yet keeps pages only for a moment.
        for admin in self.admins:
            client.until("a purge", lambda admin=admin: self._is_heard(admin))

    def _is_heard(self, admin: int) -> bool:
        answer = json.loads(client.post(admin, "/api/v1/purge", '{"tags": ["nobody"]}'))
        edges = [name for name in answer.get("acknowledged", []) if name.startswith("edge-")]
        return answer.get("complete", False) and len(edges) == len(self.admins)

    def _is_up(self, port: int) -> bool:
        for server in self.servers:
            server.must_live()
        return client.answers(port, "/through/page")


@dataclass(frozen=True)
class Contender:
    name: str
    setup: Callable[[Running], None]
    # It is not measured if this program is missing.
    program: str = "true"

    def is_there(self) -> bool:
        return shutil.which(self.program) is not None

    @contextmanager
    def running(self, stage: Stage, tool: Sequence[str] = ()) -> Iterator[Running]:
        running = Running(stage, tool=list(tool))
        try:
            self.setup(running)
            running.check()
            yield running
        finally:
            for server in reversed(running.servers):
                server.stop()


def _nginx(running: Running) -> None:
    port = _free_port()
    directory = Path(tempfile.mkdtemp(prefix="nginx-", dir=running.stage.run))
    files = running.stage.options.idle + FILES_BESIDES
    # Master and worker as one user, so that the worker may write where the master made its directories.
    user = "user root root;" if os.getuid() == 0 else ""
    running.ports.append(port)
    running.tls_port, running.h2_port = _free_port(), _free_port()
    words = {"PORT": port, "TLS_PORT": running.tls_port, "H2_PORT": running.h2_port, "RUN": directory}
    has_brotli = BROTLI_OF_NGINX.exists()
    words |= {"MODULES": f"load_module {BROTLI_OF_NGINX};" if has_brotli else ""}
    words |= {"BROTLI": "brotli_static on;" if has_brotli else "gzip_static on;", "FILES": files, "USER": user}
    config = _filled(running.stage, ["nginx.conf"], **words)
    running.start("nginx", ["nginx", "-e", "stderr", "-c", str(config)])


def _weir(running: Running, runtime: str = "shared") -> None:
    port = _free_port()
    running.tls_port, running.h2_port = _free_port(), _free_port()
    words = {"PORT": port, "TLS_PORT": running.tls_port, "H2_PORT": running.h2_port}
    config = _filled(running.stage, ["weir.toml"], **words, CACHE_NODE_PORT=0, WSGI_ADAPTER_PORT=0)
    running.ports.append(port)
    running.start("weir", [f"{BUILT}/weir", "run", "--config", str(config)], {"WEIR__EDGE__RUNTIME": runtime})


def _weir_on_both_cores(running: Running, runtime: str = "shared") -> None:
    running.on_both_cores = True
    _weir(running, runtime)


def _h2o(running: Running) -> None:
    port = _free_port()
    running.ports.append(port)
    running.tls_port, running.h2_port = _free_port(), _free_port()
    running.right = CACHED | {"/static/style.css": STYLE}
    pages = Path(tempfile.mkdtemp(prefix="h2o-", dir=running.stage.run))
    for path, page in {"/page": PAGE, **SIZES}.items():
        (pages / path.strip("/")).write_bytes(page)
    words = {"PORT": port, "TLS_PORT": running.tls_port, "H2_PORT": running.h2_port, "RUN": pages, "PAGES": pages}
    words |= {"FILES": running.stage.options.idle + FILES_BESIDES, "USER": "user: root" if os.getuid() == 0 else ""}
    running.start("h2o", ["h2o", "--conf", str(_filled(running.stage, ["h2o.conf"], **words))])


def _varnish(running: Running) -> None:
    port = _free_port()
    running.ports.append(port)
    running.right = CACHED
    config = _filled(running.stage, ["varnish.vcl"], PORT=port)
    directory = running.stage.run / f"varnish-{port}"
    command = ["varnishd", "-F", "-n", str(directory), "-a", f"127.0.0.1:{port}", "-f", str(config)]
    # As nginx: memory for pages, idle connections kept. No jail, so that it may read what is in our directory.
    running.start("varnish", [*command, "-s", "malloc,100m", "-p", "timeout_idle=75", "-j", "none"])


def _haproxy(running: Running) -> None:
    port = _free_port()
    running.ports.append(port)
    running.right = CACHED
    config = _filled(running.stage, ["haproxy.cfg"], PORT=port, FILES=running.stage.options.idle + FILES_BESIDES)
    running.start("haproxy", ["haproxy", "-f", str(config)])


def _floor(running: Running) -> None:
    port = _free_port()
    running.ports.append(port)
    running.right = CACHED
    page = running.stage.run / "page"
    page.write_bytes(PAGE)
    running.start("floor", ["target/bench/floor", str(port), str(page)])


def _services(running: Running, edges: int) -> None:
    peers = {"CACHE_NODE_PORT": _free_port(), "WSGI_ADAPTER_PORT": _free_port()}
    running.ports += [_free_port() for _ in range(edges)]
    configs = [_filled(running.stage, ["weir.toml", "peers.toml"], PORT=port, **peers) for port in running.ports]
    running.start("cache-node", [f"{BUILT}/cache-node", "--config", str(configs[0])])
    running.start("wsgi-adapter", [f"{BUILT}/wsgi-adapter", "--config", str(configs[0])])
    for config in configs:
        running.start("edge", [f"{BUILT}/edge", "--config", str(config)])


def _cluster(running: Running, edges: int, nodes: int = 2, l1: str = "128MiB", memory: str = "256MiB") -> None:
    """Edges and cache-nodes on one Redis."""
    redis = _free_port()
    quiet = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    running.start("redis", [os.environ.get("WEIR_REDIS_SERVER", "redis-server"), "--port", str(redis), *quiet])
    node_ports = [_free_port() for _ in range(nodes)]
    adapter = _free_port()
    running.ports += [_free_port() for _ in range(edges)]
    running.admins += [_free_port() for _ in range(edges)]

    def settings(port: int, node: int) -> str:
        words = {"PORT": port, "CACHE_NODE_PORT": node, "WSGI_ADAPTER_PORT": adapter}
        return str(_filled(running.stage, ["weir.toml", "peers.toml"], **words))

    for number, port in enumerate(node_ports):
        by_environment = {
            "WEIR__CACHE_NODE__REDIS__URL": f"redis://127.0.0.1:{redis}",
            "WEIR__CACHE_NODE__NAME": f"node-{number}",
            "WEIR__CACHE_NODE__MEMORY": memory,
            "WEIR__CACHE_NODE__MAX_OBJECT": "16KiB",
        }
        running.start("cache-node", [f"{BUILT}/cache-node", "--config", settings(port, port)], by_environment)
    running.start("wsgi-adapter", [f"{BUILT}/wsgi-adapter", "--config", settings(adapter, node_ports[0])])
    nodes_by_url = json.dumps([f"http://127.0.0.1:{port}" for port in node_ports])
    for number, (port, admin) in enumerate(zip(running.ports, running.admins, strict=True)):
        by_environment = {
            "WEIR__EDGE__PEERS__CACHE_NODE": nodes_by_url,
            "WEIR__EDGE__ADMIN": f"127.0.0.1:{admin}",
            "WEIR__EDGE__NAME": f"edge-{number}",
            "WEIR__EDGE__L1__MEMORY": l1,
        }
        running.start("edge", [f"{BUILT}/edge", "--config", settings(port, node_ports[0])], by_environment)


def _filled(stage: Stage, templates: list[str], **words: object) -> Path:
    """A settings file made of the templates, with their @WORDS@ filled in."""
    text = "".join((BENCH / name).read_text() for name in templates)
    for word, value in {"TLS_PORT": 0, "H2_PORT": 0, "RUN": stage.run, **words, **stage.words()}.items():
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
ON_BOTH_CORES = Contender("Weir, two cores", _weir_on_both_cores)
PER_CORE = Contender("Weir, two cores, per_core", lambda running: _weir_on_both_cores(running, "per_core"))
H2O = Contender("H2O", _h2o, "h2o")
VARNISH = Contender("Varnish", _varnish, "varnishd")
HAPROXY = Contender("HAProxy", _haproxy, "haproxy")
FLOOR = Contender("bare epoll loop", _floor)
SERVICES = Contender("Weir, three services", lambda running: _services(running, 1))
TWO_NGINX = Contender("two nginx", lambda running: (_nginx(running), _nginx(running)))
TWO_EDGES = Contender("Weir, two edges", lambda running: _services(running, 2))
THREE_NGINX = Contender("three nginx", lambda running: [_nginx(running) for _ in range(3)])
FOUR_NGINX = Contender("four nginx", lambda running: [_nginx(running) for _ in range(4)])
FOUR_EDGES = Contender("Weir, four edges", lambda running: _services(running, 4))
CLUSTER = Contender("Weir, three edges, two cache-nodes, Redis", lambda running: _cluster(running, 3))
# Edges that keep next to nothing themselves, so that every request is a lookup.
FROM_MEMORY = Contender("from its memory", lambda running: _cluster(running, 1, 1, l1="1KiB"))
FROM_REDIS = Contender("from Redis", lambda running: _cluster(running, 1, 1, l1="1KiB", memory="64KiB"))
