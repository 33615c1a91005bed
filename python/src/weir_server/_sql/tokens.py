"""The words of SQL, those in brackets as groups."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from weir_server._sql.statement import Value


@dataclass(frozen=True)
class Token:
    # "name", "quoted", "string", "number", "parameter", "named", "numbered", "sign", "group"
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
    |(?P<numbered>\$\d+)
    |(?P<number>\d+(?:\.\d+)?\b)
    |(?P<name>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)
    |(?P<sign><=|>=|<>|!=|::|\|\||->>|->|%%|.)""",
    re.VERBOSE | re.DOTALL,
)


# The mark of drivers that number their parameters: $1, $2.
NUMBERED = "$"
# A cast to these compares as the value itself does.
PLAIN_CASTS = ("INTEGER", "BIGINT", "SMALLINT", "VARCHAR", "TEXT", "UUID")
# What may stand where a table is expected, before its name.
BEFORE_TABLES = ("OR", "ONLY", "LOW_PRIORITY", "IGNORE", "QUICK")


class NotRead(Exception):
    """A statement that this reader cannot read."""


def tokens(sql: str, mark: str) -> tuple[list[Token], int]:
    """The tokens of a text, those in brackets as groups; and the number of parameters."""
    stack: list[list[Token]] = [[]]
    opened: list[Token] = []
    count = 0
    for match in TOKEN.finditer(sql):
        kind, text, at = match.lastgroup or "sign", match.group(), match.start()
        if kind == "blank":
            continue
        if (kind == "parameter" and text != mark) or (kind == "numbered" and mark != NUMBERED):
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


def value_of(parts: Sequence[Token]) -> Value | None:
    """A parameter or a literal; None for an expression."""
    if len(parts) == 3 and parts[1].text == "::" and parts[2].is_word(*PLAIN_CASTS):
        parts = parts[:1]
    if len(parts) != 1:
        return None
    token = parts[0]
    if token.kind == "parameter":
        return Value(token.parameter)
    if token.kind == "numbered":
        return Value(int(token.text[1:]) - 1)
    if token.kind == "named":
        return Value(token.text.removeprefix("%(").removesuffix(")s").removeprefix(":"))
    if token.kind == "number" and token.text.isdigit():
        return Value(None, int(token.text))
    if token.kind == "string":
        return Value(None, token.text[1:-1].replace("''", "'"))
    return None


def renumbered(sql: str) -> tuple[str, tuple[int, ...]]:
    """A part of a statement with numbered parameters, numbered from one again; and their places before."""
    places: list[int] = []
    pieces: list[str] = []
    for match in TOKEN.finditer(sql):
        text = match.group()
        if match.lastgroup == "numbered":
            place = int(text[1:]) - 1
            if place not in places:
                places.append(place)
            text = f"${places.index(place) + 1}"
        pieces.append(text)
    return "".join(pieces), tuple(places)
