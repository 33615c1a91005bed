"""The attacks. Each is a process of its own that goes on until it is told to stop; it says what came of it."""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.synchronize import Event

from bench.client import HOST
from bench.siege import frames
from bench.siege.hoards import HOARDS
from bench.siege.oddities import ODDITIES
from bench.siege.wire import Target, Wire, request

# What a slow client takes, as a phone at the edge of its network does.
SLOW_BYTES_PER_SECOND = 300_000
DOWNLOAD_MIB = 20
# Frames that are sent in one piece.
FLOOD = 500


def slow_readers(target: Target, stop: Event) -> str:
    """120 clients over HTTP/1 that ask for 4 MiB, more than sockets hold, and read nothing."""
    wire = Wire()
    for n in range(120):
        wire.add(target.port, request("GET", f"/{'ug'[n % 2]}/download/4"), receive_buffer=4096)
    stop.wait()
    return str(wire)


def closed_windows(target: Target, stop: Event) -> str:
    """One HTTP/2 connection with 100 streams of 1 MiB and a window of 0, with a session of its own."""
    wire, begin = Wire(), frames.PREFACE + frames.settings(INITIAL_WINDOW_SIZE=0)
    for n in range(100):
        path = f"/{'ug'[n % 2]}/download/1"
        begin += frames.get(2 * n + 1, HOST, path, {"cookie": "sessionid=made-up"})
    wire.add(target.http2_port, begin)
    while not stop.wait(1):
        wire.read(65536)
    return str(wire)


def one_byte_uploads(target: Target, stop: Event) -> str:
    """1,010 uploads that say 100 kB and send a byte each two seconds."""
    wire = Wire()
    for n in range(1010):
        wire.add(target.port, request("POST", f"/{'ug'[n % 2]}/upload", "Content-Length: 100000") + b".")
    while not stop.wait(2):
        wire.send(b".")
    return str(wire)


def slow_downloads(target: Target, stop: Event) -> str:
    """Eight clients that download 20 MiB at 300 kB/s, as they should be able to."""
    wire = Wire()
    for n in range(8):
        path = f"/{'ug'[n % 2]}/download/{DOWNLOAD_MIB}"
        wire.add(target.port, request("GET", path, "Connection: close"), receive_buffer=65536)
    received, begun, step = 0, time.monotonic(), 0.05
    while not stop.wait(step):
        received += wire.read(int(SLOW_BYTES_PER_SECOND * step))
    rate = received / 8 / (time.monotonic() - begun) / 1000
    return f"{wire}; {rate:.0f} kB/s each"


def half_heads(target: Target, stop: Event) -> str:
    """1,000 requests whose head never ends: a field's byte each two seconds."""
    wire = Wire()
    for _ in range(1000):
        wire.add(target.port, request("GET", "/u/page")[:-2] + b"X-Slow: ")
    while not stop.wait(2):
        wire.send(b".")
    return str(wire)


def idle_tunnels(target: Target, stop: Event) -> str:
    """150 WebSockets and 50 event streams that nothing is ever sent on: more than a pool has places for requests."""
    wire, upgrade = Wire(), ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    for _ in range(150):
        wire.add(target.port, request("GET", "/a/socket", *upgrade, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
    for _ in range(50):
        wire.add(target.port, request("GET", "/a/events"))
    while not stop.wait(1):
        wire.read(4096)
    return str(wire)


def unread_pages(target: Target, stop: Event) -> str:
    """40 clients over HTTP/1 that ask for different pages of 15 MiB where pages are cached, and read nothing."""
    wire = Wire()
    for n in range(40):
        wire.add(target.port, request("GET", f"/c/download/15?n={n}"), receive_buffer=4096)
    stop.wait()
    return str(wire)


def unread_streams(target: Target, stop: Event) -> str:
    """The same by 60 streams of one HTTP/2 connection with a window of 0."""
    wire, begin = Wire(), frames.PREFACE + frames.settings(INITIAL_WINDOW_SIZE=0)
    for n in range(60):
        begin += frames.get(2 * n + 1, HOST, f"/c/download/15?n={n}", {})
    wire.add(target.http2_port, begin)
    while not stop.wait(1):
        wire.read(65536)
    return str(wire)


def refused_uploads(target: Target, stop: Event) -> str:
    """Eight clients that upload 8 MiB where 1 MiB is allowed, again and again, and then read the answer."""
    told, uploads = [0] * 8, [0] * 8

    def upload(n: int) -> None:
        while not stop.is_set():
            uploads[n] += 1
            with suppress(OSError), socket.create_connection(("127.0.0.1", target.port), 10) as connection:
                connection.sendall(request("POST", "/u/upload", f"Content-Length: {8 << 20}"))
                with suppress(OSError):
                    for _ in range(128):
                        connection.sendall(bytes(65536))
                told[n] += connection.recv(65536).startswith(b"HTTP/1.1 413 ")

    clients = [threading.Thread(target=upload, args=(n,), daemon=True) for n in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
    return f"{sum(told)} of {sum(uploads)} were told 413"


def one_byte_chunks(target: Target, stop: Event) -> str:
    """Four uploads in chunks of one byte, as fast as they are taken."""
    wire, sent = Wire(), 0
    for n in range(4):
        wire.add(target.port, request("POST", f"/{'ug'[n % 2]}/upload", "Transfer-Encoding: chunked"))
    while not stop.wait(0.01) and wire.open:
        sent += wire.send_whole(b"1\r\n.\r\n" * FLOOD) * FLOOD
    stop.wait()
    return f"{wire}; {sent / 1000:.0f} kB sent"


def idle_connections(target: Target, stop: Event) -> str:
    """3,000 connections that send nothing."""
    wire = Wire()
    for _ in range(3000):
        wire.add(target.port, b"")
    while not stop.wait(1):
        wire.read(1)
    return str(wire)


def naming_posts(target: Target, stop: Event) -> str:
    """One client whose POSTs are answered with the Location of the page that all visitors ask for."""
    connection, posts = http.client.HTTPConnection("127.0.0.1", target.port, timeout=5), 0
    while not stop.is_set():
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/c/naming", body=b"a=b", headers={"Host": HOST})
            connection.getresponse().read()
            posts += 1
    return f"{posts} POSTs"


def endless_settings(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that send SETTINGS without an end and read nothing."""
    return _flood(target, stop, frames.settings())


def endless_pings(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that send PING without an end and read what comes."""
    return _flood(target, stop, frames.frame(frames.PING, 0, 0, bytes(8)), reads=True)


def endless_priorities(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that send PRIORITY without an end."""
    return _flood(target, stop, frames.frame(frames.PRIORITY, 0, 1, bytes(5)), reads=True)


def endless_window_updates(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that open their window byte by byte."""
    return _flood(target, stop, frames.frame(frames.WINDOW_UPDATE, 0, 0, (1).to_bytes(4, "big")), reads=True)


def endless_unknown_frames(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that send frames of a type that nobody knows."""
    return _flood(target, stop, frames.frame(0xBE, 0, 0), reads=True)


def rapid_resets(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that begin requests and reset them at once."""
    wire, sent, stream = Wire(), 0, 1
    for _ in range(4):
        wire.add(target.http2_port, frames.PREFACE + frames.settings())
    while not stop.is_set() and wire.open:
        piece = b""
        for _ in range(50):
            piece += frames.get(stream, HOST, "/u/page", {})
            piece += frames.frame(frames.RST_STREAM, 0, stream, (8).to_bytes(4, "big"))
            stream += 2
        sent += wire.send_whole(piece) * 50
        wire.read(65536)
    stop.wait()
    return f"{wire}; {sent} requests begun"


def _flood(target: Target, stop: Event, one: bytes, reads: bool = False) -> str:
    wire, sent = Wire(), 0
    for _ in range(4):
        wire.add(target.http2_port, frames.PREFACE + frames.settings())
    while not stop.is_set() and wire.open:
        sent += wire.send_whole(one * FLOOD) * FLOOD
        if reads:
            wire.read(65536)
    stop.wait()
    return f"{wire}; {sent} frames sent"


Attack = Callable[[Target, Event], str]
ATTACKS: tuple[Attack, ...] = (
    slow_readers,
    closed_windows,
    one_byte_uploads,
    slow_downloads,
    half_heads,
    idle_connections,
    idle_tunnels,
    unread_pages,
    unread_streams,
    refused_uploads,
    one_byte_chunks,
    naming_posts,
    endless_settings,
    endless_pings,
    endless_priorities,
    endless_window_updates,
    endless_unknown_frames,
    rapid_resets,
    *HOARDS,
    *ODDITIES,
)
