"""Visitors of all kinds, who know what they must be answered."""

import http.client
import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

PAGES = 300
PATIENCE_SECONDS = 20
PAUSE_SECONDS = 0.2
NOTE = b"a=b" * 2000
TOP = 2**31


@dataclass
class Visits:
    """Of one edge: when each hit came and how long it took; what was wrong."""

    hits: list[tuple[float, float]] = field(default_factory=list)
    asked: int = 0
    wrong: list[tuple[float, str]] = field(default_factory=list)

    def percentile(self, part: float, begin: float, end: float) -> float:
        """Milliseconds, of the hits between these times."""
        seconds = sorted(took for at, took in self.hits if begin <= at < end)
        return 1000 * seconds[min(len(seconds) - 1, int(len(seconds) * part))] if seconds else 0.0


class Visitor(threading.Thread):
    """One at one edge, until it is told to leave."""

    def __init__(self, port: int, visits: Visits, seed: int, leave: threading.Event) -> None:
        super().__init__(daemon=True)
        self.port, self.visits, self.random, self.leave = port, visits, random.Random(seed), leave
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        kinds = (self.page, self.page, self.page, self.own, self.note, self.part, self.new, self.large, self.aborts)
        while not self.leave.is_set():
            kind = self.random.choice(kinds)
            try:
                wrong = kind()
            except (OSError, http.client.HTTPException) as error:
                wrong = repr(error)
            self.visits.asked += 1
            if wrong:
                self.visits.wrong.append((time.monotonic(), f"{kind.__name__}: {wrong}"))
                self.close()
            time.sleep(PAUSE_SECONDS * self.random.random() * 2)
        self.close()

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def page(self) -> str | None:
        """One of the pages that all ask for; the lower its number, the oftener."""
        number, begun = int(PAGES * self.random.random() ** 3), time.monotonic()
        wrong, body, fields = self.ask("GET", f"/count/page{number}?body=html&size=9000&h=X-Page:{number}")
        if "hit" in fields.get("cache-status", ""):
            self.visits.hits.append((begun, time.monotonic() - begun))
        if wrong is None and (len(body) != 9000 or fields.get("x-page") != str(number)):
            wrong = f"another page than {number}, or {len(body)} bytes"
        return wrong

    def own(self) -> str | None:
        """A page of this visitor's own."""
        name = f"v{self.random.randrange(TOP)}"
        wrong, body, _ = self.ask("GET", f"/count/own{name}?body=who", headers={"Cookie": f"sessionid={name}"})
        return wrong or (None if f"sessionid={name}".encode() in body else "another visitor's page")

    def note(self) -> str | None:
        wrong, body, _ = self.ask("POST", "/upload", body=NOTE)
        return wrong or (None if b'"length": %d' % len(NOTE) in body else f"{body[:80]!r}")

    def part(self) -> str | None:
        wrong, body, _ = self.ask("GET", "/files/large.bin", headers={"Range": "bytes=16-31"}, status=206)
        return wrong or (None if body == b"0123456789abcdef" else "other bytes of the file")

    def new(self) -> str | None:
        """A page that nobody has asked for and nobody will."""
        return self.ask("GET", f"/count/new{self.random.randrange(TOP)}?size=20000")[0]

    def large(self) -> str | None:
        wrong, body, _ = self.ask("GET", "/count/large?size=1000000&h=Cache-Control:no-store")
        return wrong or (None if len(body) == 1_000_000 else f"{len(body)} bytes of 1000000")

    def aborts(self) -> None:
        """Leaves: in the head, before the answer, or in it."""
        heads = (
            b"GET /count/left HTTP/1.1\r\nHost: loc",
            b"GET /count/left%d?delay=300 HTTP/1.1\r\nHost: localhost\r\n\r\n" % self.random.randrange(TOP),
            b"GET /files/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            connection.sendall(self.random.choice(heads))
            time.sleep(self.random.random() / 5)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        status: int = 200,
    ) -> tuple[str | None, bytes, dict[str, str]]:
        """What was wrong, the body, the fields by their names in lower case."""
        self.connection = self.connection or http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=PATIENCE_SECONDS
        )
        self.connection.request(method, target, body, headers={"Host": "localhost"} | (headers or {}))
        reply = self.connection.getresponse()
        body = reply.read()
        fields = {name.lower(): value for name, value in reply.getheaders()}
        wrong = None if reply.status == status else f"{reply.status} {fields.get('proxy-status', '')} {target}"
        return wrong, body, fields
