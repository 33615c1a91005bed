"""Purges on their way: together, again until they are over, and never lost. A listener of our own answers them."""

import contextlib
import hmac
import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from running import free_port, until
from weir_server import Admin, PurgeError, _edges, _where
from weir_server._admin import Unreachable
from weir_server._asker import Asker
from weir_server._sender import Sender, drain_at_exit
from weir_server._where import usual_addresses, write_down_what_was_told


class Listener(ThreadingHTTPServer):
    """Notes orders; answers with the next of `replies`, or that all is done."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.orders: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.replies: list[tuple[int, dict[str, Any]]] = []
        self.name = "edge-1"
        self.acknowledged = ["edge-1"]
        self.may = threading.Event()
        self.may.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.orders.append(order)
        self.server.tokens.append(self.headers["Authorization"])
        self.server.may.wait(10)
        done = {"edge": self.server.name, "complete": True, "acknowledged": self.server.acknowledged, "missing": []}
        status, reply = self.server.replies.pop(0) if self.server.replies else (200, done)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def listening(*acknowledged: str) -> Iterator[Listener]:
    server = Listener()
    if acknowledged:
        server.name, server.acknowledged = acknowledged[0], list(acknowledged)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_is_to_be_sent_again_later() -> None:
    """Replicas may be late."""
    with listening() as server:
        sender = Sender(Admin([server.address]), sure=True)
        begun = time.monotonic()
        for name in ("one", "two"):
            sender.send([name])
            sender.send_after(0.5, [name])
        until("they are sent again", lambda: len(names_of(server)) == 4, 20)
        assert time.monotonic() - begun >= 0.5
        assert sorted(names_of(server)) == ["one", "one", "two", "two"]
        # A process that ends does not wait for long.
        sender.send_after(600.0, ["three"])
        assert sender.drain(1.0) and names_of(server)[-1] == "three"


def names_of(server: Listener) -> list[str]:
    return [name for order in server.orders for name in order["tags"]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as server:
        yield server


def test_what_comes_meanwhile_goes_out_together(listener: Listener) -> None:
    sender = Sender(Admin([listener.address]), sure=True)
    listener.may.clear()
    first = sender.send({"a"})
    until("the first is sent", lambda: listener.orders)
    rest = [sender.send({f"b{number}"}) for number in range(50)]
    assert first.wait(0.1) is None
    listener.may.set()
    assert all(ticket.wait(10) for ticket in [first, *rest])
    assert [order["tags"] for order in listener.orders] == [["a"], sorted(f"b{number}" for number in range(50))]
    assert sender.drain(1)


def test_nothing_is_lost_where_a_process_ends_at_once(listener: Listener) -> None:
    """As those of multiprocessing, of Celery and of RQ do: without an end of Python."""
    sender = Sender(Admin([listener.address]), sure=True)
    drain_at_exit(sender)

    listener.may.clear()
    child = multiprocessing.get_context("fork").Process(target=sender.send, args=({"a"},))
    child.start()
    until("it is asked", lambda: listener.orders, 20)
    time.sleep(0.5)
    assert child.is_alive()
    listener.may.set()
    child.join(20)
    assert child.exitcode == 0 and [order["tags"] for order in listener.orders] == [["a"]]


def test_those_who_are_first_after_a_fork_lose_nothing(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender(Admin([listener.address]), sure=True)
    start, both = Sender._start, threading.Barrier(2)

    def slowly(self: Sender) -> None:
        start(self)
        time.sleep(0.2)

    monkeypatch.setattr(Sender, "_start", slowly)
    sender._pid = -1
    tickets: list[Any] = []

    def send(tag: str) -> None:
        both.wait()
        tickets.append(sender.send({tag}))

    threads = [threading.Thread(target=send, args=(tag,)) for tag in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ticket.wait(5) for ticket in tickets)
    assert {tag for order in listener.orders for tag in order["tags"]} == {"a", "b"}


def test_it_is_tried_until_it_is_over_everywhere(listener: Listener) -> None:
    missing = {"complete": False, "acknowledged": [], "missing": ["edge-2"], "milliseconds": 5.0}
    listener.replies = [(202, missing), (500, {"error": "no"}), (202, missing)]
    ticket = Sender(Admin([listener.address]), sure=True).send({"a"})
    outcome = ticket.wait(20)
    assert outcome and outcome.complete and outcome.acknowledged == ("edge-1",)
    assert [order["tags"] for order in listener.orders] == [["a"]] * 4


def test_nobody_there() -> None:
    address = f"127.0.0.1:{free_port()}"
    outcome = Sender(Admin([address]), sure=False).send({"a"}).wait(10)
    assert outcome and outcome.complete, "no Weir, no pages"
    assert Sender(Admin([address]), sure=True).send({"a"}).wait(0.5) is None, "it must be there: it is tried again"
    with pytest.raises(PurgeError, match="nothing answers at"):
        Admin([address]).purge(tags=["a"])


@pytest.mark.parametrize("status", [404, 405, 501])
def test_another_program_at_the_usual_address_is_nobody(listener: Listener, status: int) -> None:
    """A change would wait for it, and the purge be tried for ever."""
    listener.replies = [(status, {})] * 3
    outcome = Sender(Admin(lambda: [listener.address]), sure=False).send({"a"}).wait(10)
    assert outcome and outcome.complete
    with pytest.raises(PurgeError, match="another program than weir listens at"):
        Admin([listener.address]).purge(tags=["a"])
    assert Sender(Admin([listener.address]), sure=True).send({"a"}).wait(10), "it is tried until Weir is there"
    assert len(listener.orders) == 4


def test_one_that_does_not_answer_is_not_nobody(listener: Listener) -> None:
    """It has pages, and may have lost the purge."""
    admin = Admin([listener.address])
    listener.may.clear()
    with pytest.raises(PurgeError, match="does not answer like weir: TimeoutError") as found:
        admin.purge(tags=["a"], timeout=0.2)
    assert not isinstance(found.value, Unreachable)
    listener.may.set()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ticket = Sender(Admin([f"127.0.0.1:{silent.getsockname()[1]}"]), sure=False).send({"a"})
        for _ in range(2):
            silent.accept()[0].close()
        assert ticket.wait(0.1) is None, "it is tried again"


def test_the_first_that_answers_makes_the_purge(listener: Listener, tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    admin = Admin([f"127.0.0.1:{free_port()}", listener.address], token_file=str(file))
    outcome = admin.purge(tags=[f"t{n}" for n in range(1500)], urls=["http://a/"], soft=True)
    assert outcome.complete and outcome.acknowledged == ("edge-1",)
    assert [len(order["tags"]) for order in listener.orders] == [1000, 500]
    assert listener.orders[1]["urls"] == ["http://a/"] and all(order["soft"] for order in listener.orders)
    assert set(listener.tokens) == {"Bearer secret"}
    listener.replies = [(403, {"error": "show the token"})]
    with pytest.raises(PurgeError, match="refused the purge: show the token"):
        admin.purge(urls=["http://a/"])


def test_each_edge_is_told_once(listener: Listener) -> None:
    """Those that have acknowledged a purge at another one's address need none of their own."""
    with listening("edge-2", "edge-3") as second, listening("edge-3", "edge-2") as third:
        admin = Admin([listener.address, second.address, third.address])
        outcome = admin.purge(tags=["a"])
        assert outcome.acknowledged == ("edge-1", "edge-2", "edge-3")
        admin.purge(tags=["b"])
        assert [len(one.orders) for one in (listener, second, third)] == [2, 2, 1]
        second.replies = [(403, {"error": "show the token"})] * 2
        assert admin.purge(tags=["c"]).acknowledged == ("edge-1", "edge-3", "edge-2"), "it has heard of it"
        third.acknowledged = ["edge-3"]
        with pytest.raises(PurgeError, match="show the token"):
            admin.purge(tags=["d"])


def proven(address: str, name: str, token: str) -> Asker:
    signed = f"weir-admin\0{address}\0{name}".encode()
    return Asker(address, name, hmac.digest(token.encode(), signed, "sha256"))


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody has told the process anything, and nobody is at the usual address. The directory of tokens."""
    monkeypatch.setenv("WEIR_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("WEIR_ADMIN", raising=False)
    monkeypatch.setattr(_where, "USUAL_ADDRESS", f"127.0.0.1:{free_port()}")
    return tmp_path


def test_an_edge_that_asks_is_told_of_changes_if_it_has_the_token(
    listener: Listener, alone: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (alone / f"admin-{listener.address.replace(':', '_')}.token").write_text("secret\n")
    written: list[str] = []
    admin = Admin(lambda: usual_addresses("of a site"), write_down=written.append)
    for wrong in (
        Asker(listener.address, "edge-1"),
        proven(listener.address, "edge-1", "guessed"),
        # No token of a place is shown elsewhere, not even the one of the same port.
        proven(listener.address.replace("127.0.0.1", "localhost"), "edge-1", "other"),
        Asker(listener.address, "edge-1", proven("10.0.0.1:9900", "edge-1", "secret").proof),
    ):
        admin.meet(wrong)
        assert not admin.reaches(wrong) and not listener.orders and not written, wrong
    asker = proven(listener.address, "edge-1", "secret")
    admin._seen.clear()
    admin.meet(asker)
    assert admin.reaches(asker) and written == [listener.address]
    assert admin.purge(tags=["a"]).complete and listener.orders[-1]["tags"] == ["a"]
    assert set(listener.tokens) == {"Bearer secret"}
    # Another one that is not told, though somebody is.
    assert not admin.reaches(Asker("127.0.0.1:1", "edge-9")) and not admin.reaches(Asker(None, "edge-9"))
    assert "pages for the Weir edge-9 are kept no longer" in caplog.text


def test_an_edge_that_has_asked_a_moment_ago_is_waited_for(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts anew, perhaps, and finds its pages in Redis."""
    address = f"127.0.0.1:{free_port()}"
    (alone / f"admin-{address.replace(':', '_')}.token").write_text("secret\n")
    admin = Admin(lambda: usual_addresses("of a site"))
    admin.meet(proven(address, "edge-1", "secret"))
    sender = Sender(admin, sure=False)
    ticket = sender.send({"a"})
    assert ticket.wait(0.5) is None
    monkeypatch.setattr(_edges, "RECENT", 0.0)
    outcome = ticket.wait(10)
    assert outcome and outcome.complete and address not in admin.known(), "it has gone, and its pages with it"


def test_a_weir_that_nobody_has_named_right_keeps_nothing(listener: Listener) -> None:
    """The address of another site's Weir was copied, or only one of two is named."""
    admin = Admin([listener.address])
    assert admin.reaches(Asker(None, "edge-1")) and admin.reaches(None)
    assert not admin.reaches(Asker("10.0.0.1:9900", "edge-2"))
    listener.acknowledged = ["edge-1", "edge-2"]
    admin.purge(tags=["a"])
    assert admin.reaches(Asker("10.0.0.1:9900", "edge-2"))
    listener.acknowledged = ["edge-1"]
    admin.purge(tags=["a"])
    admin._seen.clear()
    assert not admin.reaches(Asker("10.0.0.1:9900", "edge-2")), "it has left"
    # It refuses, for want of a token or of a name in `admin_hosts`: that does not mend itself.
    for status in (401, 403, 421):
        listener.replies = [(status, {"error": "no"})]
        assert not Admin([listener.address]).reaches(Asker(None, "edge-1"))
    # Nobody is there for the moment: what is named is told until it is there.
    assert Admin([f"127.0.0.1:{free_port()}"]).reaches(Asker(None, "edge-1"))


def test_a_process_that_was_told_nothing_finds_the_weir_of_its_database(
    listener: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell, a Celery worker, a job: without it, they would purge nothing if Weir is not at the usual address."""
    monkeypatch.setenv("WEIR_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WEIR_ADMIN", listener.address)
    write_down_what_was_told("of the site")
    monkeypatch.delenv("WEIR_ADMIN")
    monkeypatch.setattr(_where, "USUAL_ADDRESS", f"127.0.0.1:{free_port()}")
    assert usual_addresses("of the site") == (listener.address, _where.USUAL_ADDRESS)
    assert usual_addresses("of another") == (_where.USUAL_ADDRESS,)
    admin = Admin(lambda: usual_addresses("of the site"))
    assert admin.purge(tags=["a"]).complete and listener.orders[-1]["tags"] == ["a"]
    # What is written down is that of a Weir that has ended: the usual one is asked too.
    monkeypatch.setattr(_where, "USUAL_ADDRESS", listener.address)
    monkeypatch.setenv("WEIR_ADMIN", f"127.0.0.1:{free_port()}")
    write_down_what_was_told("of the site")
    monkeypatch.delenv("WEIR_ADMIN")
    assert admin.purge(tags=["b"]).complete and listener.orders[-1]["tags"] == ["b"]
    monkeypatch.setenv("WEIR_ADMIN", "off")
    assert usual_addresses("of the site") == ()


def test_where_nobody_can_be_told_of_a_change_nothing_is_kept_for_long(
    listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that `weir serve` has not started, and whose Weir is not where it looks."""
    from weir_server._site import Site, Visit

    def lifetime(**more: object) -> str | None:
        fields: dict[str, str] = {}
        Site({"TTL": 60, **more}).tell(Visit(), fields, 200, whole=True)
        return fields.get("Weir-Cache-Control")

    monkeypatch.delenv("WEIR_ADMIN", raising=False)
    monkeypatch.setattr(_where, "USUAL_ADDRESS", f"127.0.0.1:{free_port()}")
    assert lifetime() is None
    assert lifetime(PURGE=False) == "max-age=60", "as was asked for"
    assert lifetime(ADMIN=f"127.0.0.1:{free_port()}") == "max-age=60", "purges are tried again until it is there"
    monkeypatch.setattr(_where, "USUAL_ADDRESS", listener.address)
    assert lifetime() == "max-age=60"
    monkeypatch.setenv("WEIR_ADMIN", "off")
    assert lifetime() is None
