"""Names of tags: what a page was made from, and what a change touches.

`shop.article`         every query about the table that is not about single rows
`shop.article:7`       the row with this primary key, present or not
`shop.article:slug=x`  the rows whose `slug` is `x`, present or not
`shop.article:*`       any row: what a page about single rows has too, for changes whose rows nobody knows
`cms.page:in=0001`     the nodes of a tree whose parent has this path
`cms.page:under=0001`  the node of a tree with this path, and all nodes below it
`cms.page:leaf=7`      whether the node with this primary key has children at all
`shop.article:quiet=7` the columns of this row that pages seldom show, read from the row itself
`shop.article:+`       what a page has that asked for rows by primary key, for new rows whose keys nobody knows
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote

# What one reply may have, and one tag: Weir stores no page with more (256), and field lines have a limit of 32 KiB.
MAX_TAGS = 200
MAX_BYTES = 8000
MAX_VALUE = 40
# The columns of any row that pages seldom show.
ANY_QUIET = "quiet=*"
# Every change purges it: the tag of a page that read from more tables than a reply can name.
EVERYTHING = "weir:any"


def row(label: str, field: str | None, value: object) -> str:
    """The tag of the rows whose `field` has this value; of the primary key if `field` is None."""
    text = normal(value)
    return f"{label}:{text}" if field is None else f"{label}:{field}={text}"


def as_kind(value: object, kind: str) -> object:
    """The value as a column of this kind compares it; None if it would not compare it as it is."""
    if kind == "int":
        return int(value) if isinstance(value, int) else None
    if kind == "uuid":
        text = str(value).replace("-", "").lower()
        return text if len(text) == 32 else None
    return value if isinstance(value, str) else None


def any_row(label: str) -> str:
    return f"{label}:*"


def new_key(label: str) -> str:
    return f"{label}:+"


def children(label: str, path: str) -> str:
    return f"{label}:in={normal(path)}"


def below(label: str, path: str) -> str:
    return f"{label}:under={normal(path)}"


def quiet(label: str, pk: object) -> str:
    """The tag of the quiet columns of one row; of any row, for queries that name them, if `pk` is None."""
    return f"{label}:{ANY_QUIET}" if pk is None else row(label, "quiet", pk)


def leaf(label: str, pk: object) -> str:
    """The tag of whether a node of a tree has children."""
    return row(label, "leaf", pk)


def normal(value: object) -> str:
    """One text for all values that some database takes for equal: case, accents and blanks at the end do not count.

    Two values with one text cost a purge too many, never one too few.
    """
    if type(value) is int:
        return str(value)
    # Not `str`: to a member of an Enum that is its name.
    text = str.__str__(value) if isinstance(value, str) else str(value)
    text = unicodedata.normalize("NFKD", text.rstrip())
    text = "".join(char for char in text if not unicodedata.combining(char)).casefold()
    plain = quote(text, safe="", errors="surrogatepass")
    if len(plain) <= MAX_VALUE and plain:
        return plain
    return "~" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def table_of(tag: str) -> str:
    """The label in a tag, or the tag itself if it has none of ours."""
    return tag.partition(":")[0]


def coarser(tags: set[str], most: int) -> set[str]:
    """What a change touches, or the tables of it if that is too much to remember."""
    if len(tags) <= most:
        return tags
    return {tag for label in set(map(table_of, tags)) for tag in (label, any_row(label), new_key(label))}


def fit(tags: Iterable[str]) -> list[str]:
    """The same tags, or coarser ones if a reply cannot hold them: fewer, never none."""
    chosen = set(tags)
    while len(chosen) > MAX_TAGS or sum(map(len, chosen)) + len(chosen) > MAX_BYTES:
        by_table: dict[str, int] = {}
        for tag in chosen:
            label, colon, rest = tag.partition(":")
            if colon and rest not in ("*", "+", ANY_QUIET) and label != "weir":
                by_table[label] = by_table.get(label, 0) + 1
        if not by_table:
            return [EVERYTHING]
        largest = max(by_table, key=lambda label: (by_table[label], label))
        dropped = {tag.partition(":")[2] for tag in chosen if table_of(tag) == largest}
        chosen = {tag for tag in chosen if table_of(tag) != largest} | {largest, any_row(largest), new_key(largest)}
        if any(rest.startswith(("quiet=", "leaf=")) for rest in dropped):
            # A change of nothing but quiet columns purges this one, and none of the others.
            chosen.add(quiet(largest, None))
    return sorted(chosen)
