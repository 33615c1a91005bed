"""What a database changes by itself when a table is changed: rows that refer to those that go, what triggers write,
what lies behind a view or in a partition; and what the functions change that a statement calls.

No statement names these tables, so each process asks its database, before its first change and from time to time.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from weir_server._catalogs import FUNCTIONS, PARTS, REFERENCES, TRIGGERS, VIEWS
from weir_server._sql import Statement, tables_named

# Asks the database, below whatever watches it.
Ask = Callable[[str], list[Sequence[Any]]]

# The rules of a constraint by which the database changes the rows that refer: "c", "n" and "d" are PostgreSQL's.
ACTS = frozenset(("c", "n", "d", "CASCADE", "SET NULL", "SET DEFAULT"))
CASCADES = frozenset(("c", "CASCADE"))
# How long the answers hold, in seconds: another process may make a trigger.
HOLD = 60.0
NAME = r"""(?:[\w$.]|"[^"]*"|`[^`]*`|\[[^\]]*\])+"""
WRITTEN = re.compile(
    r"\b(?:(?:INSERT(?:\s+OR\s+\w+)?|REPLACE|MERGE)\s+INTO|DELETE\s+FROM|UPDATE(?:\s+OR\s+\w+)?|TRUNCATE(?:\s+TABLE)?)"
    rf"\s+(?:ONLY\s+)?({NAME})",
    re.IGNORECASE,
)
CALLED = re.compile(r"""\b(\w+)["`]?\s*\(|\bCALL\s+(?:[\w"`]+\.)?["`]?(\w+)""", re.IGNORECASE)
# A statement that is put together when it runs.
DYNAMIC = re.compile(r"\b(?:EXECUTE|PREPARE)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Effect:
    """When this table is changed, the database changes another one."""

    changed: str
    # "any" change, "delete", or "update" of one of the columns; of any column if none is named.
    after: str
    columns: frozenset[str] = frozenset()
    # Its rows go.
    removes: bool = False

    def follows(self, removes: bool, sets: Collection[str] | None) -> bool:
        """`sets`: the columns that are changed, if that is known."""
        if self.after == "any":
            return True
        if self.after == "delete":
            return removes
        return not self.columns or sets is None or not self.columns.isdisjoint(sets)


@dataclass(frozen=True)
class Effects:
    """The effects in one database, by the table that is changed."""

    by_table: Mapping[str, Sequence[Effect]] = field(default_factory=dict)
    # For each table, those that have some of its rows too.
    same_rows: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # By names in lower case, what functions and procedures change.
    routines: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # The tables that somebody wants to know of.
    known: frozenset[str] = frozenset()

    def of(self, statement: Statement) -> set[str]:
        """The tables that the database changes by itself."""
        found: set[str] = set()
        if not self.by_table and not self.same_rows:
            return found
        # Neither INSERT nor DELETE changes what others refer to.
        sets = (statement.change and statement.change.sets) or ()
        for table in statement.changes:
            # The database knows a view in small letters, whatever was written.
            is_known = table in self.by_table or table in self.same_rows
            name = table if is_known else table.lower()
            self._add(name, statement.removes, None if table in statement.written else sets, found, set())
        return found & self.known

    def called(self, text: str) -> set[str]:
        """The tables that the functions change that a statement calls."""
        found: set[str] = set()
        if self.routines:
            for name in names_called(text) & self.routines.keys():
                for table in self.routines[name]:
                    found.add(table)
                    self._add(table, True, None, found, set())
        return found & self.known

    def _add(
        self, table: str, removes: bool, sets: Collection[str] | None, found: set[str], seen: set[tuple[str, bool]]
    ) -> None:
        if (table, removes) in seen:
            return
        seen.add((table, removes))
        for one in (table, *self.same_rows.get(table, ())):
            if one != table:
                found.add(one)
            for effect in self.by_table.get(one, ()):
                if effect.follows(removes, sets):
                    found.add(effect.changed)
                    self._add(effect.changed, effect.removes, None, found, seen)


def ask_for(vendor: str, ask: Ask, schema: Collection[str]) -> Effects:
    """What the database of this vendor does by itself; nothing is known of others."""
    if vendor not in REFERENCES:
        return Effects()
    lower = {name.lower(): name for name in schema}
    found: dict[str, list[Effect]] = {}
    functions = texts_by_name(ask(FUNCTIONS[vendor]) if vendor in FUNCTIONS else ())
    references = of_references(ask(REFERENCES[vendor]))
    triggers = of_triggers(ask(TRIGGERS[vendor]), functions, lower)
    views = of_views(ask(VIEWS[vendor]) if vendor in VIEWS else (), lower)
    for table, effect in (*references, *triggers, *views):
        named = Effect(own(effect.changed, lower), effect.after, effect.columns, effect.removes)
        found.setdefault(own(table, lower), []).append(named)
    parts = [(own(one, lower), own(part, lower)) for one, part in ask(PARTS[vendor])] if vendor in PARTS else []
    routines = {name.lower(): changed_by(text, functions, lower) for name, text in functions.items()}
    routines = {name: tables for name, tables in routines.items() if tables}
    return Effects(found, related(parts), routines, frozenset(schema))


@lru_cache(maxsize=2048)
def names_called(text: str) -> frozenset[str]:
    """What stands before brackets, or behind CALL, in lower case."""
    return frozenset(name.lower() for found in CALLED.findall(text) for name in found if name)


def own(name: str, lower: Mapping[str, str]) -> str:
    """The name of a table as statements have it."""
    return lower.get(name.lower(), name)


def texts_by_name(rows: Iterable[Sequence[Any]]) -> dict[str, str]:
    """Several functions may have one name."""
    found: dict[str, str] = {}
    for name, text in rows:
        found[str(name)] = f"{found.get(str(name), '')} {text}"
    return found


def related(parts: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """For each table, those above and below it."""
    up: dict[str, set[str]] = {}
    down: dict[str, set[str]] = {}
    for one, part in parts:
        up.setdefault(part, set()).add(one)
        down.setdefault(one, set()).add(part)

    def reached(table: str, ways: Mapping[str, set[str]]) -> set[str]:
        found, last = set[str](), {table}
        while last:
            last = {other for one in last for other in ways.get(one, ())} - found
            found |= last
        return found

    return {table: frozenset(reached(table, up) | reached(table, down)) for table in up.keys() | down.keys()}


def of_references(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, Effect]]:
    for table, refers, on_delete, on_update, columns in rows:
        if on_delete in ACTS:
            yield table, Effect(refers, "delete", removes=on_delete in CASCADES)
        if on_update in ACTS:
            named = [columns] if isinstance(columns, str) else columns or ()
            yield table, Effect(refers, "update", frozenset(named))


def of_triggers(
    rows: Iterable[Sequence[Any]], functions: Mapping[str, str], lower: Mapping[str, str]
) -> Iterator[tuple[str, Effect]]:
    for table, text, given in rows:
        for name in changed_by(str(text), functions, lower, str(given or "")):
            yield table, Effect(name, "any", removes=True)


def of_views(rows: Iterable[Sequence[Any]], lower: Mapping[str, str]) -> Iterator[tuple[str, Effect]]:
    for view, table, query in rows:
        for name in [table] if table else tables_named(str(query), lower.values()):
            yield view, Effect(name, "any", removes=True)


def changed_by(text: str, functions: Mapping[str, str], lower: Mapping[str, str], given: str = "") -> frozenset[str]:
    """The tables that a text names as changed, and those that what it calls does."""
    every = " ".join(texts(text, functions))
    names = {own(plain(name), lower) for name in WRITTEN.findall(every)}
    if DYNAMIC.search(every):
        names |= tables_named(f"{every} {given}".replace("\\000", " "), lower.values())
    return frozenset(names)


def texts(text: str, functions: Mapping[str, str]) -> list[str]:
    """What a trigger runs, and what that calls, all the way down."""
    found, called = [text], set[str]()
    for one in found:
        for name in set(re.findall(r"\w+", one)) & functions.keys() - called:
            called.add(name)
            found.append(functions[name])
    return found


def plain(name: str) -> str:
    """The last part of a name with dots, without quotes."""
    return re.split(r"\.(?=[^\"`\]]*(?:[\"`\[]|$))", name)[-1].strip('"`[]')
