"""What a statement that reads says of the page that it is for: tags, and whether the page changes with time."""

import datetime
import re
import time
from enum import IntEnum
from typing import Any

from weir_server import _tags
from weir_server._sql import Branch, Schema, Statement

# The seconds since 1970, in 2001: a smaller number is no time of today.
LONG_AGO = 1_000_000_000
UTC = datetime.timezone(datetime.timedelta(0))


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


class Hold(IntEnum):
    """What a page that shows the result may be kept for, apart from changes."""

    # It changes by itself.
    SHORT = 0
    # It changes at midnight, perhaps.
    DAY = 1
    LONG = 2


def hold(statement: Statement, parameters: Any, began: float) -> Hold:
    """Whether a statement asks for the time, or for what is before or after a time within a day of now, or one that
    was computed from now: some minutes, hours or days before or after it. Dates, and times at which some zone's day
    begins or ends, may be computed from today. `began`: when the page was begun.
    """
    if statement.asks_clock:
        return Hold.SHORT
    found = Hold.DAY if statement.asks_calendar else Hold.LONG
    if not parameters:
        return found
    now = time.time()
    for value in parameters.values() if isinstance(parameters, dict) else parameters:
        if type(value) in (int, float):
            if value > LONG_AGO and any(abs(value / unit - now) < 86_400 for unit in (1, 1000)):
                return Hold.SHORT
            continue
        if isinstance(value, datetime.date):
            moment = value
        elif isinstance(value, str) and len(value) >= 10 and value[4] == "-" == value[7]:
            read = moment_in(value)
            if read is None:
                continue
            moment = read
        else:
            continue
        found = min(found, of_moment(moment, began, now))
        if found is Hold.SHORT:
            break
    return found


def moment_in(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if len(text) == 10 else datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def of_moment(moment: datetime.date, began: float, now: float) -> Hold:
    if not isinstance(moment, datetime.datetime):
        return Hold.DAY
    if moment.isoformat()[:10] in days_around(now) or is_from_now(moment, began, now):
        return Hold.SHORT
    is_begin = moment.second == moment.microsecond == 0 and moment.minute % 15 == 0
    is_end = moment.second == 59 and moment.minute % 15 == 14
    return Hold.DAY if is_begin or is_end else Hold.LONG


def is_from_now(moment: datetime.datetime, began: float, now: float) -> bool:
    """Whether it lies whole minutes away from a moment since the page was begun. Zones differ by whole minutes."""
    if not moment.microsecond:
        return False
    return (now - moment.second - moment.microsecond / 1e6) % 60 <= now - began + 0.001


def to_midnight(now: float, *zones: datetime.tzinfo | None) -> int:
    """The seconds until a day begins in one of these zones, or in UTC; None is the zone of the machine."""
    moments = [datetime.datetime.fromtimestamp(now, zone) for zone in (UTC, *zones)]
    return min(86_400 - (moment.hour * 60 + moment.minute) * 60 - moment.second for moment in moments)


def days_around(now: float) -> tuple[str, ...]:
    return tuple(time.strftime("%Y-%m-%d", time.gmtime(now + days * 86_400)) for days in (-1, 0, 1))
