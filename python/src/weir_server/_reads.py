"""What a statement that reads says of the page that it is for: tags, and whether the page changes with time."""

import datetime
import time
from typing import Any

from weir_server import _tags
from weir_server._sql import Schema, Statement

# The database says what time it is.
CLOCKS = ("NOW()", "CURRENT_TIMESTAMP", "CURRENT_DATE", "STATEMENT_TIMESTAMP", "LOCALTIMESTAMP")


def pinned(statement: Statement, parameters: Any, known: Schema) -> set[str]:
    """The tags of the rows that a statement asks for by their values."""
    tags: set[str] = set()
    for one in statement.pinned:
        table = known[one.table]
        pin = table.pins[one.column]
        for value in one.values:
            try:
                compared = _tags.as_kind(value.of(parameters), pin.kind)
            except (IndexError, KeyError, TypeError):
                compared = None
            tags.add(table.label if compared is None else _tags.row(table.label, pin.field, compared))
        tags.add(_tags.any_row(table.label))
        if pin.field is None:
            tags.add(_tags.new_key(table.label))
    return tags


def is_about_now(sql: str, parameters: Any) -> bool:
    """Whether a statement asks for the time, or for what is before or after a time within a day of now."""
    if any(clock in sql for clock in CLOCKS):
        return True
    if not parameters:
        return False
    near: tuple[str, ...] | None = None
    for value in parameters.values() if isinstance(parameters, dict) else parameters:
        if isinstance(value, datetime.date):
            text = value.isoformat()
        elif isinstance(value, str) and len(value) >= 10 and value[4] == "-" == value[7]:
            text = value
        else:
            continue
        near = near or days_around(time.time())
        if text[:10] in near:
            return True
    return False


def days_around(now: float) -> tuple[str, ...]:
    return tuple(time.strftime("%Y-%m-%d", time.gmtime(now + days * 86_400)) for days in (-1, 0, 1))
