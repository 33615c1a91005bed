"""Notes what a page reads from the database while it is made."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import MULTI

from weir_server import _reads, _tags
from weir_server._reads import Hold
from weir_server._sql import Followed, Statement
from weir_server._work import Work
from weir_server.django import quiet
from weir_server.django.conf import conf
from weir_server.django.schema import is_view, label, schema, unmanaged

Rows = Sequence[Sequence[Any]]


class Recorder:
    """What one page has read."""

    __slots__ = ("accepts", "began", "daily", "ended", "is_in_view", "reused", "tags", "timed", "until")

    def __init__(self) -> None:
        self.tags: set[str] = set()
        # The page is made: what a thread or task reads that outlives it is for no page.
        self.ended = False
        self.began = time.time()
        # A query asked for what is before or after this hour: the page changes without a write.
        self.timed = False
        # A query asked for a date: the page may be another one tomorrow.
        self.daily = False
        # It is what `cache_page` has kept: its tags are not known.
        self.reused = False
        # The fields of the request by which it was chosen, whether or not the reply says so.
        self.accepts: set[str] = set()
        # Its view is running, not what stands around it.
        self.is_in_view = False
        # When the first of its links expires.
        self.until = math.inf

    def note(self, statement: Statement, sql: str, parameters: Any) -> None:
        for table in statement.tables:
            self.whole(table)
        if unmanaged():
            # Rows of a view are none of its own.
            for table in statement.by_rows() & unmanaged().keys():
                if table in conf().tables or is_view(table):
                    self.whole(table)
        if statement.pinned:
            self.tags |= _reads.pinned(statement, parameters, schema())
        if statement.branches:
            self.tags |= _reads.branches(statement, parameters, schema())
        compiler = _compiler.get()
        self.tags |= quiet.named(sql, compiler)
        if statement.followed:
            if compiler is None:
                for followed in statement.followed:
                    self.whole(followed.table)
            else:
                compiler.weir_followed = (self, statement.followed)  # type: ignore[attr-defined]
        if statement.unknown:
            self.untold()
        hold = _reads.hold(statement, parameters, self.began)
        self.timed = self.timed or hold is Hold.SHORT
        self.daily = self.daily or hold is Hold.DAY

    def whole(self, table: str) -> None:
        name = label(table)
        if name in conf().ignore:
            return
        self.tags.add(name)
        made_from = conf().tables.get(table)
        for other in made_from or ():
            self.tags.update((other, _tags.any_row(other)))
        if made_from is None and (table not in schema() or is_view(table)):
            # It is a view, or may be one: nobody knows which changes show in it.
            self.untold()

    def untold(self) -> None:
        """The page shows what has no tags: any change may show in it, and it is kept no longer than it says."""
        self.timed = True
        self.tags.add(_tags.EVERYTHING)

    def keep_for(self, seconds: float) -> None:
        """It shows something that will not hold longer than this."""
        self.until = min(self.until, time.time() + seconds)

    def follow(self, chunks: Iterable[Rows], followed: Sequence[Followed]) -> Iterator[Rows]:
        """The same rows, some at a time; notes the primary keys in them."""
        for chunk in chunks:
            for one in followed:
                self.rows(chunk, one.result_column, one.table)
            yield chunk

    def rows(self, rows: Rows, place: int, table: str) -> None:
        found = schema()[table]
        kind = found.pins[found.pk].kind if found.pk and found.pk in found.pins else "text"
        tags, prefix = self.tags, found.label + ":"
        tags.add(_tags.any_row(found.label))
        for row in rows:
            value = row[place]
            if type(value) is int:
                tags.add(prefix + str(value))
            elif value is not None:
                compared = _tags.as_kind(value, kind)
                tags.add(found.label if compared is None else _tags.row(found.label, None, compared))

    def shown(self) -> list[str]:
        """The tags for the reply."""
        ignored = conf().ignore
        return _tags.fit(tag for tag in self.tags if _tags.table_of(tag) not in ignored)


_recorder: ContextVar[Recorder | None] = ContextVar("weir_recorder", default=None)
# The work for the request that is being answered.
working: ContextVar[Work | None] = ContextVar("weir_work", default=None)
_compiler: ContextVar[SQLCompiler | None] = ContextVar("weir_compiler", default=None)


def recorder() -> Recorder | None:
    found = _recorder.get()
    return None if found is None or found.ended else found


def carrier() -> Callable[[], object] | None:
    """For a thread of the view: see `weir_server._threads`."""
    found, work = recorder(), working.get()
    if found is None:
        return None
    return lambda: (_recorder.set(found), working.set(work))


def note(tag: str) -> None:
    """A tag for the page that is being made, if one is."""
    found = recorder()
    if found is not None:
        found.tags.add(tag)


def begin() -> tuple[Recorder, Any]:
    new = Recorder()
    return new, _recorder.set(new)


def end(token: Any) -> None:
    found = _recorder.get()
    if found is not None:
        found.ended = True
    _recorder.reset(token)


def install() -> None:
    """Lets the compilers say whose rows come out of them. Call it once."""
    if hasattr(SQLCompiler, "weir_followed"):
        return
    quiet.note = note
    execute: Callable[..., Any] = SQLCompiler.execute_sql

    def execute_sql(self: SQLCompiler, result_type: str = MULTI, *args: Any, **more: Any) -> Any:
        if recorder() is None or result_type != MULTI:
            return execute(self, result_type, *args, **more)
        token = _compiler.set(self)
        try:
            chunks = execute(self, result_type, *args, **more)
        finally:
            _compiler.reset(token)
        noted, self.weir_followed = self.weir_followed, None  # type: ignore[attr-defined]
        if noted is None or chunks is None:
            return chunks
        followed = noted[0].follow(chunks, noted[1])
        return list(followed) if isinstance(chunks, list) else followed

    SQLCompiler.weir_followed = None  # type: ignore[attr-defined]
    SQLCompiler.execute_sql = execute_sql  # type: ignore[assignment]
