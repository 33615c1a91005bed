"""What the database changes by itself purges too: rows that refer to those that go, and what triggers write."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from test_sqlalchemy import urls
from weir_server._effects import ask_for
from weir_server._sql import Statements, Table

sa = pytest.importorskip("sqlalchemy")
TABLES = {name: Table(name, None, {}, frozenset()) for name in ("a", "b", "c", "Odd name", "e")}


def effects(references: Any = (), triggers: Any = (), functions: Any = (), views: Any = (), parts: Any = ()) -> Any:
    answers = iter([functions, references, triggers, views, parts])
    return ask_for("postgresql", lambda _: next(answers), TABLES)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # `b` refers to `a` and goes with it, `c` to `b` and is set to null; `e` follows a key of `a`.
        ("DELETE FROM a WHERE id = 1", {"b", "c", "Odd name"}),
        ("DELETE FROM b WHERE id = 1", {"c"}),
        ("DELETE FROM c WHERE id = 1", set()),
        ("UPDATE a SET name = 'x' WHERE id = 1", {"Odd name"}),
        ("UPDATE a SET code = 'x' WHERE id = 1", {"Odd name", "e"}),
        ("INSERT INTO a (id) VALUES (1)", {"Odd name"}),
        ("INSERT INTO b (id) VALUES (1)", set()),
        ("REPLACE INTO a (id) VALUES (1)", {"b", "c", "e", "Odd name"}),
        ("TRUNCATE a", {"b", "c", "e", "Odd name"}),
    ],
)
def test_what_follows_a_change(sql: str, expected: set[str]) -> None:
    known = effects(
        [("a", "b", "c", "a", []), ("b", "c", "n", "a", []), ("a", "e", "a", "c", ["code"])],
        [("a", "BEGIN PERFORM count_odd(NEW.id); RETURN NULL; END", "")],
        [("count_odd", 'update "public"."Odd name" SET n = (SELECT count(*) FROM b)'), ("other", "DELETE FROM e")],
    )
    assert known.of(Statements(TABLES).read(sql)) == expected


def test_a_trigger_that_puts_its_statement_together() -> None:
    text = "BEGIN EXECUTE format('UPDATE %I SET n = 0', TG_ARGV[0]); RETURN NULL; END"
    known = effects([], [("a", text, "e\\000")], [])
    assert known.of(Statements(TABLES).read("INSERT INTO a (id) VALUES (1)")) == {"e"}


def test_what_a_statement_calls_and_what_has_the_same_rows() -> None:
    known = effects(
        [("b", "c", "c", "a", [])],
        [],
        [("tidy", "DELETE FROM a"), ("tidy", "SELECT 1"), ("outer", "CALL tidy()"), ("harmless", "SELECT 1")],
        [("seen", "b", ""), ("listed", "", "select `e`.`id` from `e`")],
        [("a", "a_2026"), ("a_2026", "b")],
    )
    for sql, expected in (
        ("SELECT tidy(1)", {"a", "b", "c"}),
        ('SELECT x."Outer" (1) FROM c', {"a", "b", "c"}),
        ("CALL outer", {"a", "b", "c"}),
        ("SELECT harmless(1), tidy FROM a", set()),
    ):
        assert known.called(sql) == expected, sql
    for sql, expected in (
        ("UPDATE Seen SET n = 1", {"b", "c", "a"}),
        ("UPDATE listed SET n = 1", {"e"}),
        ("INSERT INTO a (id) VALUES (1)", {"b"}),
        ("DELETE FROM b WHERE id = 1", {"a", "c"}),
    ):
        assert known.of(Statements(TABLES).read(sql)) == expected, sql


tables = sa.MetaData()
shelf = sa.Table("its_shelf", tables, sa.Column("code", sa.String(9), primary_key=True), sa.Column("name", sa.String))
volume = sa.Table(
    "its_volume",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("shelf_code", sa.ForeignKey("its_shelf.code", ondelete="CASCADE", onupdate="CASCADE")),
)
note = sa.Table(
    "its_note",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("volume_id", sa.ForeignKey("its_volume.id", ondelete="SET NULL")),
)
tally = sa.Table("its_tally", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
COUNT = "UPDATE its_tally SET n = (SELECT COUNT(*) FROM its_volume)"
TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER its_{act} AFTER {act} ON its_volume BEGIN {COUNT}; END" for act in ("INSERT", "DELETE")
    ],
    "postgresql": [
        f"CREATE OR REPLACE FUNCTION its_count() RETURNS TRIGGER AS 'BEGIN {COUNT}; RETURN NULL; END' LANGUAGE plpgsql",
        "CREATE TRIGGER its_count AFTER INSERT OR DELETE ON its_volume FOR EACH STATEMENT EXECUTE FUNCTION its_count()",
    ],
}
READS = {
    "volumes": sa.select(volume).order_by(volume.c.id),
    "of a shelf": sa.select(volume.c.id).where(volume.c.shelf_code == "two"),
    "a volume": sa.select(volume).where(volume.c.id == 1),
    "a note": sa.select(note).where(note.c.id == 1),
    "the count": sa.select(tally.c.n).where(tally.c.id == 1),
}
WRITES = {
    "a shelf goes": sa.delete(shelf).where(shelf.c.code == "one"),
    "a shelf is another": sa.update(shelf).where(shelf.c.code == "one").values(code="two"),
    "a shelf in words": sa.text("DELETE FROM its_shelf WHERE code IN (SELECT 'one')"),
    "a volume goes": sa.delete(volume).where(volume.c.id == 1),
    "a volume comes": sa.insert(volume).values(id=7, shelf_code=None),
}


@pytest.fixture(params=["sqlite", "aiosqlite", "psycopg", "asyncpg"])
def engine(request: Any, tmp_path: Path) -> Iterator[Any]:
    known = urls(tmp_path)
    if request.param not in known:
        pytest.skip("by test_postgres.py")
    if "+" in known[request.param]:
        pytest.importorskip(request.param)
    is_async = request.param in ("aiosqlite", "asyncpg")
    from sqlalchemy.ext.asyncio import create_async_engine

    made: Any = create_async_engine(known[request.param]) if is_async else sa.create_engine(known[request.param])
    yield Runner(made, is_async)
    asyncio.run(made.dispose()) if is_async else made.dispose()


class Runner:
    def __init__(self, engine: Any, is_async: bool) -> None:
        self.engine, self.is_async = engine, is_async
        self.plain: Any = getattr(engine, "sync_engine", engine)
        if self.plain.dialect.name == "sqlite":

            @sa.event.listens_for(self.plain, "connect")
            def enforce(connection: Any, _: Any) -> None:
                cursor = connection.cursor()
                cursor.execute("PRAGMA foreign_keys = ON")
                cursor.close()

    def run(self, work: Callable[[Any], Any]) -> Any:
        if not self.is_async:
            with self.engine.begin() as connection:
                return work(connection)

        async def later() -> Any:
            async with self.engine.begin() as connection:
                done = await connection.run_sync(work)
            # The next loop cannot use its connections.
            await self.engine.dispose()
            return done

        return asyncio.run(later())


def fill(connection: Any) -> None:
    tables.drop_all(connection)
    tables.create_all(connection)
    for one in TRIGGERS[connection.dialect.name]:
        connection.execute(sa.text(one))
    connection.execute(sa.insert(tally).values(id=1, n=0))
    connection.execute(sa.insert(shelf).values([{"code": "one", "name": "1"}, {"code": "none", "name": "0"}]))
    connection.execute(sa.insert(volume).values(id=1, shelf_code="one"))
    connection.execute(sa.insert(note).values(id=1, volume_id=1))


def test_sqlalchemy(engine: Any) -> None:
    from weir_server._sqlalchemy import Watch

    read: set[str] = set()
    gone: set[str] = set()
    engine.run(fill)
    Watch(engine.plain, tables, lambda tags, _: read.update(tags), gone.update)
    old = []
    try:
        for write, statement in WRITES.items():
            engine.run(fill)
            shown, tags = {}, {}
            for name, query in READS.items():
                read.clear()
                shown[name] = engine.run(lambda c, query=query: c.execute(query).all())
                tags[name] = set(read)
            gone.clear()
            engine.run(lambda c, statement=statement: c.execute(statement))
            for name, query in READS.items():
                now = engine.run(lambda c, query=query: c.execute(query).all())
                if now != shown[name] and not tags[name] & gone:
                    old.append(f"{name} after {write}: {shown[name]} {now} {tags[name]} {gone}")
        assert not old, "\n".join(old)
        engine.run(fill)
        gone.clear()
        engine.run(lambda c: c.execute(sa.update(shelf).where(shelf.c.code == "one").values(name="x")))
        assert gone == {"its_shelf", "its_shelf:one"}, "nothing follows from that"
    finally:
        engine.run(tables.drop_all)


TRIGGER = {
    "sqlite": [
        'CREATE TRIGGER by_itself AFTER UPDATE ON shop_tag BEGIN UPDATE "order" SET name = NEW.name; END',
        "DROP TRIGGER by_itself",
    ],
    "postgresql": [
        "CREATE FUNCTION by_itself() RETURNS TRIGGER AS "
        "'BEGIN UPDATE \"order\" SET name = NEW.name; RETURN NULL; END' LANGUAGE plpgsql;"
        "CREATE TRIGGER by_itself AFTER UPDATE ON shop_tag FOR EACH ROW EXECUTE FUNCTION by_itself()",
        "DROP TRIGGER by_itself ON shop_tag; DROP FUNCTION by_itself",
    ],
}


def test_django(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection

    from shop.models import Tag
    from weir_server.django import changes

    gone: set[str] = set()
    monkeypatch.setattr(changes, "deliver", gone.update)
    make, drop = TRIGGER[connection.vendor]

    def execute(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)
        gone.clear()

    tag = Tag.objects.create(name="by itself")
    execute(make)
    try:
        Tag.objects.filter(pk=tag.pk).update(name="other")
        assert {"strange.vendor", "strange.vendor:*", f"shop.tag:{tag.pk}"} <= gone
        gone.clear()
        Tag.objects.filter(pk=tag.pk + 1).update(name="nothing")
        assert not gone
    finally:
        execute(drop)
    Tag.objects.filter(pk=tag.pk).update(name="again")
    assert "strange.vendor" not in gone and f"shop.tag:{tag.pk}" in gone
    tag.delete()


@pytest.mark.skipif("SITE_POSTGRES" not in os.environ, reason="only with a PostgreSQL: test_postgres.py")
def test_constraints_that_no_model_tells_of(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection

    from shop.models import Article, Author, Comment
    from weir_server.django import changes

    gone: set[str] = set()
    article = Article.objects.create(
        title="gone", slug="gone-by-itself", author=Author.objects.earliest("pk"), category_id=None
    )
    comment = Comment.objects.create(article=article, text="with it")
    find = (
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'shop_comment'::regclass"
        " AND confrelid = 'shop_article'::regclass"
    )
    rule = "ALTER TABLE shop_comment DROP CONSTRAINT {0}, ADD CONSTRAINT {0} FOREIGN KEY (article_id)"
    rule += " REFERENCES shop_article (id) {1} DEFERRABLE INITIALLY DEFERRED"
    with connection.cursor() as cursor:
        cursor.execute(find)
        (name,) = cursor.fetchone()
        cursor.execute(rule.format(name, "ON DELETE CASCADE"))
    monkeypatch.setattr(changes, "deliver", gone.update)
    try:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM shop_article WHERE id = %s", [article.pk])
        assert not Comment.objects.filter(pk=comment.pk).exists()
        assert {"shop.comment", "shop.comment:*", f"shop.article:{article.pk}"} <= gone
    finally:
        with connection.cursor() as cursor:
            cursor.execute(rule.format(name, ""))
