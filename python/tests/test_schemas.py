"""Tables whose names say their schemas, as Django takes them: `db_table = 'aside"."thing'`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# SQLite does not take such a name behind RETURNING.
pytestmark = pytest.mark.skipif("SITE_POSTGRES" not in os.environ, reason="only with a PostgreSQL: test_postgres.py")


@pytest.fixture
def thing(filled: Path) -> Iterator[Any]:
    from django.apps import apps
    from django.db import connection, models

    from weir_server.django import schema

    def forget() -> None:
        for known in (schema.schema, schema.statements, schema.unmanaged, schema.labels):
            known.cache_clear()

    class Thing(models.Model):
        slug = models.SlugField(unique=True)
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "strange"
            db_table = 'aside"."thing'

    forget()
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA aside")
        cursor.execute("CREATE TABLE aside.thing (id SERIAL PRIMARY KEY, slug VARCHAR UNIQUE, name VARCHAR)")
        try:
            yield Thing
        finally:
            cursor.execute("DROP SCHEMA aside CASCADE")
            del apps.all_models["strange"]["thing"]
            apps.clear_cache()
            forget()


def test_rows_have_tags_of_their_own(thing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection

    from weir_server.django import capture, changes, tag

    gone: set[str] = set()
    monkeypatch.setattr(changes, "deliver", gone.update)
    one, other = (thing.objects.create(slug=slug, name="new") for slug in ("one", "other"))
    assert {f"strange.thing:{other.pk}", "strange.thing:slug=other"} <= gone
    assert tag(one) == f"strange.thing:{one.pk}"
    for read, expected in (
        (lambda: thing.objects.get(pk=one.pk), f"strange.thing:{one.pk}"),
        (lambda: thing.objects.get(slug="one"), "strange.thing:slug=one"),
        (lambda: list(thing.objects.all()), "strange.thing"),
    ):
        recorder, token = capture.begin()
        read()
        capture.end(token)
        assert expected in recorder.tags and not recorder.timed, (expected, recorder.tags)
    gone.clear()
    one.name = "changed"
    one.save()
    assert {"strange.thing", f"strange.thing:{one.pk}", "strange.thing:slug=one"} <= gone
    assert f"strange.thing:{other.pk}" not in gone and "strange.thing:*" not in gone
    gone.clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aside.thing WHERE slug = 'other'")
    assert f"strange.thing:{other.pk}" in gone and f"strange.thing:{one.pk}" not in gone
