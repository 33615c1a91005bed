"""Notes what is written to the database, and purges it after the commit."""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.db.models.sql.compiler import SQLInsertCompiler

from weir_server import _tags, _writes
from weir_server._admin import Admin
from weir_server._sender import Sender, Ticket, drain_at_exit
from weir_server._sql import Insert, Statement, Table
from weir_server.django import capture, commits, replicas
from weir_server.django.address import addresses, write_down
from weir_server.django.commits import LOST
from weir_server.django.conf import conf
from weir_server.django.database import Database, called_by, effects_of, has_routines, turned
from weir_server.django.database import forget as forget_database
from weir_server.django.schema import is_view, label, schema, statements, table_name

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


class Tickets(list[Ticket]):
    """The purges that a request has begun."""

    # The request is answered: what a thread or task changes that outlives it is nobody's to wait for.
    ended = False


_tickets: ContextVar[Tickets | None] = ContextVar("weir_tickets", default=None)
# Within Django's own INSERT: it will say the new primary keys.
_inserting: ContextVar[bool] = ContextVar("weir_inserting", default=False)
_migrating = False
# A statement that runs a procedure.
CALLS = re.compile(r"\s*(?:CALL|EXEC(?:UTE)?)\b", re.IGNORECASE)
RETURNING = re.compile(r"\bRETURNING\b", re.IGNORECASE)


def watch(execute: Execute, sql: Any, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    """The wrapper around every statement of a connection."""
    work = capture.working.get()
    if work is None:
        return noticed(execute, sql, parameters, many, context)

    def timed(*args: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(*args)
        finally:
            work.add(time.perf_counter() - begun)

    return noticed(timed, sql, parameters, many, context)


def noticed(execute: Execute, sql: Any, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    """Runs a statement, and notes what it reads or writes."""
    recorder = capture.recorder()
    text = sql if isinstance(sql, str) else written_out(sql, context)
    connection: BaseDatabaseWrapper = context["connection"]
    if recorder is None and text.startswith("SELECT ") and " FROM " in text and not has_routines(connection):
        return execute(sql, parameters, many, context)
    statement = statements().read(text)
    if not statement.writes:
        result = execute(sql, parameters, many, context)
        if statement.defines:
            forget_database()
        if recorder is not None:
            recorder.note(statement, text, parameters)
            recorder.timed = recorder.timed or replicas.is_late(connection)
        called(connection, text, statement)
        turned(connection, text)
        if statement.transaction:
            commits.by_hand(connection, statement.transaction, lambda done: deliver(done))
        return result
    try:
        result = written(execute, sql, parameters, many, context, statement)
    except Error as error:
        failed(connection, statement, many, error)
        raise
    behind = {tag for table in statement.changes for tag in behind_view(table)}
    if behind:
        changed(connection, behind)
    called(connection, text, statement)
    if recorder is not None and not _inserting.get() and RETURNING.search(text):
        # What it says of the rows that it has changed may be shown. Django's own INSERT says only of its new row.
        for table in statement.tables | statement.changes:
            recorder.whole(table)
    return result


def written(
    execute: Execute, sql: Any, parameters: Any, many: bool, context: dict[str, Any], statement: Statement
) -> Any:
    """Runs a statement that writes, and notes what it changes."""
    connection: BaseDatabaseWrapper = context["connection"]
    besides = set(effects_of(connection, statement))
    if statement.insert:
        result = execute(sql, parameters, many, context)
        changed(connection, inserted(statement.insert, parameters, many) | besides)
        return result
    if statement.change and is_exact(statement, many):
        with exclusive(connection):
            table = schema()[statement.change.table]
            change = _writes.Exact(Database(connection), table, statement.change, parameters)
            before = change.rows()
            result = execute(sql, parameters, many, context)
            tags = change.tags(before, context["cursor"].rowcount)
            changed(connection, tags | besides if tags else ())
        return result
    result = execute(sql, parameters, many, context)
    if statement.defines:
        forget_database()
    changed(connection, all_of(statement) | besides)
    return result


def failed(connection: BaseDatabaseWrapper, statement: Statement, many: bool, error: Exception) -> None:
    """A statement that failed has changed nothing, except the first of many, or if only the answer was lost."""
    is_own_transaction = connection.autocommit and not connection.in_atomic_block
    is_lost = isinstance(error, LOST) and connection.vendor != "sqlite"
    if not is_own_transaction and many:
        changed(connection, all_of(statement))
    elif is_own_transaction and (many or is_lost):
        # Not by `changed`, which might ask the lost connection.
        deliver(shown(all_of(statement) | set(effects_of(connection, statement))))


def all_of(statement: Statement) -> set[str]:
    """The tags of all rows of the tables that it changes."""
    return {tag for table in statement.changes for tag in whole(table, statement.removes)}


def written_out(sql: Any, context: dict[str, Any]) -> str:
    """Bytes, or an object of psycopg that stands for SQL."""
    if isinstance(sql, bytes | bytearray):
        return sql.decode("utf-8", "replace")
    try:
        return str(sql.as_string(context["connection"].connection))
    except (AttributeError, TypeError):
        return str(sql)


def called(connection: BaseDatabaseWrapper, text: str, statement: Statement) -> None:
    """What functions and procedures change is named in TABLES, or stands in their texts, or nobody knows."""
    is_call = statement.unknown and not statement.writes
    tags = called_by(connection, text, is_call)
    if is_call and CALLS.match(text):
        names = set(re.findall(r"\w+", text)) & conf().tables.keys()
        tags |= {tag for name in names for tag in behind_view(name)}
    if tags:
        changed(connection, tags)


def behind_view(table: str) -> set[str]:
    """The tags of the tables that are changed through a view."""
    return {tag for label in conf().tables.get(table, ()) for tag in _writes.whole(label)}


def whole(table: str, removes: bool = False) -> set[str]:
    known = schema().get(table)
    labels = {label(table)} | (known.cascades if known and removes else set())
    return {tag for one in labels for tag in _writes.whole(one)}


def inserted(insert: Insert, parameters: Any, many: bool) -> set[str]:
    table = schema().get(insert.table)
    if table is None:
        return whole(insert.table)
    return _writes.inserted(table, insert, parameters, many, key_follows=_inserting.get())


def is_exact(statement: Statement, many: bool) -> bool:
    """Whether the rows that it changes can be asked for. Those of a view can perhaps not be locked."""
    change = statement.change
    table = schema().get(change.table) if change else None
    if change is None or table is None or table.pk is None or many or _migrating:
        return False
    return not (change.sets and table.pk in change.sets) and not is_view(change.table)


@contextlib.contextmanager
def exclusive(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A transaction, so that nobody changes the rows between our question and the change."""
    if connection.in_atomic_block or not connection.get_autocommit() or commits.is_by_hand(connection):
        yield
        return
    with transaction.atomic(using=connection.alias):
        yield


def shown(tags: Iterable[str]) -> set[str]:
    """Those that pages may have."""
    ignored = conf().ignore
    return {tag for tag in tags if _tags.table_of(tag) not in ignored} if conf().purge else set()


def changed(connection: BaseDatabaseWrapper, tags: Iterable[str]) -> None:
    kept = shown(tags)
    if not kept:
        return
    # Not `deliver` itself: tests put another one in its place.
    commits.add(connection, kept, lambda done: deliver(done))


def deliver(tags: set[str]) -> None:
    if not tags:
        return
    ticket = sender().send({*tags, _tags.EVERYTHING})
    if is_awaited():
        begun().append(ticket)
    lag = conf().lag
    if lag:
        # A page may have been made from a replica since.
        sender().send_after(lag, {*tags, _tags.EVERYTHING})


@cache
def sender() -> Sender:
    known = conf()
    admin = Admin(addresses if known.admin is None else known.admin, known.token_file, write_down)
    new = Sender(admin, sure=known.admin is not None)
    drain_at_exit(new)
    return new


def begin() -> tuple[Tickets, Any]:
    """From here on, purges of this request are noted."""
    tickets = Tickets()
    return tickets, _tickets.set(tickets)


def is_awaited() -> bool:
    """Whether a request is being answered whose reply may wait for its purges."""
    tickets = _tickets.get()
    return tickets is not None and not tickets.ended


def carrier() -> Callable[[], object] | None:
    """For a thread of the view: see `weir_server._threads`."""
    tickets = _tickets.get()
    return partial(_tickets.set, tickets) if is_awaited() else None


def begun() -> Tickets:
    """The purges of this request so far."""
    tickets = _tickets.get()
    return Tickets() if tickets is None else tickets


def end(token: Any) -> None:
    begun().ended = True
    _tickets.reset(token)


def on_connection(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if watch not in connection.execute_wrappers:
        # The first of all: who leaves `execute_wrapper` takes the last one out.
        connection.execute_wrappers.insert(0, watch)
    commits.forget(connection)


def on_migration(*, signal: Any, **_: Any) -> None:
    # The tables are not yet, or no longer, those of the models.
    global _migrating
    _migrating = signal is pre_migrate


def install(connections: Iterable[BaseDatabaseWrapper]) -> None:
    """Watches all connections, those of later threads too. Call it once."""
    connection_created.connect(on_connection, dispatch_uid="weir")
    pre_migrate.connect(on_migration, dispatch_uid="weir")
    post_migrate.connect(on_migration, dispatch_uid="weir")
    for connection in connections:
        on_connection(connection=connection)
    if hasattr(BaseDatabaseWrapper, "weir_commits"):
        return
    BaseDatabaseWrapper.weir_commits = True  # type: ignore[attr-defined]
    commits.install(lambda done: deliver(done))
    patch_inserts()


def patch_inserts() -> None:
    execute: Callable[..., Any] = SQLInsertCompiler.execute_sql

    def execute_sql(self: SQLInsertCompiler, returning_fields: Any = None) -> Any:
        token = _inserting.set(True)
        try:
            rows = execute(self, returning_fields)
        finally:
            _inserting.reset(token)
        meta = self.query.get_meta()
        table = schema().get(table_name(meta.db_table))
        # A key that the application chose stands among the values.
        if table and table.pk and all(field.column != table.pk for field in self.query.fields):
            changed(self.connection, new_keys(table, meta.pk, returning_fields, rows, len(self.query.objs)))
        return rows

    SQLInsertCompiler.execute_sql = execute_sql  # type: ignore[method-assign]


def new_keys(table: Table, pk: Any, returning: Any, rows: Any, count: int) -> set[str]:
    """The tags of primary keys that the database has chosen."""
    fields = list(returning or ())
    place = next((at for at, field in enumerate(fields) if getattr(field, "column", None) == pk.column), None)
    if place is None or not rows or len(rows) < count or len(rows) > _writes.MAX_ROWS:
        return {_tags.new_key(table.label)}
    kind = table.pins[str(table.pk)].kind
    compared = [_tags.as_kind(row[place], kind) for row in rows]
    return {_tags.new_key(table.label) if key is None else _tags.row(table.label, None, key) for key in compared}
