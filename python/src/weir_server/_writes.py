"""What a statement that writes says of the pages that it changes: the tags to purge."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from weir_server import _tags
from weir_server._sql import Change, Insert, Table

logger = logging.getLogger("weir_server")

# A statement that changes more rows than this purges its whole table.
MAX_ROWS = 500


def whole(label: str) -> set[str]:
    return {label, _tags.any_row(label), _tags.new_key(label)}


def of_row(table: Table, values: dict[str, Any]) -> Iterator[str]:
    """The tags of one row, by those of its columns that have tags."""
    yield table.label
    for column, pin in table.pins.items():
        if column not in values:
            continue
        value = values[column]
        compared = _tags.as_kind(value, pin.kind)
        if compared is not None:
            yield _tags.row(table.label, pin.field, compared)
        elif value is not None:
            yield _tags.any_row(table.label)
    if table.tree and isinstance(path := values.get(table.tree.path), str):
        step = table.tree.step
        yield _tags.children(table.label, path[:-step])
        yield from (_tags.below(table.label, path[:end]) for end in range(step, len(path) + 1, step))


def of_quiet(table: Table, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> set[str]:
    """The tags of a change of nothing but quiet columns."""
    found = {_tags.quiet(table.label, row[str(table.pk)]) for row in before} | {_tags.quiet(table.label, None)}
    if table.tree:
        leaves = [{row[str(table.pk)] for row in rows if not row[table.tree.count]} for rows in (before, after)]
        found.update(_tags.leaf(table.label, pk) for pk in leaves[0] ^ leaves[1])
    return found


def rows_of(insert: Insert, given: Any) -> Iterator[dict[str, Any]]:
    """The rows of an INSERT, without what only the database knows."""
    for row in insert.rows:
        yield {column: value.of(given) for column, value in zip(insert.columns, row, strict=True) if value}
    if insert.lists:
        for items in zip(*(one.of(given) for one in insert.lists), strict=True):
            yield dict(zip(insert.columns, items, strict=True))


def inserted(table: Table, insert: Insert, parameters: Any, many: bool, key_follows: bool) -> set[str]:
    """`key_follows`: somebody else will say which primary keys the database has chosen."""
    sets = list(parameters) if many else [parameters]
    if len(sets) * len(insert.rows) > MAX_ROWS:
        return whole(table.label)
    found: set[str] = set()
    try:
        rows = [row for given in sets for row in rows_of(insert, given)]
    except (IndexError, KeyError, TypeError, ValueError):
        return whole(table.label)
    if len(rows) > MAX_ROWS:
        return whole(table.label)
    for values in rows:
        found.update(of_row(table, values))
        if any(column in table.pins and column not in values for column in insert.columns):
            # An expression.
            found.add(_tags.any_row(table.label))
    if table.pk not in insert.columns and not key_follows:
        found.add(_tags.new_key(table.label))
    if any(column not in insert.columns for column in table.pins if column != table.pk):
        # A default of the database.
        found.add(_tags.any_row(table.label))
    return found


class Database(Protocol):
    """A connection, as far as its rows are asked for."""

    # It locks as a whole, with the first write of a transaction.
    locks_whole: bool
    # What stands behind a SELECT that locks rows as an UPDATE or a DELETE of them does, and no more: others may go on
    # to refer to rows that only change. Nothing: it knows no such locks.
    lock_of_update: str
    lock_of_delete: str
    # It knows LIMIT: drivers read all rows of a result, however few are asked for.
    limits: bool

    def quote(self, name: str) -> str: ...

    def ask(self, sql: str, parameters: Any, most: int) -> list[Sequence[Any]]: ...

    def marks(self, values: Sequence[Any]) -> tuple[str, Any]:
        """Placeholders for values, and the parameters for them."""
        ...

    # By table and lock, whether the role that is signed in may ask so.
    may_ask: dict[tuple[str, str], bool]
    # The errors of a question that is not allowed.
    refusals: tuple[type[Exception], ...]

    def trial(self) -> contextlib.AbstractContextManager[None]:
        """What fails within it leaves the transaction as it was."""
        ...


@contextlib.contextmanager
def savepoint(ask: Callable[[str, Any, int], object]) -> Iterator[None]:
    ask("SAVEPOINT weir", None, 0)
    try:
        yield
    except BaseException:
        ask("ROLLBACK TO SAVEPOINT weir", None, 0)
        raise
    finally:
        ask("RELEASE SAVEPOINT weir", None, 0)


class Exact:
    """The rows of one UPDATE or DELETE, as they are before and after it."""

    def __init__(self, database: Database, table: Table, change: Change, parameters: Any) -> None:
        self.database = database
        self.table = table
        self.change = change
        self.parameters = parameters
        counted = [table.tree.count] if table.tree else []
        self.columns = list(dict.fromkeys([str(table.pk), *table.pins, *counted]))

    def rows(self) -> list[dict[str, Any]] | None:
        """The rows that the condition selects now; None if they are too many, or may not be asked for."""
        if self.database.locks_whole:
            # A transaction that began with a read may not get the lock for writing later.
            own, pk = self.change.written, self.database.quote(str(self.table.pk))
            self.database.ask(f"UPDATE {own} SET {pk} = {pk} WHERE 0 = 1", None, 0)
        given = self.change.given(self.parameters)
        lock = self.database.lock_of_delete if self.change.sets is None else self.database.lock_of_update
        limit = f"LIMIT {MAX_ROWS + 1}" if self.database.limits else ""
        return self.allowed(" ".join(filter(None, (self.change.where, limit, lock))), given, lock)

    def allowed(self, where: str, parameters: Any, lock: str) -> list[dict[str, Any]] | None:
        """A role may delete rows that it may not lock, or change some that it may not read: None then."""
        key = (self.change.written, lock)
        may_ask = self.database.may_ask.get(key)
        if may_ask is not None or not lock:
            return self.select(where, parameters) if may_ask is not False else None
        try:
            with self.database.trial():
                found = self.select(where, parameters)
        except self.database.refusals as error:
            logger.warning("each change of %s purges its whole table: %s", self.change.written, error)
            self.database.may_ask[key] = False
            return None
        self.database.may_ask[key] = True
        return found

    def select(self, where: str, parameters: Any) -> list[dict[str, Any]] | None:
        own = self.change.written
        columns = ", ".join(f"{own}.{self.database.quote(column)}" for column in self.columns)
        found = self.database.ask(f"SELECT {columns} FROM {own} {where}", parameters, MAX_ROWS + 1)
        if len(found) > MAX_ROWS:
            return None
        return [dict(zip(self.columns, row, strict=True)) for row in found]

    def tags(self, before: list[dict[str, Any]] | None, count: int) -> set[str]:
        """`count`: the rows that were changed. More than we saw: somebody added one in between."""
        is_quiet = bool(self.change.sets) and self.table.quiet.issuperset(self.change.sets or ())
        cascaded = {tag for label in self.table.cascades for tag in whole(label)} if self.change.sets is None else set()
        if before is None or count not in (-1, len(before)):
            return cascaded | whole(self.table.label) | ({_tags.quiet(self.table.label, None)} if is_quiet else set())
        found: set[str] = cascaded
        rows = list(before)
        is_moved = self.table.computes or any(column in self.columns for column in self.change.sets or ())
        if before and self.change.sets and is_moved:
            marks, keys = self.database.marks([row[str(self.table.pk)] for row in before])
            own = f"{self.change.written}.{self.database.quote(str(self.table.pk))}"
            rows += self.select(f"WHERE {own} IN ({marks})", keys) or []
        if is_quiet:
            return of_quiet(self.table, before, rows[len(before) :] or before)
        for row in rows:
            found.update(of_row(self.table, row))
        return found
