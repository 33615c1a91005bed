"""What stands in a siege: uWSGI, gunicorn and uvicorn with the application, and one server in front of them."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import client
from bench.server import Server
from bench.siege.wire import Target

HERE = Path(__file__).parent
# Processes of each application server, as for a small site.
WORKERS = 4
CORES = sorted(os.sched_getaffinity(0))
WEIR = Path(os.environ.get("WEIR_BINARIES") or "target/siege") / "weir"


@dataclass(frozen=True)
class Front:
    """The server in front, which answers."""

    target: Target
    server: Server


@contextmanager
def front(name: str, run: Path) -> Iterator[Front]:
    """Starts all of it anew; stops it at the end."""
    target, directory = Target(_free_port(), _free_port(), _free_port()), run / name
    shutil.rmtree(directory, ignore_errors=True)
    _files(directory)
    words = {"PORT": target.port, "HTTP2_PORT": target.http2_port, "RUN": directory}
    words |= {"UWSGI": directory / "uwsgi.sock", "GUNICORN": directory / "gunicorn.sock"}
    words |= {"TLS_PORT": target.tls_port}
    words |= {"UVICORN": directory / "uvicorn.sock"}
    words |= {"USER": "user root;" if os.geteuid() == 0 else ""}
    servers = [_uwsgi(directory), _gunicorn(directory), _uvicorn(directory)]
    try:
        servers.append(Server(name, _command(name, words, directory), CORES, directory / f"{name}.log"))
        for path in ("/u/page", "/g/page", "/a/page", "/c/page"):
            client.until(path, lambda path=path: _answers(servers, target.port, path))
        yield Front(target, servers[-1])
    finally:
        for server in reversed(servers):
            server.stop()


def _files(directory: Path) -> None:
    """What the server in front reads: a long file, and a certificate."""
    (directory / "files").mkdir(parents=True)
    with (directory / "files" / "long.bin").open("wb") as long:
        long.truncate(20 << 20)
    for n in range(50):
        with (directory / "files" / f"{n}.bin").open("wb") as one:
            one.truncate(3 << 20)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={client.HOST}"]
    command += ["-keyout", directory / "key.pem", "-out", directory / "certificate.pem"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def _answers(servers: list[Server], port: int, path: str) -> bool:
    for server in servers:
        server.must_live()
    return client.answers(port, path)


def _command(name: str, words: dict[str, object], directory: Path) -> list[str]:
    file = {"weir": "weir.toml", "nginx": "nginx.conf"}[name]
    text = (HERE / file).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    (directory / file).write_text(text)
    if name == "weir":
        return [str(WEIR), "run", "--config", str(directory / file)]
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(directory / file)]


def _uwsgi(directory: Path) -> Server:
    command = [".venv/bin/uwsgi", f"--socket={directory}/uwsgi.sock", "--wsgi-file=bench/siege/app.py"]
    command += ["--master", f"--processes={WORKERS}", "--need-app", "--die-on-term", "--disable-logging"]
    return Server("uWSGI", command, CORES, directory / "uwsgi.log")


def _gunicorn(directory: Path) -> Server:
    command = [".venv/bin/gunicorn", f"--bind=unix:{directory}/gunicorn.sock", f"--workers={WORKERS}"]
    command += ["--no-control-socket", "--graceful-timeout=1", "bench.siege.app:application"]
    return Server("gunicorn", command, CORES, directory / "gunicorn.log")


def _uvicorn(directory: Path) -> Server:
    command = [".venv/bin/uvicorn", f"--uds={directory}/uvicorn.sock", "--log-level=warning", "--no-access-log"]
    return Server("uvicorn", [*command, "bench.siege.tunnels:application"], CORES, directory / "uvicorn.log")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
