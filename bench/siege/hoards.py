"""Attacks that hold much at once, or make a server keep much: streams, connections, handshakes, keys, codings."""

import itertools
import ssl
import time
from contextlib import suppress
from multiprocessing.synchronize import Event

from bench.client import HOST
from bench.siege import frames
from bench.siege.wire import Target, Wire, request

# Clients of one address, which is not the visitors'.
HOARDER = "127.0.0.2"
CODINGS = ("gzip", "br", "zstd", "deflate", "identity", "*")


def _closed_windows(target: Target, stop: Event, path: str) -> str:
    """20 HTTP/2 connections with 100 streams each and a window of 0."""
    wire = Wire()
    for c in range(20):
        begin = frames.PREFACE + frames.settings(INITIAL_WINDOW_SIZE=0)
        for n in range(100):
            begin += frames.get(2 * n + 1, HOST, path.format(c=c, n=n, eighth=n % 8), {})
        wire.add(target.http2_port, begin)
    while not stop.wait(1):
        wire.read(65536)
    return str(wire)


def closed_windows_of_pages(target: Target, stop: Event) -> str:
    """2,000 streams with a window of 0 that ask for different long pages where pages are cached."""
    return _closed_windows(target, stop, "/c/download/4?c={c}&n={n}")


def closed_windows_of_one_page(target: Target, stop: Event) -> str:
    """2,000 streams with a window of 0 that ask for eight long pages that are cached."""
    return _closed_windows(target, stop, "/c/download/4?n={eighth}")


def closed_windows_of_files(target: Target, stop: Event) -> str:
    """2,000 streams with a window of 0 that ask for a long file."""
    return _closed_windows(target, stop, "/files/long.bin")


def hoarded_connections(target: Target, stop: Event) -> str:
    """One address that opens as many connections as it can, and keeps each alive."""
    wire, asked = Wire(), request("GET", "/c/page")
    while not stop.is_set():
        if len(wire.open) < 8000:
            for _ in range(400):
                wire.add(target.port, asked, source=HOARDER)
        # Reading them all without a pause would cost the visitors more of the machine than the server's work.
        stop.wait(0.2)
        wire.read(65536)
    return str(wire)


def half_prefaces(target: Target, stop: Event) -> str:
    """1,000 connections that begin with half the preface of HTTP/2."""
    wire = Wire()
    for _ in range(1000):
        wire.add(target.http2_port, frames.PREFACE[:12])
    while not stop.wait(1):
        wire.read(4096)
    return str(wire)


def slow_handshakes(target: Target, stop: Event) -> str:
    """1,000 TLS handshakes, a byte each half second."""
    wire, hello = Wire(), _client_hello()
    for _ in range(1000):
        wire.add(target.tls_port, hello[:6])
    for byte in hello[6:]:
        if stop.wait(0.5):
            break
        wire.send(bytes((byte,)))
        wire.read(4096)
    stop.wait()
    return str(wire)


def slow_tls_streams(target: Target, stop: Event) -> str:
    """20 HTTP/2 connections over TLS whose 50 streams of a long page are read at 4 kB/s."""
    wire = Wire()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    for c in range(20):
        begin = frames.PREFACE + frames.settings()
        for n in range(50):
            begin += frames.get(
                2 * n + 1,
                HOST,
                f"/{'ugc'[n % 3]}/download/4?c={c}&n={n}",
                {},
                scheme="https",
            )
        wire.add(target.tls_port, begin, receive_buffer=4096, tls=context)
    while not stop.wait(1):
        wire.read(4096)
    return str(wire)


def endless_trailers(target: Target, stop: Event) -> str:
    """Four uploads in chunks whose trailers never end."""
    wire = Wire()
    for n in range(4):
        begin = request("POST", f"/{'ug'[n % 2]}/upload", "Transfer-Encoding: chunked") + b"1\r\n.\r\n0\r\n"
        wire.add(target.port, begin)
    sent = 0
    while not stop.wait(0.01) and wire.open:
        sent += wire.send(b"X-Trailer: .\r\n" * 100)
        wire.read(4096)
    stop.wait()
    return f"{wire}; {sent / 1000:.0f} kB sent"


def many_ranges(target: Target, stop: Event) -> str:
    """Four clients that ask for a file in 1,000 overlapping ranges, again and again."""
    ranges = ",".join(f"{n}-" for n in range(1000))
    return _again(
        target,
        stop,
        lambda n: request("GET", "/files/long.bin", f"Range: bytes={ranges}"),
    )


def big_cookies(target: Target, stop: Event) -> str:
    """Four clients with 7 KiB of cookies, each another, where pages are cached."""
    return _again(
        target,
        stop,
        lambda n: request("GET", "/c/page", f"Cookie: _ga=1; c{n}=" + "x" * 7000),
    )


def many_keys(target: Target, stop: Event) -> str:
    """Four clients each of whose requests is for another page where pages are cached."""
    return _again(target, stop, lambda n: request("GET", f"/c/page?{n}=" + "x" * 1000))


def coding_permutations(target: Target, stop: Event) -> str:
    """Four clients that ask for a compressed page with every order and weight of codings."""
    orders = list(itertools.permutations(CODINGS))
    weights = ("1", "0.9", "0.5", "0.001")

    def one(n: int) -> bytes:
        order, weight = (
            orders[n % len(orders)],
            weights[n // len(orders) % len(weights)],
        )
        return request(
            "GET",
            f"/z/page?{n % 64}",
            "Accept-Encoding: " + ", ".join(f"{c};q={weight}" for c in order),
        )

    return _again(target, stop, one)


def _again(target: Target, stop: Event, one) -> str:
    """Four connections that send such requests, read what comes, and are opened anew when they are ended."""
    wire, n = Wire(), 0
    while not stop.is_set():
        while len(wire.open) < 4:
            n += 1
            wire.add(target.port, one(n))
        with suppress(OSError):
            wire.send(one(n))
        n += 1
        wire.read(1 << 20)
        time.sleep(0.002)
    return f"{wire}; {n} requests"


def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    return outgoing.read()


HOARDS = (
    closed_windows_of_pages,
    closed_windows_of_one_page,
    closed_windows_of_files,
    hoarded_connections,
    half_prefaces,
    slow_handshakes,
    slow_tls_streams,
    endless_trailers,
    many_ranges,
    big_cookies,
    many_keys,
    coding_permutations,
)
