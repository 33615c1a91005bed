"""Weir and nginx on free ports, with and without TLS, in front of one application on uWSGI."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from suites.drive import send

REPOSITORY = Path(__file__).resolve().parents[2]
APPLICATION = """
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    text = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO')} {len(body)}".encode()
    start_response("200 OK", [("Content-Length", str(len(text))), ("Cache-Control", "no-store")])
    return [text]
"""
WEIR = """
[edge]
listen = ["127.0.0.1:{plain}", {{ address = "127.0.0.1:{tls}", tls = {{ certificate = "cert.pem", key = "key.pem" }} }}]
admin = "off"
access_log = "off"
[[edge.site]]
[[edge.site.location]]
match = "/"
pool = "app"
[[wsgi_adapter.pool]]
name = "app"
servers = ["uwsgi+unix://{directory}/app.sock"]
buffer_size = 65535
"""
NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; events {{}} worker_processes 1;
http {{
  access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {directory}/cert.pem; ssl_certificate_key {directory}/key.pem;
    location / {{
      uwsgi_param REQUEST_METHOD $request_method; uwsgi_param PATH_INFO $document_uri;
      uwsgi_param QUERY_STRING $query_string; uwsgi_param CONTENT_LENGTH $content_length;
      uwsgi_param SERVER_PROTOCOL $server_protocol; uwsgi_param SERVER_NAME $server_name;
      uwsgi_param SERVER_PORT $server_port; uwsgi_pass unix:{directory}/app.sock;
    }}
  }}
}}
"""


class Ports(NamedTuple):
    plain: int
    tls: int


class Servers:
    """A context in which they run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {name: Ports(free_port(), free_port()) for name in ("Weir", "nginx")}
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Servers":
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        (self.directory / "app.py").write_text(APPLICATION)
        for name, text, file in (("Weir", WEIR, "weir.toml"), ("nginx", NGINX, "nginx.conf")):
            ports = self.ports[name]
            filled = text.format(directory=self.directory, plain=ports.plain, tls=ports.tls)
            (self.directory / file).write_text(filled)
        certificate = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]
        certificate += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
        subprocess.run(certificate, cwd=self.directory, check=True, stderr=subprocess.DEVNULL)
        uwsgi = os.environ.get("WEIR_UWSGI", f"{sys.prefix}/bin/uwsgi")
        weir = str(Path(os.environ.get("WEIR_BIN", REPOSITORY / "target/debug/weir")).resolve())
        nginx = os.environ.get("WEIR_NGINX") or shutil.which("nginx") or "/usr/sbin/nginx"
        self.start("uwsgi", uwsgi, "--socket", "app.sock", "--wsgi-file", "app.py", "--master", "--threads", "8",
                   "--buffer-size", "65535", "--die-on-term", "--chmod-socket=666", "--disable-logging")  # fmt: skip
        self.start("weir", weir, "run", "--config", "weir.toml")
        self.start("nginx", nginx, "-e", "error.log", "-c", str(self.directory / "nginx.conf"))
        for ports in self.ports.values():
            for port in ports:
                until(lambda port=port: socket.create_connection(("127.0.0.1", port), timeout=5).close() or True)
            until(lambda port=ports.plain: send(port, b"GET / HTTP/1.0\r\n\r\n").accepted)
        return self

    def start(self, name: str, *command: str) -> None:
        log = (self.directory / f"{name}.log").open("wb")
        process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append(process)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(holds: Callable[[], bool]) -> None:
    """Waits for a server and the application behind it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("a server does not answer within a minute")
        time.sleep(0.1)
