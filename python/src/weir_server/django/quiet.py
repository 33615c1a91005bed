"""Quiet columns: what changes often and pages seldom show, such as Wagtail's `draft_title`.

A change of nothing else purges only what has looked at one of these columns. A page is known to have looked if it read
the attribute of an object, or if its query names the column anywhere but among the columns of whole objects.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.db import models
from django.db.models.expressions import Col, RawSQL
from django.db.models.query_utils import DeferredAttribute

from weir_server import _tags

# The function that notes a tag for the page being made, if there is one; `capture` sets it.
note: Callable[[str], None] = lambda tag: None  # noqa: E731

# By label of the model: its table, and its quiet columns.
_known: dict[str, tuple[str, frozenset[str]]] = {}


def register(model: type[models.Model], *names: str) -> None:
    """Call it while applications get ready, before the first query."""
    meta = model._meta
    fields = [field for field in meta.local_concrete_fields if field.name in names]
    columns = frozenset(str(field.column) for field in fields)
    if not columns:
        return
    table, before = _known.get(meta.label_lower, (meta.db_table, frozenset()))
    _known[meta.label_lower] = (table, before | columns)
    for field in fields:
        usual = model.__dict__.get(field.attname)
        if isinstance(usual, DeferredAttribute):
            setattr(model, field.attname, noticed(type(usual), field, meta.label_lower))
    _named.cache_clear()


def noticed(usual: type[Any], field: Any, label: str) -> Any:
    """An attribute of a model that says when it is read."""

    class Noticed(usual):  # type: ignore[misc]
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is not None:
                note(_tags.quiet(label, instance.pk))
            return super().__get__(instance, owner)

        def __set__(self, instance: Any, value: Any) -> None:
            if hasattr(usual, "__set__"):
                super().__set__(instance, value)
            else:
                instance.__dict__[field.attname] = value

    return Noticed(field)


def watch_leaves(node: Any) -> None:
    """Nodes of django-treebeard are asked whether they have children for every page: only that is noted."""
    usual = node.is_leaf
    if hasattr(usual, "weir_usual"):
        return

    def is_leaf(self: Any) -> bool:
        if "numchild" not in self.__dict__ or self.pk is None:
            return bool(usual(self))
        note(_tags.leaf(node_label(type(self)), self.pk))
        return bool(self.__dict__["numchild"] == 0)

    is_leaf.weir_usual = usual  # type: ignore[attr-defined]
    node.is_leaf = is_leaf


def node_label(model: type[models.Model]) -> str:
    """The label of the table with the column `numchild`."""
    return str(model._meta.get_field("numchild").model._meta.label_lower)


def columns(label: str) -> frozenset[str]:
    return _known.get(label, ("", frozenset()))[1]


def named(sql: str, compiler: Any) -> set[str]:
    """The tags of a query that names quiet columns, other than to make whole objects."""
    found: set[str] = set()
    for label, beside, chosen in _named(sql):
        query = compiler.query if compiler is not None else None
        if beside or (chosen and (query is None or query.values_select or is_annotated(query, label))):
            found.add(_tags.quiet(label, None))
    return found


def is_annotated(query: Any, label: str) -> bool:
    """Whether what is computed for each row names a quiet column."""
    parts = [part for one in query.annotation_select.values() for part in one.flatten()]
    return any(
        isinstance(part, RawSQL) or (isinstance(part, Col) and part.target.column in columns(label)) for part in parts
    )


@lru_cache(maxsize=2048)
def _named(sql: str) -> tuple[tuple[str, bool, bool], ...]:
    """For each label: whether its quiet columns stand behind FROM or twice, and whether among what is chosen."""
    found = []
    for label, (table, quiet) in _known.items():
        if table not in sql:
            continue
        chosen, _, rest = sql.partition(" FROM ")
        counts = [len(re.findall(rf"\b{column}\b", chosen)) for column in quiet]
        behind = any(re.search(rf"\b{column}\b", rest) for column in quiet)
        is_all = "*" in chosen and "(*)" not in chosen
        if behind or any(counts) or is_all:
            found.append((label, behind or max(counts) > 1, any(counts) or is_all))
    return tuple(found)
