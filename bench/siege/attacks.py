"""The attacks. Each is a process of its own that goes on until it is told to stop; it says what came of it."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event

from bench.client import HOST
from bench.siege import frames

# What a slow client takes, as a phone at the edge of its network does.
SLOW_BYTES_PER_SECOND = 300_000
DOWNLOAD_MIB = 20
# Frames that are sent in one piece.
FLOOD = 500


@dataclass(frozen=True)
class Target:
    """Where a server speaks HTTP/1 and, known beforehand, HTTP/2."""

    port: int
    http2_port: int


@dataclass
class Wire:
    """Connections that are held open, and how many the server has ended."""

    open: list[socket.socket] = field(default_factory=list)
    ended: int = 0
    refused: int = 0

    def add(self, port: int, first: bytes, receive_buffer: int = 0) -> None:
        connection = socket.socket()
        connection.settimeout(5)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            connection.connect(("127.0.0.1", port))
            connection.sendall(first)
        except OSError:
            self.refused += 1
            connection.close()
            return
        connection.setblocking(False)
        self.open.append(connection)

    def send(self, piece: bytes) -> int:
        """To each; returns how many bytes were taken."""
        taken = 0
        for connection in list(self.open):
            try:
                taken += connection.send(piece)
            except BlockingIOError:
                pass
            except OSError:
                self.drop(connection)
        return taken

    def send_whole(self, pieces: bytes) -> int:
        """To each; returns how many took all of it. The others are ended: a frame that is cut would be our fault."""
        took = 0
        for connection in list(self.open):
            connection.settimeout(0.5)
            try:
                connection.sendall(pieces)
                took += 1
            except OSError:
                self.drop(connection)
                continue
            connection.setblocking(False)
        return took

    def read(self, most: int) -> int:
        """Up to `most` bytes of each."""
        received = 0
        for connection in list(self.open):
            try:
                piece = connection.recv(most)
            except BlockingIOError:
                continue
            except OSError:
                piece = b""
            received += len(piece)
            if not piece:
                self.drop(connection)
        return received

    def drop(self, connection: socket.socket) -> None:
        self.open.remove(connection)
        connection.close()
        self.ended += 1

    def __str__(self) -> str:
        return f"{len(self.open)} connections held, {self.ended} ended, {self.refused} refused"


def request(method: str, path: str, *fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


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


def endless_settings(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that send SETTINGS without an end and read nothing."""
    return _flood(target, stop, frames.settings())


def endless_pings(target: Target, stop: Event) -> str:
    """Four HTTP/2 connections that send PING without an end and read what comes."""
    return _flood(target, stop, frames.frame(frames.PING, 0, 0, bytes(8)), reads=True)


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
    endless_settings,
    endless_pings,
)
