"""What a change asks for before it locks no more than the change itself. PostgreSQL has locks of several kinds."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOCKET = os.environ.get("SITE_POSTGRES")
pytestmark = pytest.mark.skipif(not SOCKET, reason="only with a PostgreSQL: test_postgres.py")
PATIENCE = 60.0


def at_once(works: list[Callable[[threading.Barrier], None]]) -> list[Any]:
    """The errors of some works, each in a thread of its own; all wait for each other once."""
    together, errors = threading.Barrier(len(works)), []

    def run(work: Callable[[threading.Barrier], None]) -> None:
        try:
            work(together)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return errors


@pytest.fixture
def articles(filled: Path) -> Iterator[Any]:
    from shop.models import Article

    yield Article
    Article.tags.through.objects.filter(tag__name__startswith="lock").delete()


def test_what_others_refer_to_may_change(articles: Any) -> None:
    """Each changes an article, and adds something to the other one's: neither may stop the other."""
    from django.db import connection, transaction
    from django.db.models import F

    from shop.models import Tag

    one, other = articles.objects.order_by("pk")[:2]
    tags = [Tag.objects.create(name=f"lock {number}") for number in range(2)]

    def add(changed: Any, referred: Any, tag: Tag) -> Callable[[threading.Barrier], None]:
        def work(together: threading.Barrier) -> None:
            try:
                with transaction.atomic():
                    articles.objects.filter(pk=changed.pk).update(views=F("views") + 1)
                    # Django's constraints are looked at when the transaction ends.
                    articles.tags.through.objects.create(article_id=referred.pk, tag_id=tag.pk)
                    together.wait(PATIENCE)
            finally:
                connection.close()

        return work

    assert at_once([add(one, other, tags[0]), add(other, one, tags[1])]) == []
    assert articles.objects.get(pk=one.pk).views == one.views + 1


def test_a_counter_of_what_others_refer_to_through_sqlalchemy() -> None:
    import sqlalchemy as sa

    from weir_server._sqlalchemy import Watch

    engine = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?host={SOCKET}")
    tables = sa.MetaData()
    parent = sa.Table("lock_parent", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
    child = sa.Table("lock_child", tables, sa.Column("parent_id", sa.ForeignKey("lock_parent.id")))
    tables.create_all(engine)
    purged: list[set[str]] = []
    Watch(engine, tables, lambda tags, hold: None, purged.append)
    with engine.begin() as connection:
        connection.execute(sa.insert(parent).values(id=1, n=0))

    def add(together: threading.Barrier) -> None:
        with engine.begin() as connection:
            connection.execute(sa.insert(child).values(parent_id=1))
            together.wait(PATIENCE)
            connection.execute(sa.update(parent).where(parent.c.id == 1).values(n=parent.c.n + 1))

    try:
        assert at_once([add, add]) == []
        assert len([tags for tags in purged if "lock_parent:1" in tags]) == 3
    finally:
        tables.drop_all(engine)
        engine.dispose()
