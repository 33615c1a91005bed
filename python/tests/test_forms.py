"""Forms of reading and writing that sites have: whatever is read by one is purged by each write that changes it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db import models as orm
from django.db.backends.utils import CursorWrapper

from shop.wordings import READS, SQLITE, WRITES, article, articles, by_hand, copied, models, new, retitle, run, touch
from weir_server.django import capture, changes


@pytest.fixture
def gone(filled: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What was purged."""
    batches: set[str] = set()
    monkeypatch.setattr(changes, "deliver", batches.update)
    return batches


def recorded(read: Callable[[], Any]) -> tuple[str, set[str], bool]:
    recorder, token = capture.begin()
    try:
        shown = repr(read())
    finally:
        capture.end(token)
    return shown, set(recorder.shown()), recorder.timed


@pytest.mark.parametrize("write", WRITES)
def test_what_is_read_is_purged_by_each_write(gone: set[str], write: str) -> None:
    for name, read in READS.items():
        retitle("before")
        before, tags, _ = recorded(read)
        gone.clear()
        WRITES[write]()
        after, _, _ = recorded(read)
        assert before != after, f"{write} changes nothing in {name}"
        assert tags & gone, (name, sorted(tags), sorted(gone))


def test_other_forms_of_reading(gone: set[str]) -> None:
    all_models = models()
    author = all_models.Author.objects.create(name="new", slug="a-new-author")
    doomed = article().pk
    all_models.Comment.objects.create(article_id=doomed, text="will go with it")
    unused = articles().last().pk + 1000
    place = all_models.Restaurant.objects.order_by("pk")[0]
    forms: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "none of a related row": (
            lambda: hasattr(all_models.Author.objects.get(pk=author.pk), "profile"),
            lambda: all_models.Profile.objects.create(author=author, bio="x"),
        ),
        "a parent's column by the child": (
            lambda: all_models.Restaurant.objects.get(pk=place.pk).name,
            lambda: all_models.Place.objects.filter(pk=place.pk).update(name="parent"),
        ),
        "a child's update of a parent's column": (
            lambda: all_models.Place.objects.get(pk=place.pk).name,
            lambda: all_models.Restaurant.objects.filter(pk=place.pk).update(name="child"),
        ),
        "a row that is not there": (lambda: articles(slug="new-one").count(), new),
        "a key that is not there": (
            lambda: articles(pk=unused).count(),
            lambda: new(slug="new-two", pk=unused),
        ),
        "a moved row": (lambda: articles(author=author).count(), lambda: touch(author=author)),
        "rows counted by a key": (lambda: articles(author=author).aggregate(orm.Sum("views")), lambda: touch(views=77)),
        "an expression": (lambda: article().views, lambda: touch(views=orm.F("views") * 2 + 1)),
        "groups": (
            lambda: list(
                all_models.Author.objects.annotate(n=orm.Count("articles")).values_list("pk", "n").order_by("pk")
            ),
            lambda: new(slug="new-three"),
        ),
        "many to many": (
            lambda: sorted(one.name for one in article().tags.all()),
            lambda: article().tags.set([all_models.Tag.objects.create(name="of a set")]),
        ),
        "rows of the far end": (
            lambda: list(all_models.Author.objects.filter(articles__slug="far").values_list("pk")),
            lambda: touch(slug="far"),
        ),
        "copied rows": (lambda: articles(title__gte="").count(), copied),
        "what a change returns": (
            lambda: run(f"UPDATE shop_article SET views = views WHERE id = {article().pk} RETURNING title"),
            lambda: retitle("returned"),
        ),
        "cascades": (
            lambda: all_models.Comment.objects.filter(article=doomed).count(),
            lambda: article().delete(),
        ),
    }
    for name, (read, write) in forms.items():
        before, tags, _ = recorded(read)
        gone.clear()
        write()
        assert before != recorded(read)[0], f"{name}: nothing changed"
        assert tags & gone, (name, sorted(tags), sorted(gone))


def test_a_model_of_a_view(filled: Path, gone: set[str]) -> None:
    """Its rows are made from other tables, which nobody knows unless WEIR["TABLES"] names them."""
    first = article()
    for read in (
        lambda: models().ShownArticle.objects.get(pk=first.pk).title,
        lambda: models().ShownArticle.objects.in_bulk([first.pk])[first.pk].title,
        lambda: list(models().ShownArticle.objects.values_list("title", flat=True)),
    ):
        gone.clear()
        shown, tags, timed = recorded(read)
        retitle(f"again {len(tags)} {id(read)}")
        assert shown != recorded(read)[0] and not timed and tags & gone, (sorted(tags), sorted(gone))
    tag = models().Tag.objects.create(name="of a view")
    assert recorded(lambda: models().ShownTag.objects.get(pk=tag.pk).name)[2], "nobody knows what it reads"
    assert recorded(lambda: list(models().ShownTag.objects.all()))[2]
    run("CREATE TABLE shop_legacy (id integer PRIMARY KEY, name varchar(50))")
    assert not recorded(lambda: list(models().Legacy.objects.all()))[2], "a table is a table"


@pytest.mark.skipif(not SQLITE, reason="a trigger in the words of SQLite")
def test_a_change_of_a_view(filled: Path, gone: set[str]) -> None:
    run(
        "CREATE TRIGGER retitled INSTEAD OF UPDATE ON shop_article_view BEGIN"
        " UPDATE shop_article SET title = NEW.title WHERE id = OLD.id; END"
    )
    gone.clear()
    models().ShownArticle.objects.filter(pk=article().pk).update(title="through the view")
    assert article().title == "through the view" and {"shop.article", "shop.article:*"} <= gone
    run("DROP TRIGGER retitled")
    # A view whose rows may only be deleted: nothing else is tried at it.
    run(
        "CREATE TRIGGER gone INSTEAD OF DELETE ON shop_article_view BEGIN"
        " UPDATE shop_article SET published = false WHERE id = OLD.id; END"
    )
    gone.clear()
    models().ShownArticle.objects.filter(pk=article().pk)._raw_delete("default")
    assert not article().published and {"shop.article", "shop.article:*"} <= gone
    run("DROP TRIGGER gone")
    touch(published=True)


class Procedures:
    """A cursor that knows procedures, as those of MySQL and Oracle do."""

    def callproc(self, *args: Any) -> None: ...


def test_procedures(gone: set[str], settings_of_weir: Any) -> None:
    def call(name: str) -> Callable[[], Any]:
        return lambda: CursorWrapper(Procedures(), connection).callproc(name, [7])

    assert recorded(call("report"))[2], "nobody knows what it reads"
    assert not gone
    settings_of_weir(TABLES={"report": ["shop.article"]})
    _, tags, timed = recorded(call("report"))
    assert not timed and "shop.article" in tags and "shop.article" in gone


@pytest.fixture
def settings_of_weir() -> Iterator[Callable[..., None]]:
    from django.conf import settings
    from django.test.utils import override_settings

    overridden = []

    def override(**more: Any) -> None:
        overridden.append(override_settings(WEIR={**settings.WEIR, **more}))
        overridden[-1].enable()

    yield override
    for one in overridden:
        one.disable()


def test_changes_whose_end_nobody_knows(gone: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost: the database may have done what it was asked for."""
    commit = connection._commit
    own = f"shop.article:{article().pk}"

    def lost() -> None:
        commit()
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch, pytest.raises(OperationalError), transaction.atomic():
        retitle("lost")
        patch.setattr(connection, "_commit", lost)
    assert article().title == "lost" and own in gone
    gone.clear()
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(connection, "_commit", lost)
        by_hand(transaction.commit)
    assert own in gone

    def unanswered(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        execute(sql, parameters, many, context)
        raise OperationalError("server closed the connection unexpectedly")

    gone.clear()
    insert = "INSERT INTO shop_tag (name) VALUES (%s)"
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with connection.execute_wrapper(unanswered), pytest.raises(OperationalError):
        run(insert, "unanswered")
    monkeypatch.undo()
    assert "shop.tag" in gone


def test_a_change_of_many_rows_asks_for_few(gone: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers read all rows of a result into memory, and a table may have millions."""
    asked: list[int] = []

    def ask(self: changes.Database, sql: str, parameters: Any, most: int) -> list[Any]:
        with contextlib.closing(self.connection.create_cursor()) as cursor:
            cursor.execute(sql, parameters)
            rows = list(cursor.fetchall()) if most else []
            asked.append(len(rows))
            return rows[:most]

    monkeypatch.setattr(changes.Database, "ask", ask)
    tags, categories = models().Tag, models().Category
    tags.objects.bulk_create([tags(name=f"many {number}") for number in range(700)])
    many = tags.objects.filter(name__startswith="many")
    for change in (lambda: many.update(name="many"), lambda: many._raw_delete(many.db)):
        gone.clear()
        change()
        assert max(asked) == 501 and "shop.tag:*" in gone
        asked.clear()
    assert not many.exists()
    new = categories.objects.create(name="few")
    gone.clear()
    categories.objects.filter(pk=new.pk).update(name="other")
    assert max(asked) == 1 and f"shop.category:{new.pk}" in gone and "shop.category:*" not in gone
    new.delete()


def test_the_first_of_many_changes_stay_when_one_fails(gone: set[str]) -> None:
    update = "UPDATE shop_article SET slug = %s WHERE id = %s"
    one, other, third = (article(at) for at in range(3))
    rows = [("changed-first", one.pk), (third.slug, other.pk)]
    with pytest.raises(IntegrityError):
        connection.cursor().executemany(update, rows)
    if SQLITE:
        assert article().slug == "changed-first"
    assert "shop.article" in gone
    gone.clear()
    with pytest.raises(IntegrityError):
        run("INSERT INTO shop_article SELECT * FROM shop_article")
    assert not gone


def test_what_the_database_computes_or_deletes_by_itself(filled: Path) -> None:
    """Its generated columns, and its cascades: DB_CASCADE of Django 6.1."""
    from weir_server import _writes
    from weir_server._sql import Pin, Statements, Table

    run("CREATE TABLE shelf (id integer PRIMARY KEY, name text, slug text GENERATED ALWAYS AS (lower(name)) STORED)")
    run("INSERT INTO shelf (id, name) VALUES (1, 'Old')")
    pins = {"id": Pin(None, "int"), "slug": Pin("slug", "text")}
    shelf = Table("a.shelf", "id", pins, frozenset({"id"}), computes=True, cascades=frozenset({"a.book"}))
    purged = []
    for sql in ("UPDATE shelf SET name = 'New' WHERE id = 1", "DELETE FROM shelf WHERE id = 1"):
        change = Statements({"shelf": shelf}).read(sql).change
        assert change
        exact = _writes.Exact(changes.Database(connection), shelf, change, None)
        with transaction.atomic():
            before = exact.rows()
            run(sql)
            purged.append(exact.tags(before, 1))
    assert purged[0] == {"a.shelf", "a.shelf:1", "a.shelf:slug=old", "a.shelf:slug=new"}
    assert purged[1] == {"a.shelf", "a.shelf:1", "a.shelf:slug=new", "a.book", "a.book:*", "a.book:+"}
