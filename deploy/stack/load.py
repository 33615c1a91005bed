"""Visitors who come by a load balancer: it goes to the next edge if one closes a connection before its reply begins."""

import http.client
import threading
import time
from collections import Counter

VISITORS = 8
PAUSE = 0.01
PATIENCE = 15
LONGEST_LOAD = 120
HOST = "localhost"


class Load:
    """Runs for as long as the `with` block does; two minutes at most."""

    def __init__(self, ports, pages):
        self.ports, self.pages = ports, pages
        self.replies, self.failures = Counter(), []
        self.over = threading.Event()
        self.visitors = [threading.Thread(target=self.visit, args=(n,)) for n in range(VISITORS)]

    def __enter__(self):
        for visitor in self.visitors:
            visitor.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for visitor in self.visitors:
            visitor.join()

    def visit(self, n):
        deadline = time.monotonic() + LONGEST_LOAD
        kept = {}
        while not self.over.is_set() and time.monotonic() < deadline:
            n += 1
            try:
                status = self.ask(kept, n, self.pages[n % len(self.pages)])
                self.replies[status] += 1
                if status >= 500:
                    self.failures.append(f"{self.pages[n % len(self.pages)]}: {status}")
            except Exception as error:
                self.failures.append(f"{self.pages[n % len(self.pages)]}: {error!r}")
            time.sleep(PAUSE)

    def ask(self, kept, n, page):
        """The status of a whole reply, from the first edge that begins one."""
        for turn in range(2 * len(self.ports)):
            port = self.ports[(n + turn) % len(self.ports)]
            connection = kept.pop(port, None) or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                connection.request("GET", page, headers={"Host": HOST})
                reply = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                connection.close()
                continue
            reply.read()
            if reply.will_close:
                connection.close()
            else:
                kept[port] = connection
            return reply.status
        raise ConnectionError("no edge takes a connection")


def get(port, page, method="GET", body=None, **fields):
    """Status, fields and body of one reply on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, page, body, {"Host": HOST, **fields})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read().decode(errors="replace")
    finally:
        connection.close()
