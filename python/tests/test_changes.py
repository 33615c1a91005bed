"""What single changes purge, and what they do not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def purged(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[set[str]]]]:
    """Calls give what was purged since the last call, batch by batch."""
    from weir_server.django import changes

    batches: list[set[str]] = []
    monkeypatch.setattr(changes, "deliver", lambda tags: batches.append(set(tags)))

    def taken() -> list[set[str]]:
        found = list(batches)
        batches.clear()
        return found

    yield taken


def test_a_row_by_its_keys_before_and_after(purged: Any) -> None:
    from shop.models import Comment, Tag

    comment = Comment.objects.first()
    assert comment
    old, new = comment.article_id, 1 + comment.article_id % 3
    purged()
    comment.article_id = new
    comment.author_id = None
    comment.save(update_fields=["article_id", "author_id"])
    (batch,) = purged()
    for tag in (
        "shop.comment",
        f"shop.comment:{comment.pk}",
        f"shop.comment:article={old}",
        f"shop.comment:article={new}",
    ):
        assert tag in batch, batch
    assert "shop.comment:*" not in batch
    tag = Tag.objects.create(name="new")
    assert set().union(*purged()) == {"shop.tag", f"shop.tag:{tag.pk}"}, "a new row and its key, no other row"
    Tag.objects.filter(name="no such tag").update(name="x")
    assert purged() == [], "no row was changed"
    key = tag.pk
    tag.delete()
    assert f"shop.tag:{key}" in set().union(*purged())


def test_many_rows_are_their_table(purged: Any) -> None:
    from shop.models import Tag

    Tag.objects.bulk_create([Tag(name=f"n{number}") for number in range(600)])
    assert "shop.tag" in set().union(*purged())
    Tag.objects.filter(name__startswith="n").update(name="m")
    assert purged() == [{"shop.tag", "shop.tag:*", "shop.tag:+"}]
    Tag.objects.filter(name="m").delete()
    assert "shop.tag" in set().union(*purged())


def test_what_is_rolled_back_purges_nothing_and_a_transaction_once(purged: Any) -> None:
    from django.db import transaction

    from shop.models import Tag

    first = Tag.objects.order_by("pk").first()
    assert first
    with transaction.atomic():
        first.name = "a"
        first.save()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Tag.objects.filter(pk=first.pk + 1).update(name=str(1 // 0))
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Tag.objects.filter(pk=first.pk + 1).update(name="b")
            raise ZeroDivisionError
        assert purged() == [], "not before the commit"
        first.save()
    assert purged() == [{"shop.tag", f"shop.tag:{first.pk}"}]
    transaction.set_autocommit(False)
    try:
        first.save()
        transaction.rollback()
        first.save()
        assert purged() == []
        transaction.commit()
        assert purged() == [{"shop.tag", f"shop.tag:{first.pk}"}]
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    Tag.objects.using("second").update(name="there")
    assert any("shop.tag" in batch for batch in purged()), "another database"


def test_the_site_s_own_queries_are_not_more(filled: Path) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from shop.models import Tag

    with CaptureQueriesContext(
        connection,
    ) as queries:
        Tag.objects.filter(pk=1).update(name="x")
    assert [query["sql"].split()[0] for query in queries.captured_queries if "shop_tag" in query["sql"]] == ["UPDATE"]


def test_names_of_tags(filled: Path) -> None:
    from shop.models import Article
    from weir_server.django import tag

    row = Article.objects.first()
    assert row
    assert tag(row) == f"shop.article:{row.pk}" and tag(Article) == "shop.article" and tag("weather") == "weather"
    assert tag(Article, slug="X Y") == "shop.article:slug=x%20y" and tag(Article, author=row.author).endswith(
        f":author={row.author_id}"
    )


def test_a_row_whose_key_has_no_tag_is_its_table(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from shop.models import Article
    from weir_server.django import purges, schema

    known = dict(schema.schema())
    known["shop_article"] = replace(known["shop_article"], pk=None)
    monkeypatch.setattr(purges, "schema", lambda: known)
    row = Article.objects.first()
    assert row and purges.tag(row) == "shop.article" == purges.tag(Article)
