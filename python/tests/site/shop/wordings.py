"""How sites read and write articles: many wordings of the same few reads and changes."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db import models as orm

SQLITE = connection.vendor == "sqlite"


def models() -> Any:
    from shop import models

    return models


def article(at: int = 0) -> Any:
    return models().Article.objects.order_by("pk")[at]


def articles(**conditions: Any) -> Any:
    return models().Article.objects.filter(**conditions).order_by("pk")


def retitle(title: str = "another title") -> None:
    one = article()
    one.title = title
    one.save()


def run(sql: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else None


def new(**more: Any) -> Any:
    return models().Article.objects.create(**{"title": "new", "slug": "new-one", "author": article().author} | more)


def touch(**more: Any) -> Any:
    return models().Article.objects.filter(pk=article().pk).update(**more)


READS: dict[str, Callable[[], Any]] = {
    "iterator": lambda: [one.title for one in articles().iterator()],
    "in_bulk": lambda: [one.title for one in models().Article.objects.in_bulk([article().pk]).values()],
    "deferred": lambda: models().Article.objects.only("slug").get(pk=article().pk).title,
    "raw": lambda: [one.title for one in models().Article.objects.raw("SELECT * FROM shop_article ORDER BY id")],
    "a CTE": lambda: run("WITH x AS (SELECT title FROM shop_article) SELECT title FROM x ORDER BY title"),
    "only": lambda: (
        run("SELECT title FROM ONLY shop_article ORDER BY id")
        if not SQLITE
        else run("SELECT title FROM main.shop_article ORDER BY id")
    ),
    "a window": lambda: list(
        articles().annotate(last=orm.Window(orm.Max("title"), partition_by="pk")).values_list("last")
    ),
    "a union": lambda: list(
        models()
        .Article.objects.filter(pk=article().pk)
        .order_by()
        .values_list("title")
        .union(models().Tag.objects.order_by().values_list("name"))
        .order_by("title")
    ),
    "exists": lambda: list(
        models()
        .Author.objects.filter(pk=article().author_id)
        .annotate(has=orm.Exists(models().Article.objects.filter(author=orm.OuterRef("pk"), title="another title")))
        .values_list("has")
    ),
    "a subquery": lambda: list(
        models()
        .Author.objects.filter(pk=article().author_id)
        .annotate(last=orm.Subquery(articles(author=orm.OuterRef("pk")).values("title")[:1]))
        .values_list("last")
    ),
    "a filtered relation": lambda: sorted(
        models()
        .Author.objects.annotate(
            shown=orm.FilteredRelation("articles", condition=orm.Q(articles__title="another title"))
        )
        .filter(pk=article().author_id)
        .values_list("shown__pk"),
        key=str,
    ),
    "case": lambda: list(
        articles().annotate(is_it=orm.Case(orm.When(title="another title", then=1), default=0)).values_list("is_it")
    ),
    "a related row": lambda: [one.article.title for one in models().Comment.objects.select_related("article")[:40]],
    "rows of a compiler": lambda: [
        row
        for chunk in models().Comment.objects.select_related("article")[:40].query.get_compiler("default").execute_sql()
        for row in chunk
    ],
    "a prefetch": lambda: [
        [one.title for one in author.shown]
        for author in models().Author.objects.prefetch_related(orm.Prefetch("articles", articles(), to_attr="shown"))
    ],
    "async": lambda: asyncio.run(articles(title="another title").acount()),
    "another condition": lambda: (
        models().Article.objects.filter(orm.Q(slug="none") | orm.Q(title="another title")).count()
    ),
}

WRITES: dict[str, Callable[[], Any]] = {
    "save": retitle,
    "update": lambda: touch(title="another title"),
    "bulk_update": lambda: models().Article.objects.bulk_update([titled(article())], ["title"]),
    "upsert": lambda: models().Article.objects.bulk_create(
        [models().Article(title="another title", slug=article().slug, author=article().author)],
        update_conflicts=True,
        update_fields=["title"],
        unique_fields=["slug"],
    ),
    "lower case": lambda: run(f"/* why */ update shop_article set title='another title' where id={article().pk}"),
    "an alias": lambda: run(f"UPDATE shop_article AS z SET title='another title' WHERE z.id={article().pk}"),
    "a word before": lambda: run(
        f"UPDATE {'OR REPLACE' if SQLITE else 'ONLY'} shop_article SET title='another title' WHERE id={article().pk}"
    ),
    "a CTE": lambda: run(f"WITH x AS (SELECT 1) UPDATE shop_article SET title='another title' WHERE id={article().pk}"),
    "from": lambda: run(
        "UPDATE shop_article SET title='another title' FROM shop_tag"
        f" WHERE shop_tag.id IS NOT NULL AND shop_article.id={article().pk}"
    ),
    "many": lambda: connection.cursor().executemany(
        "UPDATE shop_article SET title=%s WHERE id=%s", [("another title", article().pk)]
    ),
    "on commit": lambda: committed(lambda: transaction.on_commit(retitle)),
    "in a savepoint": lambda: committed(lambda: committed(retitle)),
    "in a thread": lambda: in_thread(retitle),
    "autocommit off": lambda: by_hand(transaction.commit),
    "autocommit on again": lambda: only_on_sqlite(lambda: by_hand(lambda: None)),
    "atomic without autocommit": lambda: by_hand(transaction.commit, committed),
    "a script": lambda: only_on_sqlite(
        lambda: script(f"UPDATE shop_article SET title='another title' WHERE id={article().pk}")
    ),
}


def titled(one: Any) -> Any:
    one.title = "another title"
    return one


def committed(write: Callable[[], Any]) -> None:
    with transaction.atomic():
        write()


def in_thread(write: Callable[[], None]) -> None:
    def body() -> None:
        write()
        connection.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(30)


def by_hand(end: Callable[[], None], around: Callable[[Callable[[], Any]], Any] = lambda write: write()) -> None:
    transaction.set_autocommit(False)
    try:
        around(retitle)
        end()
    finally:
        transaction.set_autocommit(True)


def only_on_sqlite(write: Callable[[], Any]) -> None:
    if not SQLITE:
        pytest.skip("other databases refuse it")
    write()


def script(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.executescript(sql)


def copied() -> None:
    """COPY of PostgreSQL, which goes past Django's wrappers; there is no such thing in SQLite."""
    row = ("copied", "copied", article().author_id, True, False, 0)
    if SQLITE:
        new(slug="copied")
        return
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY shop_article (title, slug, author_id, published, deleted, views) FROM STDIN") as copy,
    ):
        copy.write_row(row)
