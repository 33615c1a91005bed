"""The thread that sends purges: whatever fails in it, no purge is lost, and no change of the site fails with it."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from running import until
from test_sender import Listener, listening, names_of
from weir_server import Admin
from weir_server._sender import Sender


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as server:
        yield server


@pytest.mark.parametrize(
    "error", [FileNotFoundError("a note that vanishes"), UnicodeDecodeError("utf-8", b"", 0, 1, "")]
)
def test_an_error_that_nobody_expects(listener: Listener, error: Exception) -> None:
    errors = [error]

    def addresses() -> list[str]:
        if errors:
            raise errors.pop()
        return [listener.address]

    sender = Sender(Admin(addresses), sure=True)
    ticket = sender.send({"a"})
    outcome = ticket.wait(20)
    assert outcome is not None and outcome.complete and names_of(listener) == ["a"]
    assert sender.drain(5)


def test_a_process_without_threads(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no more, or the interpreter ends: the commit is done, so its purge goes out from here."""

    usual = threading.Thread.start

    def start(self: threading.Thread) -> None:
        if self.name == "weir-purges":
            raise RuntimeError("can't start new thread")
        usual(self)

    sender = Sender(Admin([listener.address]), sure=True)
    listener.replies = [(500, {"error": "not now"})]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        first, second = sender.send({"a"}), sender.send({"b"})
    assert [ticket.outcome is not None and ticket.outcome.complete for ticket in (first, second)] == [True, True]
    assert names_of(listener) == ["a", "a", "b"]


def test_a_fork_while_the_thread_holds_a_lock(listener: Listener) -> None:
    admin = Admin([listener.address])
    sender = Sender(admin, sure=True)
    held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with admin._looking, admin._edges._lock, sender._lock:
            held.set()
            may_go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    child = os.fork()
    if not child:
        outcome = sender.send({"a"}).wait(10)
        os._exit(0 if outcome is not None and outcome.complete else 1)
    ended: list[Any] = []
    try:
        until(
            "the child has ended", lambda: ended or ended.extend(filter(None, [os.waitpid(child, os.WNOHANG)[0]])), 60
        )
    finally:
        may_go.set()
        holder.join()
    assert names_of(listener) == ["a"]
