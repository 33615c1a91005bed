"""What a statement that reads says of the page that it is for: tags, and whether the page changes with time."""

import datetime
import re
import time
from typing import Any

from weir_server import _tags
from weir_server._sql import Branch, Schema, Statement

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


def branches(statement: Statement, parameters: Any, known: Schema) -> set[str]:
    """The tags of the branches of trees that a statement asks for."""
    tags: set[str] = set()
    for branch in statement.branches:
        label = known[branch.table].label
        tags.update((branch_tag(branch, parameters, known), _tags.any_row(label)))
    return tags


def branch_tag(branch: Branch, parameters: Any, known: Schema) -> str:
    table = known[branch.table]
    try:
        low = branch.low.of(parameters)
        high = branch.high.of(parameters) if branch.high else None
        depth = branch.depth.of(parameters) if branch.depth else None
    except (IndexError, KeyError, TypeError):
        return table.label
    if table.tree is None or not isinstance(low, str) or not isinstance(high, str | None):
        return table.label
    prefix = re.split(r"[%_\\]", low, maxsplit=1)[0] if high is None else common(low, high)
    prefix = prefix[: len(prefix) // table.tree.step * table.tree.step]
    if not prefix:
        return table.label
    is_children = depth == len(prefix) // table.tree.step + 1
    return _tags.children(table.label, prefix) if is_children else _tags.below(table.label, prefix)


def common(low: str, high: str) -> str:
    """What all texts between two begin with."""
    length = next((at for at, (one, other) in enumerate(zip(low, high)) if one != other), min(len(low), len(high)))
    return low[:length]


def is_about_now(sql: str, parameters: Any, began: float) -> bool:
    """Whether a statement asks for the time, or for what is before or after a time within a day of now, or one that
    was computed from now: some minutes, hours or days before or after it. `began`: when the page was begun.
    """
    if any(clock in sql for clock in CLOCKS):
        return True
    if not parameters:
        return False
    near: tuple[str, ...] | None = None
    for value in parameters.values() if isinstance(parameters, dict) else parameters:
        if isinstance(value, datetime.date):
            if isinstance(value, datetime.datetime) and is_from_now(value, began):
                return True
            text = value.isoformat()
        elif isinstance(value, str) and len(value) >= 10 and value[4] == "-" == value[7]:
            text = value
            if len(value) >= 19 and is_from_now(text, began):
                return True
        else:
            continue
        near = near or days_around(time.time())
        if text[:10] in near:
            return True
    return False


def is_from_now(value: datetime.datetime | str, began: float) -> bool:
    """Whether it lies whole minutes away from a moment since the page was begun. Zones differ by whole minutes."""
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            return False
    if not value.microsecond:
        return False
    ago = (time.time() - value.second - value.microsecond / 1e6) % 60
    return ago <= time.time() - began + 0.001


def days_around(now: float) -> tuple[str, ...]:
    return tuple(time.strftime("%Y-%m-%d", time.gmtime(now + days * 86_400)) for days in (-1, 0, 1))
