"""A connection of Django's, below its wrappers: what Weir asks is neither logged nor counted as the site's own."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import Error, NotSupportedError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

from weir_server import _writes
from weir_server._effects import Effects, ask_for
from weir_server._sql import Statement
from weir_server.django.commits import is_by_hand
from weir_server.django.schema import label, schema

logger = logging.getLogger("weir_server")

MOST = 100_000
WITH_SAVEPOINTS = ("postgresql", "mysql")

# By alias.
_effects: dict[str, Effects] = {}
_may_ask: dict[str, dict[tuple[str, str], bool]] = {}


class Database:
    """See `weir_server._writes.Database`."""

    refusals: tuple[type[Exception], ...] = (ProgrammingError, NotSupportedError)

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.locks_whole = connection.vendor == "sqlite"
        self.limits = connection.vendor in ("postgresql", "mysql", "sqlite")
        features = connection.features
        # SQL Server says it in another place.
        is_usual = features.has_select_for_update and not getattr(features, "for_update_after_from", False)
        self.lock_of_delete = "FOR UPDATE" if is_usual else ""
        self.lock_of_update = "FOR NO KEY UPDATE" if features.has_select_for_no_key_update else self.lock_of_delete
        self.may_ask = _may_ask.setdefault(connection.alias, {})

    def quote(self, name: str) -> str:
        return self.connection.ops.quote_name(name)

    def ask(self, sql: str, parameters: Any, most: int) -> list[Sequence[Any]]:
        with self.connection.wrap_database_errors, contextlib.closing(self.connection.create_cursor()) as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchmany(most)) if most else []

    def marks(self, values: Sequence[Any]) -> tuple[str, Any]:
        return ", ".join(["%s"] * len(values)), list(values)

    def trial(self) -> contextlib.AbstractContextManager[None]:
        connection = self.connection
        is_in_transaction = connection.in_atomic_block or not connection.get_autocommit() or is_by_hand(connection)
        has_savepoints = connection.vendor in WITH_SAVEPOINTS
        return _writes.savepoint(self.ask) if is_in_transaction and has_savepoints else contextlib.nullcontext()


def effects_of(connection: BaseDatabaseWrapper, statement: Statement) -> Iterator[str]:
    """The tags of what the database will change by itself."""
    known = _effects.get(connection.alias)
    if known is None:
        known = asked(Database(connection))
    for table in known.of(statement):
        yield from _writes.whole(label(table))


def asked(database: Database) -> Effects:
    """Asks once, and again where something else was wrong: the transaction has failed, the connection is lost."""
    alias, vendor = database.connection.alias, database.connection.vendor
    try:
        with database.trial():
            _effects[alias] = ask_for(vendor, lambda sql: database.ask(sql, None, MOST), schema())
    except database.refusals as error:
        logger.warning("what triggers and constraints change purges nothing: %s", error)
        _effects[alias] = Effects()
    except Error:
        return Effects()
    return _effects[alias]


def forget() -> None:
    """Tables have changed."""
    _effects.clear()
    _may_ask.clear()
