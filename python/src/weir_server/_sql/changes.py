"""Reads INSERT, UPDATE and DELETE: which rows they change, as far as they say it plainly."""

from collections.abc import Sequence

from weir_server._sql.queries import QueryReader
from weir_server._sql.statement import Change, Insert, Value
from weir_server._sql.tokens import (
    BEFORE_TABLES,
    NUMBERED,
    NotRead,
    Token,
    is_name,
    plain,
    renumbered,
    split,
    value_of,
)


class ChangeReader(QueryReader):
    """A statement, and how it changes a table."""

    def insert(self) -> None:
        parts = self.tokens
        at = next(at for at, token in enumerate(parts) if token.is_word("INTO")) + 1
        name, at = self.dotted(at)
        table = self.known(name)
        self.nested(parts[at:])
        lists = lists_of(parts)
        words = ("REPLACE", "DUPLICATE") if lists else ("SELECT", "REPLACE", "DUPLICATE")
        if parts[0].is_word("REPLACE") or any(token.is_word(*words) for token in parts):
            self.found.written.add(table)
            self.found.may_remove = any(token.is_word("REPLACE") for token in parts)
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
        if lists and len(lists) == len(columns):
            self.found.insert = Insert(table, columns, (), lists)
            return
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
            self.several(table, at)
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
        self.by_condition(table, self.between(1, at), end, tuple(sets))

    def delete(self) -> None:
        parts = self.tokens
        if not parts[1].is_word("FROM"):
            raise NotRead("DELETE without FROM")
        name, at = self.dotted(2)
        table = self.known(name)
        self.nested(parts)
        self.found.may_remove = True
        self.by_condition(table, self.between(2, at), at, None)

    def between(self, first: int, end: int) -> str:
        """The text of some tokens, without a semicolon or a comment that follows them."""
        last = self.tokens[end - 1]
        return self.sql[self.tokens[first].at : last.at + len(last.text)]

    def by_condition(self, table: str, written: str, at: int, sets: tuple[str, ...] | None) -> None:
        parts = self.tokens
        if at == len(parts):
            nothing = () if self.mark == NUMBERED else None
            self.found.change = Change(table, written, "", self.parameters, sets, nothing)
            return
        later = [token for token in parts[at + 1 :] if token.is_word("ORDER", "LIMIT", "RETURNING", "FROM", "USING")]
        is_at_cursor = at + 1 < len(parts) and parts[at + 1].is_word("CURRENT")
        if not parts[at].is_word("WHERE") or later or is_at_cursor:
            self.several(table, at)
            return
        where = self.between(at, len(parts))
        if self.mark == NUMBERED:
            where, places = renumbered(where)
            self.found.change = Change(table, written, where, 0, sets, places)
        else:
            self.found.change = Change(table, written, where, parts[at].parameter, sets)

    def several(self, table: str, at: int) -> None:
        """A change of this table, and of those that are named beside it: MySQL changes several at once."""
        end = next((i for i in range(at, len(self.tokens)) if self.tokens[i].is_word("WHERE")), len(self.tokens))
        named = {self.known(token) for token in self.tokens[at:end] if is_name(token)}
        self.found.written |= {table} | (named & self.schema.keys())

    def dotted(self, at: int) -> tuple[Token, int]:
        """The last part of a name with dots, and the place behind it."""
        token = self.tokens[at]
        if not is_name(token) or token.is_word(*BEFORE_TABLES):
            raise NotRead(f"{token.text} in place of a table")
        at += 1
        while at + 1 < len(self.tokens) and self.tokens[at].text == "." and is_name(self.tokens[at + 1]):
            token = self.tokens[at + 1]
            at += 2
        return token, at


def lists_of(parts: Sequence[Token]) -> tuple[Value, ...]:
    """The parameters in `SELECT * FROM UNNEST((%s)::bigint[], …)`, each of which is a list; none for anything else."""
    at = next((at for at, token in enumerate(parts) if token.is_word("SELECT")), len(parts))
    if [token.text.upper() for token in parts[at + 1 : at + 4]] != ["*", "FROM", "UNNEST"] or at + 4 >= len(parts):
        return ()
    found = []
    for column in split(parts[at + 4].inside, ","):
        inner = column[0].inside if column and column[0].kind == "group" else column[:1]
        value = value_of(inner)
        if value is None or value.parameter is None or len(column) < 2 or column[1].text != "::":
            return ()
        found.append(value)
    return tuple(found)
