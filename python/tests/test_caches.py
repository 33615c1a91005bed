"""What a page takes from a store that is no SQL database may be another thing at any time."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from running import free_port
from weir_server import _caches

redis = pytest.importorskip("redis")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    import os

    program = os.environ.get("WEIR_REDIS_SERVER") or shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis is installed")
    port = free_port()
    given = ["--port", str(port), "--save", "", "--dir", str(tmp_path_factory.mktemp("redis"))]
    process = subprocess.Popen([program, *given], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.usefixtures("filled")
def test_a_page_of_django(port: int) -> None:
    from django.core.cache.backends.redis import RedisCache

    from weir_server.django import capture, kept

    client = redis.Redis(port=port)
    own = kept.watched(RedisCache(f"redis://127.0.0.1:{port}", {}))
    kept.watch_others()
    client.set("title", "a title")

    def pipeline() -> Any:
        with client.pipeline() as several:
            several.get("title")
            several.hgetall("none")
            return several.execute()

    for read, is_noted in (
        (lambda: client.get("title"), True),
        (pipeline, True),
        (lambda: client.zrange("none", 0, 9), True),
        # What a page writes, a queue, a counter of visits.
        (lambda: client.set("title", "another"), False),
        (lambda: client.rpush("queue", "letter"), False),
        # Django's cache says itself what may be read of it.
        (lambda: own.get("django.contrib.sessions.cache.x"), False),
        (lambda: own.get("other"), True),
        (lambda: own.set("other", 1), False),
    ):
        recorder, token = capture.begin()
        read()
        capture.end(token)
        assert recorder.timed is is_noted


def test_a_page_of_flask(port: int) -> None:
    from flask import Flask

    from weir_server.flask import Weir

    app, client = Flask("stores"), redis.Redis(port=port, decode_responses=True)
    app.config["WEIR"] = {"TTL": "1d", "ADMIN": "127.0.0.1:1"}
    client.set("news", "old news")
    Weir(app)
    app.add_url_rule("/", "news", lambda: client.get("news"))
    app.add_url_rule("/plain", "plain", lambda: "a page")
    asked = app.test_client()
    assert "Weir-Cache-Control" not in asked.get("/").headers
    assert asked.get("/plain").headers["Weir-Cache-Control"] == "max-age=86400"


@pytest.mark.parametrize(
    ("module", "name", "method"),
    [("constance.backends.redisd", "RedisBackend", "get"), ("valkey.client", "Valkey", "execute_command")],
)
def test_other_stores(monkeypatch: pytest.MonkeyPatch, module: str, name: str, method: str) -> None:
    """Also what is only kept in the process: constance has a class below that does not ask Redis each time."""
    base = type(name, (), {method: lambda self, *_: "a value"})
    below = type("Caching", (base,), {method: lambda self, *_: "an old value"})
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: base}))
    monkeypatch.setattr(_caches, "_watched", set())
    noted: list[str] = []
    monkeypatch.setattr(_caches, "_notes", [])
    _caches.watch(lambda: noted.append("read"))
    assert getattr(below(), method)("GET", "title") == "an old value" and noted == ["read"]
    assert getattr(base(), method)("GET", "title") == "a value" and noted == ["read", "read"]
