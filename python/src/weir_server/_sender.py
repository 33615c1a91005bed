"""Sends purges from a thread of its own: what is added while one is under way goes out together with the next."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import NoReturn
from weakref import WeakSet

from weir_server._admin import Admin, Outcome, PurgeError, Unreachable

logger = logging.getLogger("weir_server")

# A page may be old until a purge gets through, so it is tried for as long as the process lives.
FIRST_PAUSE, LAST_PAUSE = 0.2, 10.0
# More names than this are one purge of everything.
MAX_WAITING = 20_000
# How long the end of the process waits for what is not sent yet.
END = 5.0

_restarting = threading.Lock()
_senders: WeakSet["Sender"] = WeakSet()


class Ticket:
    """One batch of tags on its way."""

    def __init__(self, tags: Iterable[str] = ()) -> None:
        self.tags = frozenset(tags)
        self._over = threading.Event()
        self.outcome: Outcome | None = None

    def wait(self, timeout: float) -> Outcome | None:
        """The outcome, or None if it is not there in time."""
        self._over.wait(timeout)
        return self.outcome

    def settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._over.set()


class Sender:
    def __init__(self, admin: Admin, *, sure: bool) -> None:
        """`sure`: there must be a Weir at the address. If not, nobody there means nothing to purge."""
        self.admin = admin
        self.sure = sure
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._waiting: set[str] = set()
        self._tickets: list[Ticket] = []
        # What is to be sent at some time, the first in front.
        self._later: list[tuple[float, Ticket]] = []
        self._busy = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def send(self, tags: Iterable[str]) -> Ticket:
        """Returns at once. The ticket is settled when the purge is over everywhere."""
        if self._pid != os.getpid():
            # A thread does not come along through a fork. Of several that are first here, one begins anew.
            with _restarting:
                if self._pid != os.getpid():
                    self._start()
        ticket = Ticket(tags)
        with self._news:
            self._waiting.update(ticket.tags)
            self._tickets.append(ticket)
            self._wake()
        return ticket

    def send_after(self, seconds: float, tags: Iterable[str]) -> None:
        """Sends it again so much later. Call it after `send`."""
        with self._news:
            self._later.append((time.monotonic() + seconds, Ticket(tags)))
            self._later.sort(key=lambda one: one[0])
            self._wake()

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="weir-purges", daemon=True)
            self._thread.start()
        self._news.notify_all()

    def drain(self, timeout: float) -> bool:
        """Waits until nothing is left to send."""
        deadline = time.monotonic() + timeout
        with self._news:
            # Better too early than never.
            self._later = [(min(due, deadline - timeout / 2), ticket) for due, ticket in self._later]
            self._news.notify_all()
            while self._pid == os.getpid() and (self._waiting or self._tickets or self._later or self._busy):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._news.wait(left)
        return True

    def _run(self) -> None:
        while True:
            with self._news:
                left = self._take_due()
                while not self._tickets:
                    self._news.wait(left)
                    left = self._take_due()
                tags, self._waiting = self._waiting, set()
                tickets, self._tickets = self._tickets, []
                self._busy = True
            outcome = self._until_sent(tags)
            with self._news:
                self._busy = False
                self._news.notify_all()
            for ticket in tickets:
                ticket.settle(outcome)

    def _take_due(self) -> float | None:
        """Takes what is to be sent by now. How long it is until more is."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, ticket = self._later.pop(0)
            self._waiting.update(ticket.tags)
            self._tickets.append(ticket)
        return self._later[0][0] - now if self._later else None

    def _until_sent(self, tags: set[str]) -> Outcome:
        pause, told = FIRST_PAUSE, False
        while True:
            everything = len(tags) > MAX_WAITING
            try:
                outcome = self.admin.purge(tags=[] if everything else sorted(tags), everything=everything)
            except Unreachable as error:
                if not self.sure:
                    return Outcome(complete=True, details=(str(error),))
                reason = str(error)
            except PurgeError as error:
                reason = str(error)
            else:
                if outcome.complete:
                    return outcome
                reason = "not complete: missing " + ", ".join(outcome.missing)
            if not told:
                logger.error("pages may be old: %s; it is tried again until it is over everywhere", reason)
                told = True
            time.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)
            with self._news:
                tags |= self._waiting
                self._waiting = set()


def drain_at_exit(sender: Sender) -> None:
    """Also where a process ends by `os._exit`, as those of multiprocessing, Celery and RQ do."""
    atexit.register(sender.drain, END)
    _senders.add(sender)
    if os._exit.__module__ == __name__:
        return
    leave: Callable[[int], NoReturn] = os._exit

    def leave_when_sent(status: int) -> NoReturn:
        for one in list(_senders):
            one.drain(END)
        leave(status)

    os._exit = leave_when_sent
