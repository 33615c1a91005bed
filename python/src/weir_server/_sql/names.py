"""Finds what a statement reads from by the places of names, in statements that are not read further."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from weir_server._sql.queries import ENDS_FROM, SET_OPERATIONS
from weir_server._sql.tokens import NotRead, Token, is_name, plain, tokens

BEFORE_NAMES = ("ONLY", "LATERAL")
# What databases bring that makes rows of nothing but its arguments. Another function may read anything.
ROWS_OF_ARGUMENTS = re.compile(
    r"UNNEST|GENERATE_(?:SERIES|SUBSCRIPTS)|REGEXP_(?:MATCHES|SPLIT_TO_TABLE)|STRING_TO_TABLE|XMLTABLE"
    r"|JSONB?_(?:(?:EACH|ARRAY_ELEMENTS)(?:_TEXT)?|TREE|TABLE|OBJECT_KEYS|PATH_QUERY|(?:TO|POPULATE)_RECORD(?:SET)?)",
    re.IGNORECASE,
)


@dataclass
class NamesRead:
    tables: set[str] = field(default_factory=set)
    # A function is read from, or nobody can tell.
    unknown: bool = False


def names_read(sql: str, mark: str) -> NamesRead:
    found = NamesRead()
    try:
        parts, _ = tokens(sql, mark)
    except NotRead:
        found.unknown = True
        return found
    own = set(defined(parts))
    for name, is_call in sources(parts, is_query=True, is_source=False):
        if is_call:
            found.unknown = found.unknown or not ROWS_OF_ARGUMENTS.fullmatch(name)
        elif name.lower() not in own:
            found.tables.add(name)
    return found


def sources(parts: Sequence[Token], *, is_query: bool, is_source: bool) -> Iterator[tuple[str, bool]]:
    """What stands behind FROM and JOIN, however deep, and whether it is a function. `is_query`: a FROM here is one
    of a query, not of EXTRACT and the like. `is_source`: these are the brackets behind a FROM.
    """
    in_list = wanted = is_source
    for at, token in enumerate(parts):
        before = parts[at - 1] if at else None
        if token.is_word("FROM", "JOIN", "STRAIGHT_JOIN"):
            is_one = token.is_word("JOIN", "STRAIGHT_JOIN") or is_query
            wanted = in_list = is_one and not (before is not None and before.is_word("DISTINCT"))
        elif token.text == "," and in_list:
            wanted = True
        elif token.is_word(*ENDS_FROM, *SET_OPERATIONS):
            in_list = wanted = False
        elif token.kind == "group":
            is_inner = bool(token.inside) and token.inside[0].is_word("SELECT", "WITH", "VALUES")
            yield from sources(token.inside, is_query=is_inner, is_source=wanted and not is_inner)
            wanted = False
        elif token.text == "[":
            # A name of SQL Server's, of which only those that are known are found.
            wanted = False
        elif wanted and is_name(token) and not token.is_word(*BEFORE_NAMES):
            after = parts[at + 1] if at + 1 < len(parts) else None
            if after is not None and after.text == ".":
                # Its schema.
                continue
            wanted = False
            yield plain(token), after is not None and after.kind == "group"


def defined(parts: Sequence[Token]) -> Iterator[str]:
    """The names that WITH gives to queries of the statement itself, in lower case."""
    for at, token in enumerate(parts):
        if token.kind == "group":
            yield from defined(token.inside)
        if not is_name(token):
            continue
        rest = list(parts[at + 1 : at + 6])
        if rest and rest[0].kind == "group":
            # Names of its columns.
            rest.pop(0)
        if not rest or not rest[0].is_word("AS"):
            continue
        query = next((one for one in rest[1:] if not one.is_word("NOT", "MATERIALIZED")), None)
        if query is not None and query.kind == "group":
            yield plain(token).lower()
