"""Reads SELECT: which tables are pinned, followed, or count as a whole."""

from collections.abc import Sequence

from weir_server._sql.conditions import Facts, Source, conjuncts, mentions
from weir_server._sql.schema import Schema
from weir_server._sql.statement import Followed, Pinned, Statement
from weir_server._sql.tokens import BEFORE_TABLES, NotRead, Token, is_name, plain, split, tokens

ENDS_FROM = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", "WINDOW", "RETURNING")
SET_OPERATIONS = ("UNION", "INTERSECT", "EXCEPT", "MINUS")
JOIN_WORDS = ("INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "JOIN", "STRAIGHT_JOIN", "LATERAL")
# A word here is no alias.
NO_ALIAS = (*ENDS_FROM, *SET_OPERATIONS, *JOIN_WORDS, "ON", "USING", "SET", "VALUES", "AS", "SELECT", "DEFAULT")


class QueryReader:
    """A statement, and how its queries are read."""

    def __init__(self, sql: str, schema: Schema, mark: str) -> None:
        self.sql = sql
        self.mark = mark
        self.schema = schema
        self.lower = {name.lower(): name for name in schema}
        self.tokens, self.parameters = tokens(sql, mark)
        self.found = Statement(parameters=self.parameters)

    def known(self, token: Token) -> str:
        name = plain(token)
        return name if name in self.schema else self.lower.get(name.lower(), name)

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
            # A function of the site's own may read anything.
            self.found.unknown = self.found.unknown or any(is_call(parts, at) for at in range(len(parts)))
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
            elif is_name(token) and not token.is_word(*BEFORE_TABLES):
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
        if not any(other[0] in known and self.refers(facts, other) == source.table for other in joined_to):
            # A row that is not there now may come, and nothing in the result names it.
            return None
        if mentions(counting, source.alias):
            return None
        for other in facts.sources.values():
            if other is source or other.join == "LEFT" or not mentions(other.on, source.alias):
                continue
            # An inner join leaves rows out if its column may be null or name what is not there, or if it has several.
            if len(conjuncts(other.on)) > 1:
                return None
            joined = facts.columns_joined(source.alias, other.alias)
            sure = table.not_null & table.refers.keys()
            if not joined or not all(name == table.pk or name in sure for name in joined):
                return None
        if len(conjuncts(source.on)) > 1:
            return None
        for place, column in enumerate(columns):
            names = [token for token in column if token.text != "."]
            is_key = len(names) >= 2 and plain(names[0]) == source.alias and plain(names[1]) == table.pk
            if is_key and (len(names) == 2 or names[2].is_word("AS")):
                return place
        return None

    def refers(self, facts: "Facts", column: tuple[str, str]) -> str | None:
        """The table whose rows a column names, if they are there for sure."""
        table = self.schema.get(facts.sources[column[0]].table) if column[0] in facts.sources else None
        return table.refers.get(column[1]) if table else None


def is_call(parts: Sequence[Token], at: int) -> bool:
    """Whether a function is called there, by its name."""
    follows = parts[at + 1] if at + 1 < len(parts) else None
    is_query = follows is not None and bool(follows.inside) and follows.inside[0].is_word("SELECT", "WITH", "VALUES")
    return is_name(parts[at]) and follows is not None and follows.kind == "group" and not is_query


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
