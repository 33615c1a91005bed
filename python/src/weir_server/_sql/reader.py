"""Reads a statement of any kind."""

import re
from collections.abc import Iterable
from functools import lru_cache

from weir_server._sql.changes import ChangeReader
from weir_server._sql.names import names_read
from weir_server._sql.schema import Schema
from weir_server._sql.statement import Statement
from weir_server._sql.tokens import NotRead

WRITES = ("INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "ALTER", "DROP", "LOAD", "RENAME")
REFRESH = re.compile(
    r"\s*REFRESH\s+MATERIALIZED\s+VIEW\s+(?:CONCURRENTLY\s+)?(?:[\w$\"]+\.)?\"?([\w$]+)", re.IGNORECASE
)
# What other tables that refer to these lose is changed too.
CASCADE = re.compile(r"\s*(?:TRUNCATE|DROP)\b.*\bCASCADE\b", re.IGNORECASE | re.DOTALL)
DEFINES = re.compile(r"\s*(?:CREATE|ALTER|DROP)\s+(?!TEMP)", re.IGNORECASE)
REMOVES = re.compile(r"\b(?:DELETE|REPLACE|MERGE|TRUNCATE|DROP|RENAME)\b", re.IGNORECASE)
# Words such as REPLACE and UPDATE stand in queries too: as a function, as a lock, in a text.
QUERY = re.compile(r"[\s(]*(?:SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE)
NAME = r"""(?:[\w$.]|"[^"]*"|`[^`]*`|\[[^\]]*\])+"""
CHANGE_WITHIN = re.compile(
    rf"\b(?:INTO|DELETE\s+FROM|UPDATE\s+(?:OR\s+\w+\s+)?(?:ONLY\s+)?{NAME}(?:\s+(?:AS\s+)?{NAME})?\s+SET)(?!\w)",
    re.IGNORECASE,
)
COMMENTS_AND_TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'", re.DOTALL)
# What a database says of the time, or of chance; without brackets some names are columns.
CLOCK = re.compile(
    r"""(?<![\w.'"`])(?:CURRENT_(?:TIMESTAMP|DATE|TIME)|LOCALTIME(?:STAMP)?|SYSDATE|SYSTIMESTAMP)(?![\w"`])
    |(?<![\w.])(?:NOW|(?:STATEMENT|CLOCK|TRANSACTION|UTC|UNIX)_TIMESTAMP|TIMEOFDAY|CUR(?:DATE|TIME)|UTC_(?:DATE|TIME)
        |GET(?:UTC)?DATE|SYS(?:UTC)?DATETIME|RAND(?:OM)?|NEWID)\s*\(
    |(?<![\w.])(?:DATE|TIME|DATETIME|JULIANDAY|UNIXEPOCH)\s*\(\s*\)
    |(?<![\w.])AGE\s*\([^,()]*\)|DBMS_RANDOM
    |'(?:now|today|tomorrow|yesterday)'""",
    re.IGNORECASE | re.VERBOSE,
)
# It takes a part out of a date, such as the day: perhaps to compare it with today's.
CALENDAR = re.compile(r"(?:_EXTRACT|\bEXTRACT|\bDATE_PART|\bSTRFTIME|\bTO_CHAR|\bDATE_FORMAT)\s*\(", re.IGNORECASE)
TRANSACTION = {"BEGIN": "begin", "START": "begin", "COMMIT": "commit", "END": "commit", "ROLLBACK": "rollback"}
HARMLESS = ("SAVEPOINT", "RELEASE", "SET", "PRAGMA", "SHOW")


def read(sql: str, schema: Schema, mark: str = "%s") -> Statement:
    """`mark` stands for a parameter."""
    try:
        found = StatementReader(sql, schema, mark).statement()
    except (NotRead, IndexError, RecursionError):
        found = _roughly(sql, schema, mark)
    found.asks_clock = CLOCK.search(sql) is not None
    found.asks_calendar = CALENDAR.search(sql) is not None
    found.defines = DEFINES.match(sql) is not None
    return found


def _roughly(sql: str, schema: Schema, mark: str) -> Statement:
    """Every known table that is named anywhere in it, in full; and what else it reads from, such as a view."""
    found = Statement()
    read_from = names_read(sql, mark)
    known = {name.lower() for name in schema}
    others = {name for name in read_from.tables if name.lower() not in known}
    found.tables = tables_named(sql, schema) | others
    # A function may read anything.
    found.unknown = not found.tables or read_from.unknown
    refreshed = REFRESH.match(sql)
    if refreshed:
        found.written = {refreshed[1]}
        return found
    if CASCADE.match(sql):
        found.written = set(schema)
    elif may_write(sql):
        found.written = set(found.tables)
    found.may_remove = bool(found.written) and REMOVES.search(sql) is not None
    return found


def may_write(sql: str) -> bool:
    # What a backslash means depends on the database: a text with one may end elsewhere.
    plain = sql if "\\" in sql else COMMENTS_AND_TEXTS.sub(" ", sql)
    if QUERY.match(plain):
        return CHANGE_WITHIN.search(plain) is not None
    return re.search(rf"\b(?:{'|'.join(WRITES)})\b", sql, re.IGNORECASE) is not None


def tables_named(sql: str, schema: Iterable[str]) -> set[str]:
    """All tables whose names stand anywhere in it; names in quotes may hold dots and blanks."""
    names = {name.lower() for name in re.findall(r"[\w$]+", sql)}
    names |= {name.lower() for name in re.findall(r'(?<=["`\[])[^"`\]]+(?=["`\]])', sql)}
    return {table for table in schema if table.lower() in names}


class StatementReader(ChangeReader):
    """A statement of any kind."""

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
        elif first.is_word(*TRANSACTION):
            self.found.transaction = "" if self.has_word("TO") else TRANSACTION[first.text.upper()]
        elif self.has_word(*WRITES) or not (
            first.is_word(*HARMLESS) or (first.is_word("CREATE") and not self.has_word("SELECT"))
        ):
            raise NotRead(f"a statement that begins with {first.text}")
        return self.found

    def has_word(self, *words: str) -> bool:
        return any(token.is_word(*words) for token in self.tokens)


class Statements:
    """Statements by their texts, each read once."""

    def __init__(self, schema: Schema, mark: str = "%s", size: int = 2048) -> None:
        self.schema = schema
        self.read = lru_cache(maxsize=size)(lambda sql: read(sql, schema, mark))
