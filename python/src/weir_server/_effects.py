"""What a database changes by itself when a table is changed: rows that refer to those that go, and what triggers write.

No statement names these tables, so each process asks its database once, before its first change.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weir_server._sql import Statement, tables_named

# Asks the database, below whatever watches it.
Ask = Callable[[str], list[Sequence[Any]]]

# The rules of a constraint by which the database changes the rows that refer: "c", "n" and "d" are PostgreSQL's.
ACTS = frozenset(("c", "n", "d", "CASCADE", "SET NULL", "SET DEFAULT"))
CASCADES = frozenset(("c", "CASCADE"))
RULES = "('CASCADE', 'SET NULL', 'SET DEFAULT')"

# For each vendor, the constraints: the table that is referred to, the one that refers, what becomes of the latter's
# rows after DELETE and UPDATE, and the columns that are referred to.
REFERENCES = {
    "postgresql": """
        SELECT DISTINCT t.relname::text, r.relname::text, c.confdeltype::text, c.confupdtype::text, ARRAY(
            SELECT a.attname::text FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey))
        FROM pg_catalog.pg_constraint c
        JOIN pg_catalog.pg_class t ON t.oid = c.confrelid JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
        WHERE c.contype = 'f' AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))""",
    "sqlite": f"""
        SELECT DISTINCT p."table", m.name, p.on_delete, p.on_update, p."to"
        FROM sqlite_master m, pragma_foreign_key_list(m.name) p
        WHERE m.type = 'table' AND (p.on_delete IN {RULES} OR p.on_update IN {RULES})""",
    "mysql": f"""
        SELECT REFERENCED_TABLE_NAME, TABLE_NAME, DELETE_RULE, UPDATE_RULE, NULL
        FROM information_schema.REFERENTIAL_CONSTRAINTS
        WHERE CONSTRAINT_SCHEMA = DATABASE() AND (DELETE_RULE IN {RULES} OR UPDATE_RULE IN {RULES})""",
}
# The triggers: the table, what runs, and what it is given.
TRIGGERS = {
    "postgresql": """
        SELECT DISTINCT c.relname::text, p.prosrc::text, encode(g.tgargs, 'escape')
        FROM pg_catalog.pg_trigger g
        JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
        WHERE NOT g.tgisinternal""",
    "sqlite": "SELECT tbl_name, sql, '' FROM sqlite_master WHERE type = 'trigger'",
    "mysql": """
        SELECT EVENT_OBJECT_TABLE, ACTION_STATEMENT, '' FROM information_schema.TRIGGERS
        WHERE TRIGGER_SCHEMA = DATABASE()""",
}
# The functions that triggers may call, and their texts.
FUNCTIONS = {
    "postgresql": """
        SELECT p.proname::text, p.prosrc::text
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE l.lanname NOT IN ('c', 'internal')""",
    "mysql": """
        SELECT ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES
        WHERE ROUTINE_SCHEMA = DATABASE()""",
}
NAME = r"""(?:[\w$.]|"[^"]*"|`[^`]*`|\[[^\]]*\])+"""
WRITTEN = re.compile(
    r"\b(?:(?:INSERT(?:\s+OR\s+\w+)?|REPLACE|MERGE)\s+INTO|DELETE\s+FROM|UPDATE(?:\s+OR\s+\w+)?|TRUNCATE(?:\s+TABLE)?)"
    rf"\s+(?:ONLY\s+)?({NAME})",
    re.IGNORECASE,
)
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

    def of(self, statement: Statement) -> set[str]:
        """The tables that the database changes by itself."""
        found: set[str] = set()
        if not self.by_table:
            return found
        # Neither INSERT nor DELETE changes what others refer to.
        sets = (statement.change and statement.change.sets) or ()
        for table in statement.changes:
            self._add(table, statement.removes, None if table in statement.written else sets, found, set())
        return found

    def _add(
        self, table: str, removes: bool, sets: Collection[str] | None, found: set[str], seen: set[tuple[str, bool]]
    ) -> None:
        if (table, removes) in seen:
            return
        seen.add((table, removes))
        for effect in self.by_table.get(table, ()):
            if effect.follows(removes, sets):
                found.add(effect.changed)
                self._add(effect.changed, effect.removes, None, found, seen)


def ask_for(vendor: str, ask: Ask, schema: Collection[str]) -> Effects:
    """What the database of this vendor does by itself; nothing is known of others."""
    if vendor not in REFERENCES:
        return Effects()
    lower = {name.lower(): name for name in schema}
    found: dict[str, list[Effect]] = {}
    for table, effect in [*of_references(ask(REFERENCES[vendor])), *of_triggers(vendor, ask, lower)]:
        known = lower.get(effect.changed.lower())
        if known is not None:
            named = Effect(known, effect.after, effect.columns, effect.removes)
            found.setdefault(lower.get(table.lower(), table), []).append(named)
    return Effects(found)


def of_references(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, Effect]]:
    for table, refers, on_delete, on_update, columns in rows:
        if on_delete in ACTS:
            yield table, Effect(refers, "delete", removes=on_delete in CASCADES)
        if on_update in ACTS:
            named = [columns] if isinstance(columns, str) else columns or ()
            yield table, Effect(refers, "update", frozenset(named))


def of_triggers(vendor: str, ask: Ask, lower: Mapping[str, str]) -> Iterator[tuple[str, Effect]]:
    triggers = ask(TRIGGERS[vendor])
    asked = ask(FUNCTIONS[vendor]) if triggers and vendor in FUNCTIONS else []
    functions = {str(name): str(text) for name, text in asked}
    for table, text, given in triggers:
        every = " ".join(texts(str(text), functions))
        names = {plain(name) for name in WRITTEN.findall(every)}
        if DYNAMIC.search(every):
            names |= tables_named(f"{every} {given or ''}".replace("\\000", " "), lower.values())
        for name in names:
            yield table, Effect(name, "any", removes=True)


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
