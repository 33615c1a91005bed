"""A Flask site with SQLAlchemy: what changes purges, in one process and through a real Weir."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from running import REPOSITORY, Running, ask, serving, weir

SITE = REPOSITORY / "python/tests/flask_site"
PAGES = ["/", *(f"/book/s{number}" for number in range(1, 40, 2)), *(f"/author/{number}" for number in range(1, 7))]
PAGES += [f"/genre/{number}" for number in range(1, 5)]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    os.environ["BOOKS"] = f"sqlite:///{tmp_path_factory.mktemp('books')}/books.sqlite3"
    sys.path.insert(0, str(SITE))
    import books

    books.fill()
    yield books
    books.engine.dispose()


def test_no_page_is_old_after_any_change(books: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: set[str] = set()
    monkeypatch.setattr(books.weir.watches[0], "deliver", gone.update)
    client = books.app.test_client()

    def fetch(page: str) -> tuple[bytes, frozenset[str]]:
        response = client.get(page)
        return response.data, frozenset(response.headers["Surrogate-Key"].split())

    cache = {page: fetch(page) for page in PAGES}
    survived = unchanged = 0
    for seed in range(80):
        gone.clear()
        kind = books.make(seed)
        assert kind != "back" or not gone
        assert kind != "savepoint" or ("genre:1" in gone and "genre:2" not in gone)
        for page in PAGES:
            content, tags = cache[page]
            now = fetch(page)
            assert now[0] == content or tags & gone, (seed, kind, page, tags, gone)
            if now[0] == content:
                unchanged += 1
                survived += not tags & gone
            cache[page] = now
    assert survived > 0.7 * unchanged, f"{survived} of {unchanged}"


def test_what_threads_read_counts_and_nothing_of_flask_goes_along(books: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from flask import Flask, has_app_context
    from sqlalchemy import text

    from weir_server.flask import Weir

    app = Flask("threads")
    app.config["WEIR"] = {"TTL": "1d", "ADMIN": "127.0.0.1:1"}
    # Its thread is older than the page.
    pool = ThreadPoolExecutor(1)
    assert not pool.submit(has_app_context).result()
    Weir(app, engine=books.engine, metadata=books.Base.metadata)

    def count() -> str:
        with books.engine.connect() as connection:
            return f"{connection.execute(text('SELECT COUNT(*) FROM book')).scalar()} {has_app_context()}"

    @app.get("/")
    def page() -> str:
        return pool.submit(count).result()

    reply = app.test_client().get("/")
    assert reply.text.endswith(" False") and "book" in reply.headers["Surrogate-Key"].split()
    assert not pool.submit(has_app_context).result()
    pool.shutdown()


def test_flask_sqlalchemy_with_several_databases(tmp_path: Any) -> None:
    """A page may read any of them, and each commit purges."""
    pytest.importorskip("flask_sqlalchemy")
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from weir_server.flask import Weir

    app, db = Flask("several"), SQLAlchemy()
    app.config["WEIR"] = {"TTL": "1d", "ADMIN": "127.0.0.1:1"}
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/first"
    app.config["SQLALCHEMY_BINDS"] = {"second": f"sqlite:///{tmp_path}/second"}

    class First(db.Model):  # type: ignore[name-defined,misc]
        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(db.String(20))

    class Second(db.Model):  # type: ignore[name-defined,misc]
        __bind_key__ = "second"
        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(db.String(20))

    db.init_app(app)
    weir = Weir()
    weir.init_app(app, db=db)
    gone: set[str] = set()
    weir.site.deliver = gone.update  # type: ignore[method-assign]
    for watch in weir.watches:
        watch.deliver = gone.update
    app.add_url_rule("/<int:pk>", "page", lambda pk: [db.session.get(one, pk).text for one in (First, Second)])
    with app.app_context():
        db.create_all()
        db.session.add_all([First(text="one"), Second(text="two"), Second(text="three")])
        db.session.commit()
        assert {"first:+", "second:+"} & gone
        gone.clear()
        reply = app.test_client().get("/1")
        assert reply.headers["Weir-Cache-Control"] == "max-age=86400"
        tags = set(reply.headers["Surrogate-Key"].split())
        assert {"first:1", "second:1"} <= tags and not {"first", "second"} & tags
        db.session.get_one(Second, 2).text = "other"
        db.session.commit()
        assert gone and not gone & tags
        db.session.get_one(Second, 1).text = "another"
        db.session.commit()
        assert "second:1" in gone


def test_a_page_that_changes_something_says_so(books: Any) -> None:
    from flask import Flask, redirect
    from sqlalchemy.orm import Session
    from werkzeug.wrappers import Response

    from weir_server.flask import Weir

    app = Flask("links")
    app.config["WEIR"] = {"ADMIN": "127.0.0.1:1"}
    Weir(app, engine=books.engine, metadata=books.Base.metadata)

    @app.get("/<name>")
    def link(name: str) -> str:
        with Session(books.engine) as session:
            if name == "change":
                session.get_one(books.Author, 1).name = str(random.random())
            session.commit()
        return "done"

    @app.get("/lead/<name>")
    def lead(name: str) -> Response:
        link(name)
        return redirect("/")

    for path, acted, purge in (
        ("/change", "?1", None),
        ("/look", None, None),
        ("/lead/change", "?1", "complete"),
        ("/lead/look", None, None),
    ):
        fields = app.test_client().get(path).headers
        assert (fields.get("Weir-Acted"), fields.get("Weir-Purge")) == (acted, purge), path


def test_names_of_tags(books: Any) -> None:
    from sqlalchemy.orm import Session

    with Session(books.engine) as session:
        row = session.query(books.Book).first()
        assert books.tag(row) == f"book:{row.id}"
    assert (books.tag(books.Book), books.tag(books.Book, slug="A b")) == ("book", "book:slug=a%20b")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("flask")
    env = {"BOOKS": f"sqlite:///{base}/books.sqlite3"}
    fill = "import books; books.fill(); books.weir.sender.drain(1)"
    given = {**os.environ, **env, "WEIR_ADMIN": "off"}
    subprocess.run([sys.executable, "-c", fill], cwd=SITE, env=given, check=True)
    command = [weir(), "serve", "books", "--python", sys.executable]
    with serving(command, base / "run", SITE, env) as running:
        yield running


def test_through_weir(site: Running) -> None:
    site.get("/book/s1")
    assert "hit; ttl=86" in site.get("/book/s1").cache
    chance = random.Random(3)
    for _ in range(60):
        reply = ask(site.port, "/change", "POST", json.dumps({"seed": chance.randrange(1 << 30)}).encode(), **JSON)
        assert reply.status == 200
        for page in chance.sample(PAGES, 4):
            now = site.get(page, Cookie=f"session={chance.randrange(1 << 40)}")
            assert site.get(page).body == now.body, page


def test_changes_purge_where_the_admin_address_is_reached_from_elsewhere(tmp_path: Path) -> None:
    """As a balancer's checks need it. The application has the token; who comes without it may not purge."""
    env = {"BOOKS": f"sqlite:///{tmp_path}/books.sqlite3"}
    given = {**os.environ, **env, "WEIR_ADMIN": "off"}
    subprocess.run([sys.executable, "-c", "import books; books.fill()"], cwd=SITE, env=given, check=True)
    command = [weir(), "serve", "books", "--python", sys.executable]
    with serving(command, tmp_path / "run", SITE, env, admin_host="0.0.0.0") as running:
        running.get("/book/s1")
        assert "hit; ttl=86" in running.get("/book/s1").cache
        reply = ask(running.port, "/change", "POST", json.dumps({"seed": 1}).encode(), **JSON)
        assert (reply.status, reply.headers["weir-purge"]) == (200, "complete")
        order = b'{"all": true}'
        assert ask(running.admin, "/api/v1/purge", "POST", order, **JSON).status == 401
        outside = subprocess.run(
            [weir(), "purge", "--admin", f"127.0.0.1:{running.admin}", "--all"],
            env={**os.environ, "WEIR_RUNTIME_DIR": str(tmp_path / "run")},
            capture_output=True,
            text=True,
        )
        assert outside.returncode == 0, outside.stderr


JSON = {"Content_Type": "application/json"}


def test_decorators_and_purges(site: Running) -> None:
    site.get("/weather")
    assert "hit; ttl=3" in site.get("/weather", Cookie="session=a").cache
    assert ask(site.port, "/purge", "POST", b"", **JSON).body == b"true\n"
    assert "hit" not in site.get("/weather").cache
    site.get("/mine")
    assert "hit;" not in site.get("/mine").cache
