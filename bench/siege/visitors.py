"""Twenty ordinary visitors: how long each of their requests takes, and which fail."""

import http.client
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from bench.client import HOST
from bench.siege.app import PAGE

VISITORS = 20
# Between two requests of a visitor.
PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 5
NOTE = b"a=b" * 100


@dataclass
class Visits:
    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def percentile(self, part: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def visit(port: int, seconds: float) -> Visits:
    visits, end = Visits(), time.monotonic() + seconds
    threads = [threading.Thread(target=_visitor, args=(port, end, n, visits)) for n in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return visits


def _visitor(port: int, end: float, number: int, visits: Visits) -> None:
    connection = None
    time.sleep(PAUSE_SECONDS * number / VISITORS)
    for step in range(number, 1_000_000):
        if time.monotonic() > end:
            break
        connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        begun = time.monotonic()
        right = False
        with suppress(OSError, http.client.HTTPException):
            right = _ask(connection, step)
        took = time.monotonic() - begun
        with visits.lock:
            visits.seconds.append(took)
            visits.errors += not right
        if not right:
            connection.close()
            connection = None
        time.sleep(PAUSE_SECONDS)
    if connection:
        connection.close()


def _ask(connection: http.client.HTTPConnection, step: int) -> bool:
    """A page or a note, of each application server, and a page that is cached."""
    server, headers = "ugac"[step % 4], {"Host": HOST}
    if server == "c" or step % 8 < 4:
        connection.request("GET", f"/{server}/page", headers=headers)
        expected = PAGE
    else:
        connection.request("POST", f"/{server}/note", body=NOTE, headers=headers)
        expected = str(len(NOTE)).encode()
    response = connection.getresponse()
    return response.read() == expected and response.status == 200
