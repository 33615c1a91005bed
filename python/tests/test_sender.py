"""Purges on their way: together, again until they are over, and never lost. A listener of our own answers them."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from running import free_port, until
from weir_server import Admin, PurgeError, _admin
from weir_server._admin import Unreachable, usual_addresses, write_down
from weir_server._sender import Sender


class Listener(ThreadingHTTPServer):
    """Notes orders; answers with the next of `replies`, or that all is done."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.orders: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.replies: list[tuple[int, dict[str, Any]]] = []
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
        done = {"complete": True, "acknowledged": ["edge-1"], "missing": [], "milliseconds": 1.0}
        status, reply = self.server.replies.pop(0) if self.server.replies else (200, done)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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


def test_a_process_that_was_told_nothing_finds_the_weir_of_its_database(
    listener: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell, a Celery worker, a job: without it, they would purge nothing if Weir is not at the usual address."""
    monkeypatch.setenv("WEIR_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WEIR_ADMIN", listener.address)
    write_down("of the site")
    monkeypatch.delenv("WEIR_ADMIN")
    monkeypatch.setattr(_admin, "USUAL_ADDRESS", f"127.0.0.1:{free_port()}")
    assert usual_addresses("of the site") == (listener.address, _admin.USUAL_ADDRESS)
    assert usual_addresses("of another") == (_admin.USUAL_ADDRESS,)
    admin = Admin(lambda: usual_addresses("of the site"))
    assert admin.purge(tags=["a"]).complete and listener.orders[-1]["tags"] == ["a"]
    # What is written down is that of a Weir that has ended: the usual one is asked too.
    monkeypatch.setattr(_admin, "USUAL_ADDRESS", listener.address)
    monkeypatch.setenv("WEIR_ADMIN", f"127.0.0.1:{free_port()}")
    write_down("of the site")
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
    monkeypatch.setattr(_admin, "USUAL_ADDRESS", f"127.0.0.1:{free_port()}")
    assert lifetime() is None
    assert lifetime(PURGE=False) == "max-age=60", "as was asked for"
    assert lifetime(ADMIN=f"127.0.0.1:{free_port()}") == "max-age=60", "purges are tried again until it is there"
    monkeypatch.setattr(_admin, "USUAL_ADDRESS", listener.address)
    assert lifetime() == "max-age=60"
    monkeypatch.setenv("WEIR_ADMIN", "off")
    assert lifetime() is None
