"""Notes what goes through an engine of SQLAlchemy: what pages read, and what is to be purged after a commit."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import ExecuteStyle

from weir_server import _reads, _tags, _writes
from weir_server._catalogs import ROLES
from weir_server._effects import HOLD, Effects, ask_for
from weir_server._reads import Hold
from weir_server._sql import Pin, Statement, Statements, Table

logger = logging.getLogger("weir_server")

# How drivers mark parameters. With another way, rows that change are not asked for: their table counts.
MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric_dollar": "$"}
# The dialects that know SELECT … FOR UPDATE.
LOCK_ROWS = ("postgresql", "mysql", "mariadb", "oracle")
VENDORS = {"mariadb": "mysql"}
MOST = 100_000
LIMIT = ("sqlite", "postgresql", "mysql", "mariadb")
PENDING = "weir_pending"
SAVEPOINTS = "weir_savepoints"
# A statement has begun a transaction.
BEGUN = "weir_begun"
# What the role of a connection may ask, and that it has had several.
MAY_ASK, SEVERAL = "weir_may_ask", "weir_roles"

# The dialects of the engines that are watched: one that differs in its options has the same.
_watched: WeakSet[Any] = WeakSet()


def watch_others(note: Callable[[set[str], Hold], None], adopt: Callable[[Engine], None]) -> None:
    """Nobody knows what a page reads through engines that nobody has named. `adopt` watches those of the same database:
    one for writing beside one for reading, or a task's own.
    """

    def connected(connection: Connection) -> None:
        if connection.dialect not in _watched:
            adopt(connection.engine)

    event.listen(Engine, "engine_connect", connected)

    def after(connection: Connection, *_: Any) -> None:
        if connection.dialect not in _watched:
            note({_tags.EVERYTHING}, Hold.SHORT)

    event.listen(Engine, "after_cursor_execute", after)


class Watch:
    """Watches one engine. `note` gets what is read, `deliver` what a commit has changed, `worked` a query's seconds;
    `began` says when the page was begun.
    """

    def __init__(
        self,
        engine: Engine,
        metadata: sa.MetaData,
        note: Callable[[set[str], Hold], None],
        deliver: Callable[[set[str]], None],
        worked: Callable[[float], None] = lambda seconds: None,
        began: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.metadata = metadata
        self.note = note
        self.deliver = deliver
        self.worked = worked
        self.began = began
        self._count = -1
        self._statements: Statements
        # Asked before the first change, and again when they hold no longer.
        self._effects: Effects | None = None
        self._until = 0.0
        _watched.add(engine.dialect)
        event.listen(engine, "before_cursor_execute", self.before)
        event.listen(engine, "after_cursor_execute", self.after)
        event.listen(engine, "handle_error", self.failed)
        self.watch_commits()

    @property
    def statements(self) -> Statements:
        """Made anew where more tables are declared: a task may import its models late."""
        if self._count != len(self.metadata.tables):
            self._count, self._statements = len(self.metadata.tables), self._made()
            self._effects = None
        return self._statements

    def _made(self) -> Statements:
        tables: dict[str, Table] = {}
        for table in self.metadata.tables.values():
            # Two of one name in several schemas are told apart by nothing that a statement must say.
            is_other = table.name in tables
            tables[table.name] = Table(label_of(table.name), None, {}, frozenset()) if is_other else known(table)
        return Statements(tables, MARKS.get(self.engine.dialect.paramstyle, "%s"))

    def label(self, table: str) -> str:
        """Another process may have declared it, so one that nobody knows here has its usual label."""
        found = self.statements.schema.get(table)
        return found.label if found else label_of(table)

    def before(self, connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        context.weir_begun = time.perf_counter()
        if sql.startswith("SELECT"):
            return
        statement = self.statements.read(sql)
        if statement.writes:
            context.weir_besides = self.besides(connection, statement)
            context.weir_begun = time.perf_counter()
        if connection.dialect.paramstyle not in MARKS:
            return
        change = statement.change
        table = self.statements.schema.get(change.table) if change else None
        if not change or not table or not table.pk or many or (change.sets and table.pk in change.sets):
            return
        exact = _writes.Exact(Database(connection), table, change, parameters)
        context.weir_exact = (exact, exact.rows())
        context.weir_begun = time.perf_counter()

    def after(self, connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        self.worked(time.perf_counter() - context.weir_begun)
        statement = self.statements.read(sql)
        if statement.defines:
            self._effects = None
        # The rows of one INSERT have one set of parameters for all.
        many = many and context.execute_style is not ExecuteStyle.INSERTMANYVALUES
        if statement.transaction:
            self.by_hand(connection, statement.transaction)
            return
        if connection.dialect.name == "postgresql" and ROLES.match(sql):
            connection.info[SEVERAL] = True
        self.changed(connection, self.called(connection, sql, statement))
        if not statement.writes:
            self.note(self.read_by(statement, parameters), self.hold(statement, parameters))
            return
        exact = getattr(context, "weir_exact", None)
        seen = exact and exact[0].tags(exact[1], cursor.rowcount)
        tags = self.written_by(statement, parameters, many) if seen is None else seen
        if tags:
            tags = tags | getattr(context, "weir_besides", set())
        self.changed(connection, tags)

    def changed(self, connection: Connection, tags: set[str]) -> None:
        if tags and self.is_alone(connection):
            # Nothing will be committed, and what is "rolled back" later stays.
            self.deliver(tags)
        elif tags:
            connection.info.setdefault(PENDING, []).append(tags)

    def besides(self, connection: Connection, statement: Statement) -> set[str]:
        """The tags of what the database will change by itself."""
        return self.whole(self.effects(connection).of(statement))

    def called(self, connection: Connection, sql: str, statement: Statement) -> set[str]:
        """The tags of what functions change that a statement calls."""
        is_call = statement.unknown and not statement.writes
        known = self.effects(connection) if is_call else self._effects
        return self.whole(known.called(sql)) if known else set()

    def whole(self, tables: Iterable[str]) -> set[str]:
        return {tag for name in tables for tag in _writes.whole(self.label(name))}

    def effects(self, connection: Connection) -> Effects:
        """What the database does by itself: it is asked from time to time."""
        schema = self.statements.schema
        if self._effects is None or time.monotonic() >= self._until:
            database = Database(connection)
            try:
                with database.trial():
                    self._effects = ask_for(database.vendor, lambda sql: database.ask(sql, None, MOST), schema)
            except database.refusals as error:
                logger.warning("what triggers and constraints change purges nothing: %s", error)
                self._effects = Effects()
            except connection.dialect.loaded_dbapi.Error:
                # The transaction has failed, or the connection is lost: the statement will say so.
                return self._effects or Effects()
            self._until = time.monotonic() + HOLD
        return self._effects

    def by_hand(self, connection: Connection, act: str) -> None:
        """A statement that begins or ends a transaction, past SQLAlchemy."""
        connection.info[BEGUN] = act == "begin"
        if act == "commit":
            self.deliver_if(set().union(*connection.info.pop(PENDING, ())))
        elif act == "rollback":
            connection.info.pop(PENDING, None)

    def is_alone(self, connection: Connection) -> bool:
        """Whether each statement is a transaction of its own."""
        return connection._is_autocommit_isolation() and not connection.info.get(BEGUN)

    def failed(self, context: Any) -> None:
        """Of many that are no transaction, the first ones are done; and where the connection is lost, all may be."""
        connection, sql = context.connection, context.statement
        if connection is None or sql is None or not self.is_alone(connection):
            return
        statement = self.statements.read(sql)
        besides: set[str] = getattr(context.execution_context, "weir_besides", set())
        self.deliver_if(self.whole(statement.changes) | besides)

    def deliver_if(self, tags: set[str]) -> None:
        if tags:
            self.deliver(tags)

    def hold(self, statement: Statement, parameters: Any) -> Hold:
        is_known = self.is_known(statement)
        return _reads.hold(statement, parameters, self.began()) if is_known else Hold.SHORT

    def is_known(self, statement: Statement) -> bool:
        """Whether all that it reads has tags."""
        known = self.statements.schema
        return not statement.unknown and all(table in known for table in statement.tables)

    def read_by(self, statement: Statement, parameters: Any) -> set[str]:
        # Rows come out of the cursor later, where nobody looks: what is followed counts as a whole.
        whole = {*statement.tables, *(one.table for one in statement.followed)}
        found = {self.label(table) for table in whole} | _reads.pinned(statement, parameters, self.statements.schema)
        return found if self.is_known(statement) else found | {_tags.EVERYTHING}

    def written_by(self, statement: Statement, parameters: Any, many: bool) -> set[str]:
        insert = statement.insert
        table = self.statements.schema.get(insert.table) if insert else None
        if insert and table:
            return _writes.inserted(table, insert, parameters, many, key_follows=False)
        return self.whole(statement.changes)

    def watch_commits(self) -> None:
        """After the commit itself: SQLAlchemy's own event comes before it."""
        dialect: Any = self.engine.dialect
        commit, rollback = dialect.do_commit, dialect.do_rollback
        savepoint, rollback_to = dialect.do_savepoint, dialect.do_rollback_to_savepoint
        commit_prepared = dialect.do_commit_twophase

        # If a commit fails, it may be done all the same: only its answer is lost.
        def do_commit(pooled: Any) -> None:
            try:
                commit(pooled)
            finally:
                self.deliver_if(set().union(*(forget(pooled) or ())))

        def do_commit_twophase(connection: Connection, *args: Any, **more: Any) -> None:
            try:
                commit_prepared(connection, *args, **more)
            finally:
                self.deliver_if(set().union(*connection.info.pop(PENDING, ())))

        def do_rollback(pooled: Any) -> None:
            rollback(pooled)
            forget(pooled)

        def do_savepoint(connection: Connection, name: str) -> None:
            savepoint(connection, name)
            connection.info.setdefault(SAVEPOINTS, {})[name] = len(connection.info.get(PENDING, ()))

        def do_rollback_to_savepoint(connection: Connection, name: str) -> None:
            rollback_to(connection, name)
            length = connection.info.get(SAVEPOINTS, {}).get(name, 0)
            del connection.info.get(PENDING, [])[length:]

        dialect.do_commit, dialect.do_rollback = do_commit, do_rollback
        dialect.do_savepoint, dialect.do_rollback_to_savepoint = do_savepoint, do_rollback_to_savepoint
        dialect.do_commit_twophase = do_commit_twophase


def forget(pooled: Any) -> list[set[str]] | None:
    """Takes out what is noted for the transaction of a connection."""
    try:
        noted = pooled.info
    except NotImplementedError:
        # The connection by which an engine looks at its database first.
        return None
    noted.pop(SAVEPOINTS, None)
    noted.pop(BEGUN, None)
    return noted.pop(PENDING, None)  # type: ignore[no-any-return]


class Database:
    """A connection of SQLAlchemy, below its events. See `weir_server._writes.Database`."""

    refusals: tuple[type[Exception], ...]

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # What one role may, another may not, and it may be another again when the transaction ends.
        held = connection.info
        self.may_ask: dict[tuple[str, str], bool] = {} if SEVERAL in held else held.setdefault(MAY_ASK, {})
        driver = connection.dialect.loaded_dbapi
        self.refusals = (driver.ProgrammingError, driver.NotSupportedError)
        self.vendor = VENDORS.get(connection.dialect.name, connection.dialect.name)
        self.locks_whole = connection.dialect.name == "sqlite"
        self.limits = connection.dialect.name in LIMIT
        self.lock_of_delete = "FOR UPDATE" if connection.dialect.name in LOCK_ROWS else ""
        self.lock_of_update = "FOR NO KEY UPDATE" if connection.dialect.name == "postgresql" else self.lock_of_delete
        self.style = connection.dialect.paramstyle

    def quote(self, name: str) -> str:
        return str(self.connection.dialect.identifier_preparer.quote_identifier(name))

    def ask(self, sql: str, parameters: Any, most: int) -> list[Sequence[Any]]:
        with contextlib.closing(self.connection.connection.cursor()) as cursor:
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            return list(cursor.fetchmany(most)) if most else []

    def marks(self, values: Sequence[Any]) -> tuple[str, Any]:
        if self.style == "pyformat":
            names = {f"key_{at}": value for at, value in enumerate(values)}
            return ", ".join(f"%({name})s" for name in names), names
        if self.style == "numeric_dollar":
            return ", ".join(f"${at}" for at in range(1, len(values) + 1)), tuple(values)
        return ", ".join([MARKS[self.style]] * len(values)), tuple(values)

    def trial(self) -> contextlib.AbstractContextManager[None]:
        is_in_transaction = not self.connection._is_autocommit_isolation() or self.connection.info.get(BEGUN)
        has_savepoints = self.vendor in ("postgresql", "mysql")
        return _writes.savepoint(self.ask) if is_in_transaction and has_savepoints else contextlib.nullcontext()


def label_of(table: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in table.lower())


def known(table: sa.Table) -> Table:
    keys = list(table.primary_key.columns)
    pk = keys[0] if len(keys) == 1 and kind_of(keys[0]) else None
    unique = {column.name for column in table.columns if column.unique}
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint) and len(constraint.columns) == 1:
            unique.update(column.name for column in constraint.columns)
    ranked: list[tuple[int, str, Pin]] = []
    for column in table.columns:
        kind = kind_of(column)
        rank = 0 if column is pk else 1 if column.name in unique else 2 if column.foreign_keys else None
        if kind and rank is not None:
            ranked.append((rank, column.name, Pin(None if column is pk else column.name, kind)))
    ranked.sort(key=lambda one: one[0])
    return Table(
        label=label_of(table.name),
        pk=pk.name if pk is not None else None,
        pins={name: pin for _, name, pin in ranked},
        not_null=frozenset(column.name for column in table.columns if not column.nullable),
    )


def kind_of(column: "sa.Column[Any]") -> str | None:
    """How the database compares its values; None where that is not simple."""
    if isinstance(column.type, sa.TypeDecorator):
        return None
    if isinstance(column.type, sa.Uuid):
        return "uuid"
    if isinstance(column.type, sa.Integer):
        return "int"
    return "text" if isinstance(column.type, sa.String) and not isinstance(column.type, sa.Enum) else None


def tag(thing: Any, **field: Any) -> str:
    """The tag of a row, a model or a field's value: `tag(article)`, `tag(Article)`, `tag(Article, slug="x")`.

    Rows with a key of several columns, or of a type that has no tags, are their table.
    """
    if isinstance(thing, str):
        return thing
    found: Any = sa.inspect(thing)
    mapper = getattr(found, "mapper", found)
    table = known(mapper.local_table)
    if not isinstance(thing, type):
        return table.label if table.pk is None else _tags.row(table.label, None, found.identity[0])
    if not field:
        return table.label
    name, value = next(iter(field.items()))
    # An attribute may have another name than its column.
    column = mapper.columns[name].name if name in mapper.columns else name
    if column == table.pk:
        return _tags.row(table.label, None, value)
    return _tags.row(table.label, column, value) if column in table.pins else table.label
