"""What conditions say of the rows for which they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from weir_server._sql.schema import Table
from weir_server._sql.statement import Branch, Value
from weir_server._sql.tokens import Token, is_name, plain, split, value_of

# A word in a condition that is no column.
NO_COLUMN = tuple(
    "AND OR XOR NOT IS NULL IN LIKE ILIKE REGEXP RLIKE GLOB SIMILAR TO ESCAPE BETWEEN ASC DESC NULLS FIRST LAST"
    " TRUE FALSE EXISTS ANY ALL SOME CASE WHEN THEN ELSE END BINARY COLLATE INTERVAL"
    " UPDATE SHARE KEY NO OF NOWAIT SKIP LOCKED".split()
)


@dataclass
class Source:
    """One table in a FROM, by its alias."""

    table: str
    alias: str
    join: str  # "", "INNER", "LEFT", "OTHER"
    on: list[Token] = field(default_factory=list)


Column = tuple[str, str]


def mentions(parts: Sequence[Token], alias: str) -> bool:
    """Whether a column of this alias may be meant: one without an alias may be any table's."""
    for at, token in enumerate(parts):
        if token.kind == "group":
            if mentions(token.inside, alias):
                return True
            continue
        if not is_name(token):
            continue
        before = parts[at - 1].text if at else ""
        after = parts[at + 1] if at + 1 < len(parts) else None
        if after and after.text == ".":
            if plain(token) == alias:
                return True
        elif (
            before != "."
            and not token.is_word(*NO_COLUMN)
            and not (token.kind == "name" and after and after.kind == "group")
        ):
            return True
    return False


def conjuncts(parts: Sequence[Token]) -> list[list[Token]]:
    """The conditions that all must hold: split at AND, within brackets too. One that is not sure stays whole."""
    while len(parts) == 1 and parts[0].kind == "group":
        parts = parts[0].inside
    if any(token.is_word("OR", "XOR", "CASE") for token in parts):
        return [list(parts)]
    pieces: list[list[Token]] = [[]]
    for token in parts:
        if token.is_word("AND") and not is_between(pieces[-1]):
            pieces.append([])
        else:
            pieces[-1].append(token)
    if len(pieces) == 1:
        return pieces
    return [inner for piece in pieces for inner in conjuncts(piece)]


def is_between(piece: list[Token]) -> bool:
    """Whether the next AND is that of a BETWEEN."""
    return sum(token.is_word("BETWEEN") for token in piece) > sum(token.is_word("AND") for token in piece)


class Facts:
    """What the conditions say: columns that equal values, and columns that equal each other."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self.sources = sources
        self.values: dict[Column, tuple[Value, ...]] = {}
        # From each column to those that equal it.
        self.equal: dict[Column, set[Column]] = {}
        self.one_way: set[tuple[Column, Column]] = set()
        # Columns that lie between two values, or match a pattern.
        self.ranges: dict[Column, tuple[Value, Value | None]] = {}

    def add(self, parts: Sequence[Token], only: str | None) -> None:
        """`only`: the alias of a LEFT JOIN, whose condition says nothing of other tables' rows."""
        for piece in conjuncts(parts):
            while len(piece) == 1 and piece[0].kind == "group":
                piece = list(piece[0].inside)
            self.add_one(piece, only)

    def add_one(self, piece: list[Token], only: str | None) -> None:
        left, at = column_at(piece, 0)
        if left is None or at >= len(piece):
            return
        if piece[at].is_word("IN") and at + 2 == len(piece) and piece[at + 1].kind == "group":
            values = [value_of(value) for value in split(piece[at + 1].inside, ",")]
            if all(values) and only in (None, left[0]):
                self.note(left, tuple(value for value in values if value))
            return
        if piece[at].is_word("BETWEEN", "LIKE") and only in (None, left[0]):
            self.add_range(left, piece[at], piece[at + 1 :])
            return
        if piece[at].text != "=":
            return
        right, end = column_at(piece, at + 1)
        if right is not None and end == len(piece):
            self.equal.setdefault(left, set()).add(right)
            self.equal.setdefault(right, set()).add(left)
            if only is not None:
                self.one_way.update(pair for pair in ((left, right), (right, left)) if pair[1][0] != only)
            return
        value = value_of(piece[at + 1 :])
        if value is not None and only in (None, left[0]):
            self.note(left, (value,))

    def add_range(self, column: Column, word: Token, rest: list[Token]) -> None:
        if word.is_word("LIKE"):
            # Behind the escape nothing may follow, such as another condition that OR joins to it.
            is_all = len(rest) == 1 or (len(rest) == 3 and rest[1].is_word("ESCAPE"))
            pattern = value_of(rest[:1]) if is_all else None
            if pattern:
                self.ranges.setdefault(column, (pattern, None))
        elif len(rest) == 3 and rest[1].is_word("AND"):
            low, high = value_of(rest[:1]), value_of(rest[2:])
            if low and high:
                self.ranges[column] = (low, high)

    def branch(self, alias: str, table: Table) -> Branch | None:
        """The branch of a tree that holds all rows that count."""
        found = self.ranges.get((alias, table.tree.path)) if table.tree else None
        if table.tree is None or found is None:
            return None
        depths = self.values.get((alias, table.tree.depth), ())
        return Branch(self.sources[alias].table, *found, depths[0] if len(depths) == 1 else None)

    def note(self, column: Column, values: tuple[Value, ...]) -> None:
        self.values.setdefault(column, values)

    def spread(self) -> None:
        """What equals a column with known values has these values too."""
        waiting = list(self.values)
        while waiting:
            column = waiting.pop()
            for other in self.equal.get(column, ()):
                if other not in self.values and (column, other) not in self.one_way:
                    self.values[other] = self.values[column]
                    waiting.append(other)

    def columns_joined(self, alias: str, other: str) -> list[str]:
        """The columns of `alias` that equal some column of `other`."""
        own = (item for item in self.equal.items() if item[0][0] == alias)
        return [name for (_, name), equals in own if any(column[0] == other for column in equals)]


def column_at(parts: Sequence[Token], at: int) -> tuple[Column | None, int]:
    """`alias.column` at this place, perhaps with a schema before it, and the place behind it."""
    if at + 4 < len(parts) and is_name(parts[at]) and parts[at + 1].text == "." and parts[at + 3].text == ".":
        at += 2
    if at + 2 < len(parts) + 0 and is_name(parts[at]) and parts[at + 1].text == "." and is_name(parts[at + 2]):
        end = at + 3
        if end + 1 < len(parts) and parts[end].text == "::" and parts[end + 1].is_word("TEXT"):
            # PostgreSQL compares it as text.
            end += 2
        return (plain(parts[at]), plain(parts[at + 2])), end
    return None, at
