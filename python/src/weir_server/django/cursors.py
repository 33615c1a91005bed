"""Ways to the database that Django's wrappers around statements do not see: procedures, what only drivers can do."""

import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from weir_server._sql import Statement, tables_named
from weir_server.django import capture
from weir_server.django.changes import behind_view, changed, whole, written_out
from weir_server.django.database import called_by, effects_of
from weir_server.django.schema import schema

# Methods of drivers' cursors that take SQL, or the name of a table.
PAST_WRAPPERS = frozenset(("copy", "copy_expert", "copy_from", "copy_to", "executescript", "stream"))


def install() -> None:
    """Call it once."""
    if hasattr(CursorWrapper, "weir_usual"):
        return
    usual: Callable[[CursorWrapper, str], Any] = CursorWrapper.__getattr__
    call: Callable[..., Any] = CursorWrapper.callproc

    def attribute(self: CursorWrapper, name: str) -> Any:
        found = usual(self, name)
        return partial(run_past, self.db, found) if name in PAST_WRAPPERS else found

    def callproc(self: CursorWrapper, procname: str, *args: Any, **more: Any) -> Any:
        recorder = capture.recorder()
        if recorder is not None:
            # Like a view of the database: what it reads is named in TABLES, or nobody knows.
            recorder.whole(procname)
        try:
            result = call(self, procname, *args, **more)
        finally:
            changed(self.db, behind_view(procname))
        changed(self.db, called_by(self.db, f"CALL {procname}", is_call=True))
        return result

    CursorWrapper.weir_usual = usual  # type: ignore[attr-defined]
    CursorWrapper.__getattr__ = attribute  # type: ignore[method-assign]
    CursorWrapper.callproc = callproc  # type: ignore[method-assign]


def run_past(connection: BaseDatabaseWrapper, run: Callable[..., Any], sql: Any, *args: Any, **more: Any) -> Any:
    """What psycopg's COPY, SQLite's scripts and the like read and write: all tables that they name."""
    text = sql if isinstance(sql, str) else written_out(sql, {"connection": connection})
    try:
        return run(sql, *args, **more)
    finally:
        tables = tables_named(text, schema())
        recorder = capture.recorder()
        if recorder is not None:
            for table in tables:
                recorder.whole(table)
            if not tables:
                recorder.untold()
        if not re.match(r"\s*COPY\b.*\bTO\b|\s*SELECT\b", text, re.IGNORECASE | re.DOTALL):
            written = Statement(written=tables, may_remove=True)
            # The transaction may have failed: nothing can be asked in it.
            besides = set() if sys.exc_info()[1] else set(effects_of(connection, written))
            changed(connection, {tag for table in tables for tag in whole(table, removes=True)} | besides)
