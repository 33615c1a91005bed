"""Whether Weir stores a reply, and for whom: the rules of `crates/http-cache`, for tests without a running Weir.

`python/tests/test_judge.py` asks a real Weir about the same replies. Where this is not sure, it says "not stored".
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from weir_server._nonces import POLICIES, nonces

# Statuses that Weir stores if the reply names a lifetime, and those that have one without.
UNDERSTOOD = frozenset((200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410, 451))
HAVE_LIFETIME = frozenset((200, 301, 302))
MAX_TAGS, MAX_TAG = 256, 256
# By which form fields and meta elements hold a token.
TOKENS = frozenset(
    "csrfmiddlewaretoken csrf_token csrf-token csrftoken authenticity_token _csrf _csrf_token _token _xsrf xsrf-token"
    " __requestverificationtoken yii_csrf_token".split()
)
TARGETED = ("weir-cache-control", "cdn-cache-control")
DIRECTIVE = re.compile(r'\s*([^\s=,;"]+)(?:=("(?:[^"\\]|\\.)*"|[^\s,;"]*))?(?:;[^,"]*(?:"[^"]*")?)*\s*(?:,|$)')


@dataclass(frozen=True)
class Judged:
    """`reason`: why the reply is not stored, as in `Cache-Status; detail=`; None if it is."""

    reason: str | None = None
    # Those who are signed in get it too.
    shared: bool = False
    # None: as long as the location says.
    ttl: int | None = None


@dataclass
class Directives:
    named: dict[str, list[str | None]] = field(default_factory=dict)
    malformed: bool = False

    def has(self, name: str) -> bool:
        return name in self.named

    @property
    def public(self) -> bool:
        return None in self.named.get("public", ())

    def seconds(self, name: str) -> int | None:
        """None if it is absent, -1 if it makes no sense."""
        if name not in self.named:
            return None
        values = {(value or "").strip('"') for value in self.named[name]}
        value = values.pop()
        return int(value) if not values and value.isascii() and value.isdigit() else -1

    def forbids(self, name: str) -> bool:
        """Whether `private` or `no-cache` is said of the whole reply, not of some of its fields."""
        return any(not (value or "").strip('", ') for value in self.named.get(name, ()))

    def takes_out(self, field_name: str) -> bool:
        lists = [value or "" for name in ("private", "no-cache") for value in self.named.get(name, ())]
        return any(field_name in re.split(r"[\s,]+", value.strip('"').lower()) for value in lists)


class Fields:
    """The fields of a reply, by name in lower case."""

    def __init__(self, given: Iterable[tuple[str, str]]) -> None:
        self.all: dict[str, list[str]] = {}
        for name, value in given:
            self.all.setdefault(name.lower(), []).append(str(value))

    def joined(self, name: str) -> str | None:
        return ", ".join(self.all[name]) if name in self.all else None

    def words(self, name: str) -> list[str]:
        return [word.strip().lower() for word in (self.joined(name) or "").split(",") if word.strip()]


def judge(
    status: int,
    headers: Iterable[tuple[str, str]],
    body: bytes = b"",
    *,
    personal: bool = False,
    authorization: bool = False,
) -> Judged:
    """`personal`: the application saw a cookie that tells visitors apart."""
    fields = Fields(headers)
    if "x-accel-redirect" in fields.all:
        return Judged("x-accel-redirect")
    if essence(fields) == "text/event-stream" or fields.words("x-accel-buffering")[:1] == ["no"]:
        return Judged("streamed")
    directives, targeted = governing(fields)
    reason = forbidden(status, fields, directives)
    if reason:
        return Judged(reason)
    vary = fields.words("vary")
    if "*" in vary:
        return Judged("vary-star")
    shared = (directives.public or (directives.seconds("s-maxage") or -1) >= 0) and "cookie" not in vary
    if authorization and not shared and (not directives.has("must-revalidate") or "cookie" in vary):
        return Judged("authorization")
    if personal and not shared:
        return Judged("personal-cookie")
    ttl = lifetime(status, fields, directives, targeted)
    if isinstance(ttl, str):
        return Judged(ttl)
    if ttl == 0 or directives.forbids("no-cache"):
        # With a validator it is stored, and asked after each time: of no use to the site's visitors.
        return Judged("no-cache" if directives.forbids("no-cache") else "expired")
    reason = too_many_tags(fields) or (None if shared or authorization else holds_own(fields, body))
    return Judged(reason, shared or authorization, ttl)


def governing(fields: Fields) -> tuple[Directives, bool]:
    """The directives of the one field that counts, and whether it is one for caches such as Weir."""
    cache_control = read(fields.joined("cache-control") or "")
    if "x-accel-expires" in fields.all:
        kept = {name: cache_control.named[name] for name in ("public", "s-maxage") if cache_control.has(name)}
        return Directives(kept), False
    for name in TARGETED:
        found = read(fields.joined(name) or "")
        if found.named and not found.malformed:
            return found, True
    return cache_control, False


def read(text: str) -> Directives:
    found, at = Directives(), 0
    while at < len(text):
        match = DIRECTIVE.match(text, at)
        if not match or not match[0]:
            found.malformed = bool(text[at:].strip(" ,"))
            break
        found.named.setdefault(match[1].lower(), []).append(match[2])
        at = match.end()
    return found


def forbidden(status: int, fields: Fields, directives: Directives) -> str | None:
    if status == 206:
        return "partial"
    if status not in UNDERSTOOD:
        return "status"
    if directives.malformed:
        return "invalid-freshness"
    if directives.has("no-store") and not directives.has("must-understand"):
        return "no-store"
    if directives.forbids("private"):
        return "private"
    if "set-cookie" in fields.all and not directives.takes_out("set-cookie"):
        return "set-cookie"
    return None


def lifetime(status: int, fields: Fields, directives: Directives, targeted: bool) -> int | str | None:
    accel = fields.joined("x-accel-expires")
    if accel is not None:
        if not accel.isdigit():
            return "invalid-freshness"
        return int(accel) or "x-accel-expires"
    for name in ("s-maxage", "max-age"):
        seconds = directives.seconds(name)
        if seconds is not None:
            return seconds if seconds >= 0 else "invalid-freshness"
    if not targeted and "expires" in fields.all:
        return expires(fields)
    return None if status in HAVE_LIFETIME else "no-freshness"


def expires(fields: Fields) -> int:
    import time
    from email.utils import parsedate_to_datetime

    try:
        end = parsedate_to_datetime(fields.joined("expires") or "").timestamp()
        date = fields.joined("date")
        begin = parsedate_to_datetime(date).timestamp() if date else time.time()
    except (TypeError, ValueError):
        return 0
    return max(0, int(end - begin))


def too_many_tags(fields: Fields) -> str | None:
    tags = set((fields.joined("surrogate-key") or "").replace(",", " ").split())
    for name in ("cache-tag", "edge-cache-tag"):
        tags |= set(fields.words(name))
    return "too-many-tags" if len(tags) > MAX_TAGS or any(len(tag.encode()) > MAX_TAG for tag in tags) else None


def essence(fields: Fields) -> str:
    return (fields.joined("content-type") or "").partition(";")[0].strip().lower()


def holds_own(fields: Fields, body: bytes) -> str | None:
    """A page with a CSRF token or a nonce is one visitor's, unless that stands in a hole that Weir fills."""
    if essence(fields) not in ("", "text/html", "application/xhtml+xml"):
        return None
    marks = re.findall(r'mark="([^"]+)"', fields.joined("weir-holes") or "")
    policies = (fields.joined(name.lower()) or "" for name in POLICIES)
    if not set(nonces(policies)) <= set(marks):
        return "nonce"
    codings = fields.words("content-encoding")
    if codings and codings not in (["identity"], ["gzip"], ["x-gzip"]):
        return "encoded-body"
    if body.startswith(b"\x1f\x8b"):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return "encoded-body"
    search = Search(marks)
    search.feed(body.decode("utf-8", "replace"))
    return "csrf-token" if search.found else None


class Search(HTMLParser):
    def __init__(self, marks: Sequence[str]) -> None:
        super().__init__()
        self.marks = marks
        self.found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if any(mark in (value or "") for _, value in attrs for mark in self.marks):
            return
        for name, value in attrs:
            text = (value or "").strip().lower()
            is_name = name == "name" and text in TOKENS
            is_header = name in ("hx-headers", "data-hx-headers") and "csrf" in text
            self.found = self.found or is_name or is_header or (name.startswith("data-csrf") and bool(text))

    handle_startendtag = handle_starttag
