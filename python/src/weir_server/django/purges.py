"""Purges that the application asks for itself: from any process, also from Celery and the shell."""

from collections.abc import Iterable
from typing import Any

from django.db import models

from weir_server import _tags
from weir_server._admin import Outcome
from weir_server.django.changes import sender
from weir_server.django.schema import schema, table_name


def tag(thing: Any, **field: Any) -> str:
    """The tag of a row, a model or a field's value: `tag(article)`, `tag(Article)`, `tag(Article, slug="x")`.

    Rows with a key of several columns, or of a type that has no tags, are their table.
    """
    if isinstance(thing, str):
        return thing
    meta = thing._meta.concrete_model._meta
    table = schema().get(table_name(meta.db_table))
    # Of two models of one table, one names it.
    label = table.label if table else meta.label_lower
    if isinstance(thing, models.Model) and (table is None or table.pk is not None):
        return _tags.row(label, None, thing.pk if isinstance(thing.pk, int) else str(thing.pk))
    if not field:
        return str(label)
    name, value = next(iter(field.items()))
    return _tags.row(label, name, getattr(value, "pk", value))


def purge(
    *, tags: Iterable[Any] = (), urls: Iterable[str] = (), prefixes: Iterable[str] = (), soft: bool = False
) -> Outcome:
    """Returns when it is over everywhere; `outcome.complete` is false, and `missing` says who, if it is not.

    `tags` may be texts, rows and models. Raises `weir_server.PurgeError` if nobody makes the purge.
    """
    return sender().admin.purge(tags=[tag(one) for one in tags], urls=urls, prefixes=prefixes, soft=soft)


def wait(timeout: float = 5.0) -> bool:
    """Waits until the purges of all changes of this process are over everywhere; whether they are."""
    return sender().drain(timeout)
