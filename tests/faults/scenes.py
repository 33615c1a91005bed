"""What Weir is asked while calls fail, and what is right."""

import socket
import ssl
import time
from typing import NamedTuple

from faults import http2

BIG = bytes(range(256)) * 8192
GENERATED = b"0123456789abcdef" * 160_000
# Answers that are neither right nor wrong begin as the right one does.
BROKEN = "broken"
# Not the page, although an old one was there.
WITHOUT_NEED = "without need"
# Pages of the last scenes have become stale by then.
STALE = 1.2


class Ports(NamedTuple):
    plain: int
    tls: int


class Scene(NamedTuple):
    name: str
    request: bytes
    # None: any body.
    right: bytes | None
    over_tls: bool = False
    over_http2: str = ""


def get(path: str, method: str = "GET", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n".encode() + body


def page(path: str) -> bytes:
    return f"{path}|".encode() * 300


SCENES = [
    Scene("waited-for", get("/waited-for/a"), page("/waited-for/a")),
    Scene("refreshed", get("/refreshed/a"), page("/refreshed/a")),
    Scene("miss", get("/a"), page("/a")),
    Scene("hit", get("/a"), page("/a")),
    Scene("small file", get("/files/small.txt"), b"small file"),
    Scene("large file", get("/files/large.bin"), BIG),
    Scene("upload", get("/upload", "POST", b"x" * 200_000), b"200000"),
    Scene("large reply", get("/large"), GENERATED),
    Scene("page over TLS", get("/b"), page("/b"), over_tls=True),
    Scene("large file over TLS", get("/files/large.bin"), BIG, over_tls=True),
    Scene("purge", get("/a", "PURGE"), None),
    Scene("page after its purge", get("/a"), page("/a")),
    Scene("page over HTTP/2", b"", page("/c"), over_http2="/c"),
    Scene("large reply over HTTP/2", b"", GENERATED, over_http2="/large"),
]
# The first two again, when their pages are stale: one is given at once and made again meanwhile, the other is given if
# it cannot be made again.
STALE_SCENES = [scene._replace(name=f"{scene.name}, stale") for scene in SCENES[:2]]


def scenes(ports: Ports) -> dict[str, str]:
    """What became of each."""
    begun = time.monotonic()
    told = {scene.name: outcome(scene, ports) for scene in SCENES}
    time.sleep(max(0, begun + STALE - time.monotonic()))
    for known, scene in zip(SCENES, STALE_SCENES, strict=False):
        told[scene.name] = outcome(scene, ports)
        if told[known.name] == "answered" and told[scene.name] == "refused":
            told[scene.name] = WITHOUT_NEED
    return told


def outcome(scene: Scene, ports: Ports) -> str:
    try:
        answer = ask(scene, ports)
    except OSError:
        return "cut off"
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return "cut off"
    if head.split()[1] != b"200":
        return "refused"
    if scene.right is None:
        return "answered"
    if b"transfer-encoding: chunked" in head.lower():
        body = unchunked(body)
    if body == scene.right:
        return "answered"
    return "cut off" if scene.right.startswith(body) else BROKEN


def ask(scene: Scene, ports: Ports) -> bytes:
    port = ports.tls if scene.over_tls else ports.plain
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(10)
        if scene.over_http2:
            return http2.exchange(connection, scene.over_http2)
        if not scene.over_tls:
            return exchange(connection, scene.request)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(connection) as wrapped:
            return exchange(wrapped, scene.request)


def exchange(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    answer = bytearray()
    while piece := connection.recv(1 << 16):
        answer += piece
    return bytes(answer)


def unchunked(body: bytes) -> bytes:
    """The content, as far as it came."""
    content = b""
    while True:
        line, _, rest = body.partition(b"\r\n")
        length = int(line, 16) if line else 0
        content += rest[:length]
        if length == 0 or len(rest) < length + 2:
            return content
        body = rest[length + 2 :]
