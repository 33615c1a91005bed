"""One request over HTTP/2 without TLS, frame by frame."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
ACK = END_STREAM = 1
END_HEADERS = 4
STREAM = 1
# `:status: 200` of the static table.
OK = 0x88


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A field that no table has: each length below 127."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


def exchange(connection: socket.socket, path: str) -> bytes:
    """The answer as HTTP/1 would have it, as far as it came."""
    fields = ((":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path))
    head = b"".join(literal(name, value) for name, value in fields)
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_STREAM | END_HEADERS, STREAM, head))
    status, body = b"", bytearray()
    with connection.makefile("rb") as replies:
        while len(header := replies.read(9)) == 9:
            payload = replies.read(int.from_bytes(header[:3], "big"))
            kind, flags, stream = header[3], header[4], int.from_bytes(header[5:], "big")
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0))
            if stream != STREAM:
                continue
            if kind == HEADERS:
                status = b"200" if payload[0] == OK else b"500"
            elif kind == DATA:
                body += payload
                if payload:
                    more = struct.pack(">I", len(payload))
                    connection.sendall(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, STREAM, more))
            else:
                break
            if flags & END_STREAM:
                break
    return b"HTTP/2 " + status + b"\r\n\r\n" + body if status else b""
