"""Roles of PostgreSQL that may do less than own everything: what Weir asks before a change never stops it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOCKET = os.environ.get("SITE_POSTGRES")
pytestmark = pytest.mark.skipif(not SOCKET, reason="only with a PostgreSQL: test_postgres.py")
# What a role may do with comments, and a change that it may make. None of them may ask for the rows as Weir would.
CASES = {
    "may delete and not lock": ("SELECT, DELETE", "DELETE FROM shop_comment WHERE id = %s"),
    "may change and not read the keys": (
        "SELECT (id, text), UPDATE (text)",
        "UPDATE shop_comment SET text = 'x' WHERE id = %s",
    ),
    "may lock": ("SELECT, UPDATE, DELETE", "DELETE FROM shop_comment WHERE id = %s"),
}


@pytest.fixture
def clerk(filled: Path) -> Iterator[str]:
    from django.db import connection

    from weir_server.django import database

    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE clerk")
        cursor.execute("GRANT USAGE ON SCHEMA public TO clerk")
        database.forget()
        yield "clerk"
        cursor.execute("RESET ROLE")
        cursor.execute("DROP OWNED BY clerk")
        cursor.execute("DROP ROLE clerk")
    database.forget()


@pytest.mark.parametrize("is_in_transaction", [False, True])
@pytest.mark.parametrize("case", sorted(CASES))
def test_django(clerk: str, monkeypatch: pytest.MonkeyPatch, case: str, is_in_transaction: bool) -> None:
    from contextlib import nullcontext

    from django.db import connection, transaction

    from shop.models import Article, Comment
    from weir_server.django import changes

    rights, statement = CASES[case]
    article = Article.objects.earliest("pk")
    one, other = (Comment.objects.create(article=article, text="by a clerk") for _ in range(2))
    gone: set[str] = set()
    monkeypatch.setattr(changes, "deliver", gone.update)
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT {rights} ON shop_comment TO {clerk}")
        cursor.execute(f"SET ROLE {clerk}")
        for row in (one, other):
            gone.clear()
            with transaction.atomic() if is_in_transaction else nullcontext():
                cursor.execute(statement, [row.pk])
                assert cursor.rowcount == 1
            assert "shop.comment" in gone
            # Either its own tags, or those of all rows.
            assert f"shop.comment:{row.pk}" in gone if case == "may lock" else "shop.comment:*" in gone
        cursor.execute("RESET ROLE")
    Comment.objects.filter(text__in=("by a clerk", "x")).delete()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_sqlalchemy(clerk: str, driver: str) -> None:
    import asyncio

    sa = pytest.importorskip("sqlalchemy")
    pytest.importorskip(driver)
    from sqlalchemy.ext.asyncio import create_async_engine

    from weir_server._sqlalchemy import Watch

    engine: Any = create_async_engine(f"postgresql+{driver}://postgres@/postgres?host={SOCKET}")
    tables = sa.MetaData()
    paper = sa.Table("paper", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    gone: set[str] = set()
    Watch(engine.sync_engine, tables, lambda *_: None, gone.update)

    async def work() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(tables.create_all)
            await connection.execute(sa.insert(paper).values([{"id": n, "text": "x"} for n in range(4)]))
            await connection.execute(sa.text(f"GRANT SELECT, DELETE ON paper TO {clerk}"))
        try:
            for number in range(2):
                gone.clear()
                async with engine.begin() as connection:
                    await connection.execute(sa.text(f"SET LOCAL ROLE {clerk}"))
                    deleted = await connection.execute(sa.delete(paper).where(paper.c.id == number))
                    assert deleted.rowcount == 1
                assert gone == {"paper", "paper:*", "paper:+"}
        finally:
            async with engine.begin() as connection:
                await connection.run_sync(tables.drop_all)
            await engine.dispose()

    asyncio.run(work())
