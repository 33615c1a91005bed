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
# How long one attempt may take.
PATIENCE = 35.0
# How long the end of the process waits for what is not sent yet.
END = 5.0

_restarting = threading.Lock()
_senders: WeakSet["Sender"] = WeakSet()
# Those that a fork takes along.
_all: WeakSet["Sender"] = WeakSet()


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
        _all.add(self)
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
            # A fork of which Python was not told. Of several that are first here, one begins anew.
            with _restarting:
                if self._pid != os.getpid():
                    self._start()
        ticket = Ticket(tags)
        with self._news:
            self._waiting.update(ticket.tags)
            self._tickets.append(ticket)
            is_awake = self._wake()
        if not is_awake:
            self._send_here()
        return ticket

    def send_after(self, seconds: float, tags: Iterable[str]) -> None:
        """Sends it again so much later. Call it after `send`."""
        with self._news:
            self._later.append((time.monotonic() + seconds, Ticket(tags)))
            self._later.sort(key=lambda one: one[0])
            self._wake()

    def _wake(self) -> bool:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="weir-purges", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # There may be no more threads, or the interpreter ends. The commit that is purged is done all the same.
                logger.warning("no thread for purges: %s", error)
                return False
            self._thread = thread
        self._news.notify_all()
        return True

    def _send_here(self) -> None:
        """One attempt, in the thread that has changed something. What it does not reach waits for the next change."""
        with self._news:
            tags, self._waiting = self._waiting, set()
            tickets, self._tickets = self._tickets, []
        outcome, reason = self._attempt(tags, END)
        if outcome is None:
            logger.error("pages may be old: %s; it is tried again with the next change", reason)
            with self._news:
                self._waiting |= tags
                self._tickets += tickets
            return
        for ticket in tickets:
            ticket.settle(outcome)

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
            outcome, reason = self._attempt(tags)
            if outcome is not None:
                return outcome
            if not told:
                logger.error("pages may be old: %s; it is tried again until it is over everywhere", reason)
                told = True
            time.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)
            with self._news:
                tags |= self._waiting
                self._waiting = set()

    def _attempt(self, tags: set[str], timeout: float = PATIENCE) -> tuple[Outcome | None, str]:
        """The outcome if the purge is over, or why it is not."""
        everything = len(tags) > MAX_WAITING
        names = [] if everything else sorted(tags)
        try:
            outcome = self.admin.purge(tags=names, everything=everything, timeout=timeout)
        except Unreachable as error:
            return (None, str(error)) if self.sure else (Outcome(complete=True, details=(str(error),)), "")
        except PurgeError as error:
            return None, str(error)
        except Exception as error:
            # A file that vanishes while it is read, a lack of descriptors: the tags must not be lost with the thread.
            return None, repr(error)
        if outcome.complete:
            return outcome, ""
        return None, "not complete: missing " + ", ".join(outcome.missing)


def after_fork() -> None:
    """A thread does not come along through a fork, and the locks that it held would be held for ever."""
    global _restarting
    _restarting = threading.Lock()
    for sender in list(_all):
        sender._start()
        sender.admin.after_fork()


os.register_at_fork(after_in_child=after_fork)


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
