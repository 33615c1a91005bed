"""The connections of an attack, and where they lead."""

import socket
import ssl
from dataclasses import dataclass, field

from bench.client import HOST


@dataclass(frozen=True)
class Target:
    """Where a server speaks HTTP/1, HTTP/2 known beforehand, and either over TLS."""

    port: int
    http2_port: int
    tls_port: int


@dataclass
class Wire:
    """Connections that are held open, and how many the server has ended."""

    open: list[socket.socket] = field(default_factory=list)
    ended: int = 0
    refused: int = 0

    def add(
        self,
        port: int,
        first: bytes,
        receive_buffer: int = 0,
        source: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        connection = socket.socket()
        connection.settimeout(5)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            if source:
                connection.bind((source, 0))
            connection.connect(("127.0.0.1", port))
            if tls:
                connection = tls.wrap_socket(connection, server_hostname=HOST)
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
            except (BlockingIOError, ssl.SSLWantReadError):
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
