"""The tables of the site's models, as the reader of SQL wants to know them."""

import re
from collections.abc import Mapping
from contextlib import closing
from functools import cache

from django.apps import apps
from django.db import connections, models, router

from weir_server._sql import Pin, Statements, Table, Tree
from weir_server.django import quiet
from weir_server.django.conf import of_no_model


@cache
def statements() -> Statements:
    """The reader for this site's SQL. Call it when all models are loaded."""
    return Statements(schema())


@cache
def schema() -> Mapping[str, Table]:
    found: dict[str, Table] = {}
    written: dict[str, str] = {}
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.proxy or meta.swapped:
            continue
        name = table_name(meta.db_table)
        if name not in found:
            found[name], written[name] = table(model), meta.db_table
        elif written[name] != meta.db_table:
            # Two of one name in several schemas: a statement need not say which one it means.
            found[name] = Table(found[name].label, None, {}, frozenset())
    return found


def table_name(written: str) -> str:
    """The name of a table without its schema, which people write as `schema"."table`."""
    return re.split(r"[\"`\]]\.[\"`\[]", written)[-1].strip('"`[]')


@cache
def unmanaged() -> Mapping[str, type[models.Model]]:
    """The models whose tables Django has not made: they may be views of the database."""
    return {table_name(model._meta.db_table): model for model in apps.get_models() if not model._meta.managed}


def is_view(table: str) -> bool:
    """Whether the database makes its rows from other tables."""
    model = unmanaged().get(table)
    return model is not None and is_view_in(router.db_for_read(model), table)


@cache
def is_view_in(alias: str, table: str) -> bool:
    """Asked below Django's wrappers around statements: it is no query of the site."""
    connection = connections[alias]
    with closing(connection.create_cursor()) as cursor:
        tables = connection.introspection.get_table_list(cursor)
    return any(found.name == table and found.type == "v" for found in tables)


@cache
def labels() -> Mapping[str, str]:
    """From each label to its table."""
    return {known.label: name for name, known in schema().items()}


def label(table: str) -> str:
    known = schema().get(table)
    return known.label if known else of_no_model(table)


def table(model: type[models.Model]) -> Table:
    meta = model._meta
    fields = [(field, field.column) for field in meta.local_concrete_fields if field.column]
    generic = {item.fk_field for item in meta.private_fields if hasattr(item, "fk_field") and hasattr(item, "ct_field")}
    ranked: list[tuple[int, str, Pin]] = []
    for field, column in fields:
        kind, rank = kind_of(field), rank_of(field, generic)
        if kind and rank is not None:
            ranked.append((rank, column, Pin(None if field.primary_key else field.name, kind, rank < 4)))
    ranked.sort(key=lambda one: one[0])
    pk = next((column for field, column in fields if field.primary_key), None)
    return Table(
        label=meta.label_lower,
        pk=pk if pk and kind_of(meta.pk) else None,
        pins={column: pin for _, column, pin in ranked},
        not_null=frozenset(column for field, column in fields if not field.null),
        tree=tree(model, [column for _, column in fields]),
        quiet=quiet.columns(meta.label_lower),
        computes=any(getattr(field, "generated", False) for field, _ in fields),
        cascades=frozenset(cascades(model, set())),
        refers={column: other for field, column in fields if (other := referred(field))},
    )


def referred(field: "models.Field[object, object]") -> str | None:
    """The table whose rows a field names by their primary keys, if the database has a constraint for it."""
    if not isinstance(field, models.ForeignKey) or not field.model._meta.managed:
        return None
    if not getattr(field, "db_constraint", False):
        return None
    meta = field.target_field.model._meta
    return table_name(meta.db_table) if meta.managed and field.target_field.primary_key else None


def cascades(model: type[models.Model], seen: set[str]) -> set[str]:
    """The labels of tables that the database changes by itself, all the way down, where rows are deleted here."""
    for relation in model._meta.get_fields(include_hidden=True):
        # DB_CASCADE, DB_SET_NULL and DB_SET_DEFAULT of Django 6.1.
        if type(getattr(relation, "on_delete", None)).__name__ != "DatabaseOnDelete":
            continue
        other = relation.related_model
        if isinstance(other, type) and other._meta.label_lower not in seen:
            seen.add(other._meta.label_lower)
            cascades(other, seen)
    return seen


def tree(model: type[models.Model], columns: list[str]) -> Tree | None:
    """A materialised path of django-treebeard, as Wagtail's pages and collections have."""
    step = getattr(model, "steplen", None)
    names = ("path", "depth", "numchild")
    return Tree(*names[:2], step, names[2]) if isinstance(step, int) and set(names) <= set(columns) else None


def rank_of(field: "models.Field[object, object]", generic: set[str]) -> int | None:
    """How few rows one value of it has, as a guess: 0 fewest; None if its values have no tags."""
    if field.primary_key:
        return 0
    if field.unique:
        return 1
    if field.name in generic:
        return 2
    if isinstance(field, models.SlugField):
        return 3
    if field.remote_field and isinstance(field, models.ForeignKey):
        return 5 if field.remote_field.model._meta.label_lower == "contenttypes.contenttype" else 4
    return None


def kind_of(field: object) -> str | None:
    """How the database compares its values; None where that is not simple."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if isinstance(field, models.UUIDField):
        return "uuid"
    if isinstance(field, models.IntegerField | models.AutoField):
        return "int"
    if isinstance(field, models.CharField | models.TextField):
        return "text"
    return None
