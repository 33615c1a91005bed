"""A connection of Django's, below its wrappers: what Weir asks is neither logged nor counted as the site's own."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import Error, NotSupportedError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from weir_server import _writes
from weir_server._catalogs import ROLES
from weir_server._effects import HOLD, Effects, ask_for
from weir_server._sql import Statement
from weir_server.django.commits import MAY_ASK, SEVERAL, is_by_hand
from weir_server.django.conf import conf
from weir_server.django.schema import label, schema

logger = logging.getLogger("weir_server")

MOST = 100_000
WITH_SAVEPOINTS = ("postgresql", "mysql")

# By alias, with the time until which it holds.
_effects: dict[str, tuple[float, Effects]] = {}


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
        held = connection.__dict__
        # What one role may, another may not, and it may be another again when the transaction ends.
        self.may_ask: dict[tuple[str, str], bool] = {} if SEVERAL in held else held.setdefault(MAY_ASK, {})

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
    for table in effects(connection).of(statement):
        yield from _writes.whole(label(table))


def called_by(connection: BaseDatabaseWrapper, text: str, is_call: bool) -> set[str]:
    """The tags of what functions change that a statement calls. `is_call`: it does little else."""
    until, known = _effects.get(connection.alias, (0.0, None))
    if (is_call and conf().purge) or (known is not None and known.routines and time.monotonic() >= until):
        known = effects(connection)
    return {tag for table in (known.called(text) if known else ()) for tag in _writes.whole(label(table))}


def has_routines(connection: BaseDatabaseWrapper) -> bool:
    """Whether a query may change something."""
    known = _effects.get(connection.alias)
    return known is not None and bool(known[1].routines)


def effects(connection: BaseDatabaseWrapper) -> Effects:
    until, known = _effects.get(connection.alias, (0.0, None))
    return known if known is not None and time.monotonic() < until else asked(Database(connection))


def asked(database: Database) -> Effects:
    """Asks, and again where something else was wrong: the transaction has failed, the connection is lost."""
    alias, vendor = database.connection.alias, database.connection.vendor
    try:
        with database.trial():
            known = ask_for(vendor, lambda sql: database.ask(sql, None, MOST), schema())
    except database.refusals as error:
        logger.warning("what triggers and constraints change purges nothing: %s", error)
        known = Effects()
    except Error:
        return _effects[alias][1] if alias in _effects else Effects()
    _effects[alias] = time.monotonic() + HOLD, known
    return known


def turned(connection: BaseDatabaseWrapper, text: str) -> None:
    """A statement may have given the connection another role."""
    if connection.vendor == "postgresql" and SEVERAL not in connection.__dict__ and ROLES.match(text):
        connection.__dict__[SEVERAL] = True


def forget() -> None:
    """Tables have changed."""
    _effects.clear()
    for connection in connections.all(initialized_only=True):
        connection.__dict__.pop(MAY_ASK, None)
