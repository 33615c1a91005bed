"""What the reader of SQL needs to know of tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """What the reader needs to know of a table."""

    label: str
    pk: str | None
    # The columns whose values have tags, the best first.
    pins: Mapping[str, "Pin"]
    not_null: frozenset[str]
    tree: "Tree | None" = None
    # Columns that pages seldom show, and that are not read from rows unnoticed.
    quiet: frozenset[str] = frozenset()
    # The database computes some of the columns with tags from others.
    computes: bool = False
    # The labels of tables whose rows the database itself changes where rows of this one are deleted.
    cascades: frozenset[str] = frozenset()
    # Columns that name rows of another table, and that table: the database sees to it that the rows are there.
    refers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pin:
    """A column whose values have tags."""

    # Its name in tags; None for the primary key.
    field: str | None
    # "int", "text" or "uuid". A value of another type is not compared as it is written.
    kind: str
    # Few rows have the same value.
    rare: bool = True


@dataclass(frozen=True)
class Tree:
    """A table of nodes whose paths begin with the paths of their parents, as django-treebeard keeps them."""

    path: str
    depth: str
    # How many characters longer a child's path is.
    step: int
    # The column with the number of children.
    count: str


Schema = Mapping[str, Table]
