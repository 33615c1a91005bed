"""Reads SQL: which rows and tables a statement depends on, or changes.

Pure: it knows no database and no Django. A statement is read once, what was found in it is kept by its text.

What a SELECT depends on is found by one rule. If a condition that holds for the whole result says `t.field = value`
(or `IN (…)`), then rows of `t` with another value can neither appear in the result nor change it. Such a table is
*pinned*; so is a tree of which the condition names one branch. A table that is only joined to rows that are known, by
its own primary key, and by which nothing is chosen or counted, is *followed*: the rows in the result are all that
matter. Every other table counts as a whole.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any


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


@dataclass(frozen=True)
class Change:
    """An UPDATE or DELETE of one table by a plain condition."""

    table: str
    # The condition as it was written, with the place of its first parameter.
    where: str
    first_parameter: int
    # The columns that an UPDATE sets; None for a DELETE.
    sets: tuple[str, ...] | None


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

    @property
    def writes(self) -> bool:
        return bool(self.insert or self.change or self.written)


@dataclass(frozen=True)
class Token:
    # "name", "quoted", "string", "number", "parameter", "named", "sign", "group"
    kind: str
    text: str
    at: int
    inside: tuple["Token", ...] = ()
    # The place of a parameter, or the count of parameters before a token.
    parameter: int = 0

    def is_word(self, *words: str) -> bool:
        return self.kind == "name" and self.text.upper() in words


TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    |(?P<string>'(?:[^']|'')*')
    |(?P<named>%\(\w+\)s)
    |(?P<parameter>%s|\?)
    |(?P<number>\d+(?:\.\d+)?\b)
    |(?P<name>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)
    |(?P<sign><=|>=|<>|!=|::|\|\||->>|->|%%|.)""",
    re.VERBOSE | re.DOTALL,
)
WRITES = ("INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "ALTER", "DROP", "LOAD")
HARMLESS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "START", "COMMIT", "SET", "PRAGMA", "SHOW")
ENDS_FROM = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", "WINDOW", "RETURNING")
SET_OPERATIONS = ("UNION", "INTERSECT", "EXCEPT", "MINUS")
JOIN_WORDS = ("INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "JOIN", "STRAIGHT_JOIN", "LATERAL")
# A word here is no alias.
NO_ALIAS = (*ENDS_FROM, *SET_OPERATIONS, *JOIN_WORDS, "ON", "USING", "SET", "VALUES", "AS", "SELECT", "DEFAULT")

# A word in a condition that is no column.
NO_COLUMN = tuple(
    "AND OR XOR NOT IS NULL IN LIKE ILIKE REGEXP RLIKE GLOB SIMILAR TO ESCAPE BETWEEN ASC DESC NULLS FIRST LAST"
    " TRUE FALSE EXISTS ANY ALL SOME CASE WHEN THEN ELSE END BINARY COLLATE INTERVAL"
    " UPDATE SHARE KEY NO OF NOWAIT SKIP LOCKED".split()
)


class NotRead(Exception):
    """A statement that this reader cannot read."""


def read(sql: str, schema: Schema, mark: str = "%s") -> Statement:
    """`mark` stands for a parameter."""
    try:
        return _Reader(sql, schema, mark).statement()
    except (NotRead, IndexError, RecursionError):
        return _roughly(sql, schema)


def _roughly(sql: str, schema: Schema) -> Statement:
    """Every known table that is named anywhere in it, in full."""
    names = {name.lower() for name in re.findall(r"[\w$]+", sql)}
    found = Statement()
    found.tables = {table for table in schema if table.lower() in names}
    if re.search(rf"\b(?:{'|'.join(WRITES)})\b", sql, re.IGNORECASE):
        found.written = set(found.tables)
    return found


def tokens(sql: str, mark: str) -> tuple[list[Token], int]:
    """The tokens of a text, those in brackets as groups; and the number of parameters."""
    stack: list[list[Token]] = [[]]
    opened: list[Token] = []
    count = 0
    for match in TOKEN.finditer(sql):
        kind, text, at = match.lastgroup or "sign", match.group(), match.start()
        if kind == "blank":
            continue
        if kind == "parameter" and text != mark:
            # PostgreSQL has an operator of that name.
            kind = "sign"
        after_escape = bool(stack[-1]) and stack[-1][-1].is_word("ESCAPE")
        if kind == "string" and "\\" in text and not (after_escape and len(text) == 3):
            raise NotRead("what a backslash means depends on the database")
        if text == "'":
            raise NotRead("a text without an end")
        if kind == "sign" and text == "(":
            opened.append(Token("group", text, at, parameter=count))
            stack.append([])
        elif kind == "sign" and text == ")":
            if not opened:
                raise NotRead("a bracket too many")
            inside, start = stack.pop(), opened.pop()
            stack[-1].append(Token("group", sql[start.at : at + 1], start.at, tuple(inside), start.parameter))
        else:
            stack[-1].append(Token(kind, text, at, parameter=count))
            if kind == "parameter":
                count += 1
    if opened:
        raise NotRead("a bracket too few")
    return stack[0], count


def plain(token: Token) -> str:
    """The name that a token stands for."""
    if token.kind == "quoted":
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)
    return token.text


def is_name(token: Token) -> bool:
    return token.kind in ("name", "quoted")


def split(parts: Sequence[Token], sign: str) -> list[list[Token]]:
    found: list[list[Token]] = [[]]
    for token in parts:
        if token.kind == "sign" and token.text == sign:
            found.append([])
        else:
            found[-1].append(token)
    return found


@dataclass
class Source:
    """One table in a FROM, by its alias."""

    table: str
    alias: str
    join: str  # "", "INNER", "LEFT", "OTHER"
    on: list[Token] = field(default_factory=list)


Column = tuple[str, str]


class _Reader:
    def __init__(self, sql: str, schema: Schema, mark: str) -> None:
        self.sql = sql
        self.schema = schema
        self.lower = {name.lower(): name for name in schema}
        self.tokens, self.parameters = tokens(sql, mark)
        self.found = Statement(parameters=self.parameters)

    def statement(self) -> Statement:
        while self.tokens and self.tokens[-1].text == ";":
            self.tokens.pop()
        if not self.tokens:
            return self.found
        if any(token.text == ";" for token in self.tokens):
            raise NotRead("several statements")
        first = self.tokens[0]
        if first.is_word("SELECT", "VALUES") or first.kind == "group":
            if any(token.is_word("INTO") for token in self.tokens):
                raise NotRead("SELECT INTO makes a table")
            self.query(self.tokens, top=True)
        elif first.is_word("INSERT", "REPLACE"):
            self.insert()
        elif first.is_word("UPDATE"):
            self.update()
        elif first.is_word("DELETE"):
            self.delete()
        elif not (first.is_word(*HARMLESS) or (first.is_word("CREATE") and not self.has_word("SELECT"))):
            raise NotRead(f"a statement that begins with {first.text}")
        return self.found

    def has_word(self, *words: str) -> bool:
        return any(token.is_word(*words) for token in self.tokens)

    def known(self, token: Token) -> str:
        name = plain(token)
        return name if name in self.schema else self.lower.get(name.lower(), name)

    # Queries

    def query(self, parts: Sequence[Token], top: bool) -> None:
        """A SELECT, or several joined by UNION and the like."""
        if parts and parts[0].is_word("WITH"):
            raise NotRead("WITH")
        pieces: list[list[Token]] = [[]]
        for token in parts:
            if token.is_word(*SET_OPERATIONS):
                pieces.append([])
            else:
                pieces[-1].append(token)
        for piece in pieces:
            while piece and piece[0].is_word("ALL", "DISTINCT"):
                piece.pop(0)
            self.select(piece, top and len(pieces) == 1)

    def nested(self, parts: Sequence[Token]) -> None:
        """Finds the queries within brackets, however deep."""
        for token in parts:
            if token.kind != "group":
                continue
            inside = token.inside
            if inside and (inside[0].is_word("SELECT", "WITH") or self.holds_set_operation(inside)):
                self.query(inside, top=False)
            else:
                self.nested(inside)

    def holds_set_operation(self, parts: Sequence[Token]) -> bool:
        return any(token.is_word(*SET_OPERATIONS) for token in parts)

    def select(self, parts: list[Token], top: bool) -> None:
        if len(parts) >= 1 and parts[0].kind == "group":
            # (SELECT …) UNION (SELECT …), with ORDER BY behind it perhaps.
            self.nested(parts)
            return
        at = next((at for at, token in enumerate(parts) if token.is_word("FROM") and not is_distinct(parts, at)), None)
        if at is None:
            self.nested(parts)
            return
        end = next((i for i in range(at, len(parts)) if parts[i].is_word(*ENDS_FROM)), len(parts))
        chosen, rest = parts[1:at], parts[end:]
        sources = self.sources(parts[at + 1 : end])
        clauses = clauses_of(rest)
        for source in sources:
            self.nested(source.on)
        self.nested(chosen)
        self.nested(rest)
        self.decide(sources, chosen, clauses, rest, top)

    def sources(self, parts: list[Token]) -> list[Source]:
        found: list[Source] = []
        at, join = 0, ""
        while at < len(parts):
            token = parts[at]
            if token.text == ",":
                at, join = at + 1, "INNER"
            elif token.is_word(*JOIN_WORDS):
                words = []
                while at < len(parts) and parts[at].is_word(*JOIN_WORDS):
                    words.append(parts[at].text.upper())
                    at += 1
                join = kind_of_join(words)
            elif token.kind == "group":
                # A query in place of a table; its tables count in their own right.
                self.nested([token])
                if not token.inside or not token.inside[0].is_word("SELECT", "WITH", "VALUES"):
                    raise NotRead("joins in brackets")
                at, alias = self.alias(parts, at + 1, "")
                at, on = condition(parts, at)
                found.append(Source("", alias, join, on))
            elif is_name(token):
                at += 1
                while at + 1 < len(parts) and parts[at].text == "." and is_name(parts[at + 1]):
                    token = parts[at + 1]
                    at += 2
                if at < len(parts) and parts[at].kind == "group":
                    raise NotRead("a function in FROM")
                at, alias = self.alias(parts, at, plain(token))
                at, on = condition(parts, at)
                found.append(Source(self.known(token), alias, join, on))
            else:
                raise NotRead(f"{token.text} in FROM")
        return found

    def alias(self, parts: list[Token], at: int, usual: str) -> tuple[int, str]:
        if at < len(parts) and parts[at].is_word("AS"):
            at += 1
        if at < len(parts) and is_name(parts[at]) and not parts[at].is_word(*NO_ALIAS):
            name = plain(parts[at])
            at += 1
            if at < len(parts) and parts[at].kind == "group":
                raise NotRead("names of columns behind an alias")
            return at, name
        return at, usual

    def decide(
        self,
        sources: list[Source],
        chosen: list[Token],
        clauses: dict[str, list[Token]],
        rest: list[Token],
        top: bool,
    ) -> None:
        """Says of each table whether it is pinned, followed, or counts as a whole."""
        by_alias = {source.alias: source for source in sources}
        if len(by_alias) < len(sources) or any(source.join == "OTHER" for source in sources):
            self.found.tables.update(source.table for source in sources if source.table)
            return
        facts = Facts(by_alias)
        facts.add(clauses.get("WHERE", []), None)
        for source in sources:
            if source.on:
                facts.add(source.on, source.alias if source.join == "LEFT" else None)
        facts.spread()
        sure: set[str] = set()
        waiting: list[Source] = []
        for source in sources:
            if not source.table:
                continue
            table = self.schema.get(source.table)
            column = next((c for c in table.pins if (source.alias, c) in facts.values), None) if table else None
            branch = facts.branch(source.alias, table) if table else None
            if table and branch and not (column and table.pins[column].rare):
                self.found.branches.append(branch)
                sure.add(source.alias)
            elif table and column is not None:
                self.found.pinned.append(Pinned(source.table, column, facts.values[source.alias, column]))
                sure.add(source.alias)
            else:
                waiting.append(source)
        for source in self.follow(waiting, sure, facts, chosen, clauses, rest, top):
            self.found.tables.add(source.table)

    def follow(
        self,
        waiting: list[Source],
        sure: set[str],
        facts: "Facts",
        chosen: list[Token],
        clauses: dict[str, list[Token]],
        rest: list[Token],
        top: bool,
    ) -> list[Source]:
        """The tables that cannot be followed; the others are noted."""
        if not top or "GROUP" in clauses or "HAVING" in clauses:
            return waiting
        distinct_on = len(chosen) > 1 and chosen[0].is_word("DISTINCT") and chosen[1].is_word("ON")
        limited = distinct_on or any(name in clauses for name in ("LIMIT", "OFFSET", "FETCH"))
        counting = [token for name, part in clauses.items() if limited or name != "ORDER" for token in part]
        columns = split(chosen[1:] if chosen and chosen[0].is_word("DISTINCT") else chosen, ",")
        # What may be followed from: what is pinned, what counts as a whole (any change of it purges), what is followed.
        known, rounds, left = set(sure), list(waiting), []
        if not sure:
            left = [source for source in rounds if not source.join]
            rounds = [source for source in rounds if source.join]
            known.update(source.alias for source in left)
        moved = True
        while moved:
            moved = False
            for source in list(rounds):
                column = self.followed(source, known, facts, columns, counting)
                if column is not None:
                    self.found.followed.append(Followed(source.table, column))
                    rounds.remove(source)
                    known.add(source.alias)
                    moved = True
            if not moved and rounds:
                # It counts as a whole, so others may be followed from it.
                source = rounds.pop(0)
                left.append(source)
                known.add(source.alias)
                moved = True
        return left

    def followed(
        self, source: Source, known: set[str], facts: "Facts", columns: list[list[Token]], counting: list[Token]
    ) -> int | None:
        """The column of the result with its primary keys, if it may be followed."""
        table = self.schema.get(source.table)
        if not table or table.pk is None:
            return None
        own = (source.alias, table.pk)
        # A left join chooses nothing among the rows on its left.
        joined_to = (other for other in facts.equal.get(own, ()) if (other, own) not in facts.one_way)
        if not any(other[0] in known for other in joined_to):
            return None
        if mentions(counting, source.alias):
            return None
        for other in facts.sources.values():
            if other is source or other.join == "LEFT" or not mentions(other.on, source.alias):
                continue
            # An inner join by a column that may be null, or by more than one, leaves rows out.
            if len(conjuncts(other.on)) > 1:
                return None
            joined = facts.columns_joined(source.alias, other.alias)
            if not joined or not all(name == table.pk or name in table.not_null for name in joined):
                return None
        if len(conjuncts(source.on)) > 1:
            return None
        for place, column in enumerate(columns):
            names = [token for token in column if token.text != "."]
            is_key = len(names) >= 2 and plain(names[0]) == source.alias and plain(names[1]) == table.pk
            if is_key and (len(names) == 2 or names[2].is_word("AS")):
                return place
        return None

    # Changes

    def insert(self) -> None:
        parts = self.tokens
        at = next(at for at, token in enumerate(parts) if token.is_word("INTO")) + 1
        name, at = self.dotted(at)
        table = self.known(name)
        self.nested(parts[at:])
        if parts[0].is_word("REPLACE") or any(token.is_word("SELECT", "REPLACE", "DUPLICATE") for token in parts):
            self.found.written.add(table)
            return
        conflict = next((i for i, token in enumerate(parts) if token.is_word("CONFLICT")), None)
        if conflict is not None and not any(token.is_word("NOTHING") for token in parts[conflict:]):
            self.found.written.add(table)
            return
        if at >= len(parts) or parts[at].kind != "group":
            self.found.written.add(table)
            return
        columns = tuple(plain(column[-1]) for column in split(parts[at].inside, ","))
        at += 1
        if at >= len(parts) or not parts[at].is_word("VALUES"):
            self.found.written.add(table)
            return
        rows = []
        for token in parts[at + 1 :]:
            if token.text == ",":
                continue
            if token.kind != "group":
                break
            values = tuple(value_of(value) for value in split(token.inside, ","))
            if len(values) != len(columns):
                raise NotRead("a row of another length")
            rows.append(values)
        self.found.insert = Insert(table, columns, tuple(rows))

    def update(self) -> None:
        parts = self.tokens
        name, at = self.dotted(1)
        table = self.known(name)
        self.nested(parts)
        if at >= len(parts) or not parts[at].is_word("SET"):
            self.found.written.add(table)
            return
        end = next(
            (i for i in range(at, len(parts)) if parts[i].is_word("WHERE", "FROM", "ORDER", "LIMIT", "RETURNING")),
            len(parts),
        )
        sets = []
        for assignment in split(parts[at + 1 : end], ","):
            equals = next((i for i, token in enumerate(assignment) if token.text == "="), None)
            if equals is None or not is_name(assignment[equals - 1]):
                raise NotRead("an assignment")
            sets.append(plain(assignment[equals - 1]))
        self.by_condition(table, end, tuple(sets))

    def delete(self) -> None:
        parts = self.tokens
        if not parts[1].is_word("FROM"):
            raise NotRead("DELETE without FROM")
        name, at = self.dotted(2)
        table = self.known(name)
        self.nested(parts)
        self.by_condition(table, at, None)

    def by_condition(self, table: str, at: int, sets: tuple[str, ...] | None) -> None:
        parts = self.tokens
        if at == len(parts):
            self.found.change = Change(table, "", self.parameters, sets)
            return
        later = [token for token in parts[at + 1 :] if token.is_word("ORDER", "LIMIT", "RETURNING", "FROM", "USING")]
        if not parts[at].is_word("WHERE") or later:
            self.found.written.add(table)
            return
        self.found.change = Change(table, self.sql[parts[at].at :], parts[at].parameter, sets)

    def dotted(self, at: int) -> tuple[Token, int]:
        """The last part of a name with dots, and the place behind it."""
        token = self.tokens[at]
        if not is_name(token):
            raise NotRead(f"{token.text} in place of a table")
        at += 1
        while at + 1 < len(self.tokens) and self.tokens[at].text == "." and is_name(self.tokens[at + 1]):
            token = self.tokens[at + 1]
            at += 2
        return token, at


def is_distinct(parts: Sequence[Token], at: int) -> bool:
    """Whether a FROM is that of IS [NOT] DISTINCT FROM."""
    return at > 0 and parts[at - 1].is_word("DISTINCT")


def kind_of_join(words: list[str]) -> str:
    if any(word in words for word in ("RIGHT", "FULL", "NATURAL", "LATERAL", "STRAIGHT_JOIN")):
        return "OTHER"
    return "LEFT" if "LEFT" in words else "INNER"


def condition(parts: list[Token], at: int) -> tuple[int, list[Token]]:
    """What stands behind ON."""
    if at < len(parts) and parts[at].is_word("USING"):
        raise NotRead("USING")
    if at >= len(parts) or not parts[at].is_word("ON"):
        return at, []
    end = at + 1
    while end < len(parts) and parts[end].text != "," and not parts[end].is_word(*JOIN_WORDS):
        end += 1
    return end, parts[at + 1 : end]


def clauses_of(rest: list[Token]) -> dict[str, list[Token]]:
    found: dict[str, list[Token]] = {}
    name = ""
    for token in rest:
        if token.is_word(*ENDS_FROM):
            name = token.text.upper()
            found.setdefault(name, [])
        else:
            found[name].append(token)
    return found


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
            pattern = value_of(rest[:1]) if len(rest) == 1 or rest[1].is_word("ESCAPE") else None
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
    """`alias.column` at this place, and the place behind it."""
    if at + 2 < len(parts) + 0 and is_name(parts[at]) and parts[at + 1].text == "." and is_name(parts[at + 2]):
        end = at + 3
        if end + 1 < len(parts) and parts[end].text == "::" and parts[end + 1].is_word("TEXT"):
            # PostgreSQL compares it as text.
            end += 2
        return (plain(parts[at]), plain(parts[at + 2])), end
    return None, at


def value_of(parts: Sequence[Token]) -> Value | None:
    """A parameter or a literal; None for an expression."""
    if len(parts) != 1:
        return None
    token = parts[0]
    if token.kind == "parameter":
        return Value(token.parameter)
    if token.kind == "named":
        return Value(token.text.removeprefix("%(").removesuffix(")s").removeprefix(":"))
    if token.kind == "number" and token.text.isdigit():
        return Value(None, int(token.text))
    if token.kind == "string":
        return Value(None, token.text[1:-1].replace("''", "'"))
    return None


class Statements:
    """Statements by their texts, each read once."""

    def __init__(self, schema: Schema, mark: str = "%s", size: int = 2048) -> None:
        self.schema = schema
        self.read = lru_cache(maxsize=size)(lambda sql: read(sql, schema, mark))
