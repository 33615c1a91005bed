"""A crowd of visitors who ask once and keep their connection open."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.client import HOST
from bench.failed import Failed

# How many visitors ask at the same time.
BATCH = 64
# How many addresses the visitors have, from 127.0.0.2 on; each has its own ports.
SOURCES = 8
SECONDS = 10
PIECE = 65536


@contextmanager
def crowd(port: int, path: str, count: int, tls: bool = False) -> Iterator[None]:
    """`count` connections that have had one answer each; closed at the end."""
    context = _trusting() if tls else None
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    with ExitStack() as end:
        for first in range(0, count, BATCH):
            batch = [end.enter_context(_visitor(port, i, context)) for i in range(first, min(first + BATCH, count))]
            for visitor in batch:
                visitor.sendall(request)
            for visitor in batch:
                _read_answer(visitor)
        yield


def _visitor(port: int, number: int, context: ssl.SSLContext | None) -> socket.socket:
    source = f"127.0.0.{2 + number % SOURCES}"
    plain = socket.create_connection(("127.0.0.1", port), SECONDS, (source, 0))
    return context.wrap_socket(plain, server_hostname=HOST) if context else plain


def _trusting() -> ssl.SSLContext:
    """Takes the certificate that was made for this run."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read_answer(visitor: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(visitor)
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if status != "HTTP/1.1 200 OK" or fields.get("connection", "").lower() == "close":
        raise Failed(f"an idle visitor was answered {status!r}")
    missing = int(fields["content-length"]) - len(body)
    while missing > 0:
        missing -= len(_some(visitor))


def _some(visitor: socket.socket) -> bytes:
    received = visitor.recv(PIECE)
    if not received:
        raise Failed("the server closed the connection of an idle visitor")
    return received
