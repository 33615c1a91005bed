"""What is found in a statement: the rows and tables that it depends on, or changes."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Value:
    """One value in a statement: the place or the name of its parameter, or itself."""

    parameter: int | str | None
    literal: int | str | None = None

    def of(self, parameters: Any) -> Any:
        return self.literal if self.parameter is None else parameters[self.parameter]


@dataclass(frozen=True)
class Pinned:
    table: str
    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Branch:
    """The nodes of a tree whose paths lie between two values, or match a pattern."""

    table: str
    low: Value
    # None: `low` is a pattern of LIKE.
    high: Value | None
    depth: Value | None


@dataclass(frozen=True)
class Followed:
    """Rows of a table whose primary keys stand in one column of the result."""

    table: str
    result_column: int


@dataclass(frozen=True)
class Insert:
    table: str
    columns: tuple[str, ...]
    # Of each row the values of its columns; None where one is an expression.
    rows: tuple[tuple[Value | None, ...], ...]
    # In place of rows, for each column a list of its values: Django's way with PostgreSQL.
    lists: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Change:
    """An UPDATE or DELETE of one table by a plain condition."""

    table: str
    # The table as it was written: perhaps with its schema.
    written: str
    # The condition as it was written, with the place of its first parameter.
    where: str
    first_parameter: int
    # The columns that an UPDATE sets; None for a DELETE.
    sets: tuple[str, ...] | None
    # If parameters are numbered, the places of those in the condition.
    places: tuple[int, ...] | None = None

    def given(self, parameters: Any) -> Any:
        """The parameters of the condition."""
        if self.places is not None:
            return tuple(parameters[place] for place in self.places)
        return parameters[self.first_parameter :] if isinstance(parameters, list | tuple) else parameters


@dataclass
class Statement:
    """What was found in one statement."""

    tables: set[str] = field(default_factory=set)
    pinned: list[Pinned] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    insert: Insert | None = None
    change: Change | None = None
    # Tables that the statement changes in a way that was not understood further.
    written: set[str] = field(default_factory=set)
    parameters: int = 0
    # "begin", "commit" or "rollback", if it is nothing else.
    transaction: str = ""
    # Nobody knows what it reads.
    unknown: bool = False
    # It asks the database for the time, or for chance.
    asks_clock: bool = False
    # It takes parts out of dates.
    asks_calendar: bool = False
    # Tables, constraints or triggers may be others after it.
    defines: bool = False
    # Rows may go, in one of the tables in `written`.
    may_remove: bool = False

    def by_rows(self) -> set[str]:
        """The tables of which it reads single rows."""
        found = {one.table for one in self.pinned} | {one.table for one in self.branches}
        return found | {one.table for one in self.followed}

    @property
    def writes(self) -> bool:
        return bool(self.insert or self.change or self.written)

    @property
    def changes(self) -> set[str]:
        """The tables that it changes."""
        one = self.insert or self.change
        return self.written | ({one.table} if one else set())

    @property
    def removes(self) -> bool:
        """Whether rows may go."""
        return self.may_remove or (self.change is not None and self.change.sets is None)
