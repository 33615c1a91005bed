"""Named values in shared pages of Flask and FastAPI, and the views that Weir is told of."""

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import REPOSITORY, Browser, Reply, Running, serving, weir
from weir_server._values import COOKIE

SITES = {
    "flask": ("flask_site", "letters", "letters.hello"),
    "asgi": ("asgi_site", "notes", "notes.hello"),
}


@pytest.fixture(params=SITES, scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Running]]:
    base = tmp_path_factory.mktemp(request.param)
    directory, module, _ = SITES[request.param]
    env = {"NOTES": f"sqlite+aiosqlite:///{base}/notes.sqlite3", "XDG_STATE_HOME": str(base / "home")}
    where = REPOSITORY / "python/tests" / directory
    if request.param == "asgi":
        fill = "import asyncio, notes; asyncio.run(notes.fill())"
        subprocess.run([sys.executable, "-c", fill], cwd=where, env={**os.environ, **env}, check=True)
    command = [weir(), "serve", f"{module}:app", "--python", sys.executable]
    with serving(command, base / "run", where, env) as running:
        yield request.param, running


def greeted(reply: Reply) -> str:
    found = re.search(r'<p title="([^"]*)">', reply.body.decode())
    assert found, reply
    return html.unescape(found[1])


def token(reply: Reply) -> str:
    found = re.search(r"\b[A-Za-z0-9]{64}\b", reply.body.decode())
    assert found, reply
    return found[0]


def test_each_visitor_is_greeted_by_the_own_name(site: tuple[str, Running]) -> None:
    _, running = site
    names = ["Ann", "Bén <b>&\"'", "x" * 120]
    visitors = [Browser(running.port) for _ in names]
    for visitor, name in zip(visitors, names, strict=True):
        csrf = token(visitor.get("/hello"))
        assert visitor.post("/sign-in", {"name": name, "csrf_token": csrf}).status == 200
    for _ in range(2):
        for visitor, name in zip(visitors, names, strict=True):
            reply = visitor.get("/hello")
            assert (greeted(reply), reply.headers["cache-control"]) == (name, "private, no-cache")
            assert "hit" in reply.cache, reply.cache
        stranger = Browser(running.port).get("/hello")
        assert greeted(stranger) == "<you>" and "hit" in stranger.cache
    signed_out = visitors[0].post("/sign-out", {"csrf_token": token(visitors[0].get("/hello"))})
    assert signed_out.status == 200
    assert greeted(visitors[0].get("/hello")) == "<you>"
    forged = Browser(running.port)
    forged.cookies[COOKIE] = visitors[1].cookies[COOKIE][:-3] + "AAA"
    assert greeted(forged.get("/hello")) == "<you>"


def test_weir_log_shows_the_view_and_its_queries(site: tuple[str, Running]) -> None:
    name, running = site
    env = {**os.environ, "WEIR_RUNTIME_DIR": str(running.log.parent)}
    command = [weir(), "log", "--admin", f"127.0.0.1:{running.admin}", "--json", "-n", "1", "view ~ hello"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as log:
        try:
            for number in range(200):
                # Each is a page of its own.
                Browser(running.port).get(f"/hello?n={number}")
                if number > 20 and log.poll() is not None:
                    break
            assert log.stdout
            shown = json.loads(log.stdout.readline())
        finally:
            log.terminate()
    assert (shown["view"], shown["queries"]) == (SITES[name][2], 0)
    assert shown["query_s"] == 0


def test_what_is_written_without_a_transaction_is_purged(tmp_path: Path) -> None:
    sa = pytest.importorskip("sqlalchemy")
    from weir_server._sqlalchemy import Watch

    engine = sa.create_engine(f"sqlite:///{tmp_path}/a.sqlite3", isolation_level="AUTOCOMMIT")
    metadata = sa.MetaData()
    table = sa.Table("shelf", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String))
    metadata.create_all(engine)
    gone: set[str] = set()
    Watch(engine, metadata, lambda tags, timed: None, gone.update)
    with engine.connect() as connection:
        connection.execute(sa.insert(table).values(id=1, name="a"))
        # Whoever does not commit has changed the row all the same.
    assert {"shelf", "shelf:1"} <= gone
    gone.clear()
    with engine.connect() as connection:
        connection.execute(sa.update(table).where(table.c.id == 1).values(name="b"))
        connection.rollback()
    assert {"shelf", "shelf:1"} <= gone
