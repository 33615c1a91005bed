"""Names of tags, and what becomes of too many."""

import uuid

import pytest

from weir_server import _tags


@pytest.mark.parametrize(
    ("one", "other"),
    [("Straße ", "STRASSE"), ("café", "CAFE\u0301"), ("a b,c", "A B,C"), ("x" * 300, "X" * 300), ("", "  ")],
)
def test_what_a_database_may_take_for_equal_has_one_tag(one: str, other: str) -> None:
    assert _tags.row("shop.article", "slug", one) == _tags.row("shop.article", "slug", other)


def test_tags_are_words() -> None:
    for value in ("a b", "a,b", "ü", "x" * 500, "", "\n", "a:b", "*", "+", "\ud800"):
        tag = _tags.row("shop.article", "slug", value)
        assert tag.isascii() and tag.isprintable() and len(tag) < 100 and not set(tag) & set(' ,"'), tag
    assert _tags.row("shop.article", None, 7) == "shop.article:7"
    assert _tags.row("shop.article", None, "*") != _tags.any_row("shop.article")


def test_values_of_another_type_are_not_compared() -> None:
    some = uuid.uuid4()
    assert _tags.as_kind(some, "uuid") == _tags.as_kind(str(some).upper(), "uuid") == _tags.as_kind(some.hex, "uuid")
    assert _tags.as_kind("7", "int") is None and _tags.as_kind(7, "text") is None and _tags.as_kind(True, "int") == 1


def test_too_many_tags_become_coarser() -> None:
    rows = {f"shop.comment:{number}" for number in range(1000)} | {"shop.comment:*", "shop.article:7", "shop.article:*"}
    assert _tags.fit(rows) == ["shop.article:*", "shop.article:7", "shop.comment", "shop.comment:*", "shop.comment:+"]
    long = {f"shop.comment:slug={'x' * 38}{number}" for number in range(190)}
    assert "shop.comment" in _tags.fit(long)
    assert _tags.fit({f"app.model{number}" for number in range(300)}) == [_tags.EVERYTHING]
    assert _tags.fit([]) == []


def test_coarser_tags_still_hear_of_quiet_columns() -> None:
    many = {_tags.row("cms.page", None, number) for number in range(300)}
    assert _tags.fit(many) == ["cms.page", "cms.page:*", "cms.page:+"]
    for one in (_tags.quiet("cms.page", 7), _tags.leaf("cms.page", 7), _tags.quiet("cms.page", None)):
        assert "cms.page:quiet=*" in _tags.fit({*many, one}), one
    # Too many tables, each with its quiet columns: it ends.
    wide = {_tags.quiet(f"cms.page{number}", None) for number in range(300)}
    assert _tags.fit(wide) == [_tags.EVERYTHING]
