"""What a process knows of edges: which have asked it for pages, what they are called, and whose purges reach them."""

import threading
import time
from collections.abc import Collection

# An edge that has asked so long ago, in seconds, and is not there any more, is not waited for.
RECENT = 60.0
MOST = 64


class Edges:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        # When the edge that listens at an address has asked last.
        self._asked: dict[str, float] = {}
        # What the edge at an address is called.
        self._names: dict[str, str] = {}
        # By names of edges, the addresses at which the last purge was one that they have acknowledged.
        self._reached: dict[str, set[str]] = {}

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def asks(self, address: str, name: str | None) -> bool:
        """Notes an edge that has proven that it listens there; whether it is a new one."""
        with self._lock:
            is_new = self._asked.pop(address, None) is None
            self._asked[address] = time.monotonic()
            if name is not None:
                self._names[address] = name
            while len(self._asked) > MOST:
                self._forget(next(iter(self._asked)))
            return is_new

    def forget(self, address: str) -> None:
        with self._lock:
            self._forget(address)

    def _forget(self, address: str) -> None:
        self._asked.pop(address, None)
        self._names.pop(address, None)

    def purged(self, address: str, own: str | None, acknowledged: Collection[str], missing: Collection[str]) -> None:
        """A purge at this address, where the edge is called `own`, was acknowledged by some."""
        with self._lock:
            if own is not None:
                self._names[address] = own
            for name in acknowledged:
                self._reached.setdefault(name, set()).add(address)
            for name, places in list(self._reached.items()):
                if name not in acknowledged and name not in missing:
                    places.discard(address)
                if not places:
                    del self._reached[name]

    def addresses(self) -> list[str]:
        """Where those listen that have asked, the last first."""
        with self._lock:
            return list(reversed(self._asked))

    def name_at(self, address: str) -> str | None:
        return self._names.get(address)

    def reached_at(self, name: str) -> set[str]:
        """Where purges are made that the edge of this name acknowledges."""
        with self._lock:
            return set(self._reached.get(name, ()))

    def is_along(self, address: str) -> bool:
        """Whether purges at another address reach the edge that listens there."""
        name = self._names.get(address)
        return name is not None and bool(self.reached_at(name) - {address})

    def is_recent(self, address: str) -> bool:
        asked = self._asked.get(address)
        return asked is not None and time.monotonic() - asked < RECENT
