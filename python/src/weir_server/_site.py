"""What the twins for Flask and ASGI share: their settings, what a page has read, and what a change has purged."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from weir_server import _accepts, _caches, _tags, _threads, _where
from weir_server._admin import Admin, Outcome
from weir_server._asker import Asker, asker
from weir_server._reads import Hold, to_midnight
from weir_server._sender import Sender, Ticket, drain_at_exit
from weir_server._values import Keys, Places
from weir_server._where import usual_addresses
from weir_server._work import ACTED, LEAD_ON, Work

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from sqlalchemy.engine import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from weir_server._sqlalchemy import Watch

    Engines = Engine | AsyncEngine | Iterable[Engine | AsyncEngine]

CONTROL, TAGS, PURGE = "Weir-Cache-Control", "Surrogate-Key", "Weir-Purge"
# Fields by which a page has spoken about its own lifetime, or is one visitor's.
SPOKEN = (
    CONTROL,
    "Cache-Control",
    "CDN-Cache-Control",
    "Surrogate-Control",
    "X-Accel-Expires",
    "Expires",
    "Set-Cookie",
)
READS = ("GET", "HEAD")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
KNOWN = {"TTL", "ADMIN", "TOKEN_FILE", "WAIT", "PURGE", "VIEWS", "VALUES_KEY_FILE"}


class Fields(Protocol):
    """The fields of a reply, by names in any case."""

    def __contains__(self, name: str, /) -> bool: ...

    def get(self, name: str, default: str, /) -> str: ...

    def __setitem__(self, name: str, value: str, /) -> None: ...


# What a decorator does with the reply of its view: the fields, and the status.
Mark = Callable[[Fields, int], None]


class Visit:
    """What one request reads and purges, and what its view says of the page."""

    def __init__(self, asker: Asker | None = None) -> None:
        self.asker = asker
        self.tags: set[str] = set()
        self.began = time.time()
        self.hold = Hold.LONG
        self.tickets: list[Ticket] = []
        self.marks: list[Mark] = []
        self.places = Places()
        self.work = Work()
        # It shows what the visitor's cookie says.
        self.varies = False
        # The fields of the request, in lower case, by which its view may have chosen the page.
        self.accepts: set[str] = set()
        # It is answered: what a thread or task does that outlives it is for no reply.
        self.ended = False


visiting: ContextVar[Visit | None] = ContextVar("weir_visit", default=None)


def current() -> Visit | None:
    """The request that is being answered."""
    visit = visiting.get()
    return None if visit is None or visit.ended else visit


def note_cache() -> None:
    """The page that is being made, if one is, has read from a cache of the application's own."""
    visit = current()
    if visit is not None:
        # Any change may show in it.
        visit.tags.add(_tags.EVERYTHING)
        visit.hold = Hold.SHORT


def note_accepted(field: str) -> None:
    """The view of the page that is being made, if one is, has looked at this field of the request."""
    visit = current()
    if visit is not None:
        visit.accepts.add(field)


def leave(visit: Visit, token: "Token[Visit | None]") -> None:
    visit.ended = True
    visiting.reset(token)


@cache
def carry_into_threads() -> None:
    def carrier() -> Callable[[], object] | None:
        visit = current()
        return None if visit is None else partial(visiting.set, visit)

    _threads.install(carrier)


class Site:
    """One application: its settings, and the way to its Weir."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        wrong = sorted(set(given) - KNOWN)
        if wrong:
            raise ValueError(f"WEIR has no key {wrong[0]!r}; known keys: {', '.join(sorted(KNOWN))}")
        self.ttl = seconds(given.get("TTL"))
        self.most = float(given.get("WAIT", 1.0))
        self.purges = bool(given.get("PURGE", True))
        self.tells_views = bool(given.get("VIEWS", True))
        named = given.get("ADMIN")
        self.named = (named,) if isinstance(named, str) else named and tuple(named)
        # The address of the database, which other processes change too.
        self.database: str | None = None
        admin = Admin(self.named or self.addresses, given.get("TOKEN_FILE"), self.write_down)
        self.sender = Sender(admin, sure=named is not None)
        drain_at_exit(self.sender)
        carry_into_threads()
        self.keys = Keys(given.get("VALUES_KEY_FILE"))

    def addresses(self) -> Sequence[str]:
        return self.named or usual_addresses(self.database)

    def write_down(self, address: str) -> None:
        """An edge has named it."""
        if self.database is not None:
            _where.write_down(self.database, address)

    def visit(self, field: str | None) -> Visit:
        """A request begins. `field`: what the edge that asks says of itself."""
        _caches.watch(note_cache)
        _accepts.watch(note_accepted)
        visit = Visit(asker(field))
        self.sender.admin.meet(visit.asker)
        return visit

    def watch(self, engines: "Engines", metadata: "MetaData") -> "list[Watch]":
        """Watches what goes through engines of SQLAlchemy. The database of the first is that of the site."""
        from weir_server._sqlalchemy import Watch, watch_others

        given: Iterable[Any] = engines if isinstance(engines, Iterable) else [engines]
        found: list[Engine] = [getattr(engine, "sync_engine", engine) for engine in given]
        if self.database is None:
            self.database = name_of(found[0].url)
            watch_others(self.note, lambda engine: self.adopt(engine, metadata))
            if not self.named:
                _where.write_down_what_was_told(self.database)
        return [Watch(engine, metadata, self.note, self.deliver, self.worked, self.began) for engine in found]

    def adopt(self, engine: "Engine", metadata: "MetaData") -> None:
        """Watches an engine that nobody has named, if it is one of the site's database."""
        is_in_memory = engine.url.get_backend_name() == "sqlite" and engine.url.database in (None, "", ":memory:")
        if not is_in_memory and name_of(engine.url) == self.database:
            self.watch(engine, metadata)

    def began(self) -> float:
        """When the page that is being made was begun."""
        visit = current()
        return visit.began if visit is not None else time.time()

    def worked(self, seconds: float) -> None:
        """The request that is being answered has asked a database, which took this long."""
        visit = current()
        if visit is not None:
            visit.work.add(seconds)

    def note(self, tags: set[str], hold: Hold) -> None:
        """The page that is being made, if one is, has read this."""
        visit = current()
        if visit is not None:
            visit.tags |= tags
            visit.hold = min(visit.hold, hold)

    def deliver(self, tags: set[str]) -> None:
        """A commit has changed this."""
        if not self.purges:
            return
        ticket = self.sender.send({*tags, _tags.EVERYTHING})
        visit = current()
        if visit is not None:
            visit.tickets.append(ticket)

    def purge(self, tags: Iterable[str], urls: Iterable[str], prefixes: Iterable[str], soft: bool) -> Outcome:
        return self.sender.admin.purge(tags=tags, urls=urls, prefixes=prefixes, soft=soft)

    def tell(self, visit: Visit, fields: Fields, status: int, whole: bool) -> None:
        """Gives a page its tags, and its lifetime if they say everything. `whole`: it is not streamed."""
        if visit.tickets:
            fields[ACTED] = "?1"
        # What a streamed body reads is read later. Files are streamed too, and have a length.
        tags = _tags.fit(visit.tags) if whole or "Content-Length" in fields else [_tags.EVERYTHING]
        if len(fields.get(TAGS, "").split()) + len(tags) > _tags.MAX_TAGS:
            tags = [_tags.EVERYTHING]
        add_tags(fields, tags)
        spoken = any(name in fields for name in SPOKEN)
        may_be_kept = status == 200 and whole and not spoken and visit.hold is not Hold.SHORT
        if self.ttl is not None and may_be_kept and (not self.purges or self.sender.admin.reaches(visit.asker)):
            most = to_midnight(time.time(), None) if visit.hold is Hold.DAY else self.ttl
            fields[CONTROL] = f"max-age={min(self.ttl, most)}"

    def must_wait(self, visit: Visit, method: str, status: int) -> bool:
        """Who is led on by a link that changes something sees the change there too."""
        return bool(visit.tickets) and (method not in READS or status in LEAD_ON)

    def wait(self, visit: Visit) -> str:
        """Waits until the purges of a change are over everywhere. The value of a field that says whether they are."""
        deadline = time.monotonic() + self.most
        outcomes = [ticket.wait(max(0.0, deadline - time.monotonic())) for ticket in visit.tickets]
        done = all(outcome is not None and outcome.complete for outcome in outcomes)
        return "complete" if done else f"not complete within {self.most:g} s"


def name_of(database: "URL") -> str:
    if database.get_backend_name() == "sqlite":
        return str(Path(database.database or "").resolve())
    # Another process, or a task, may come with another driver.
    return str(database.set(drivername=database.get_backend_name(), username=None, password=None))


def for_all(ttl: int | str, swr: int | str | None, tags: Iterable[str]) -> Mark:
    control = f"public, s-maxage={seconds(ttl)}"
    if swr is not None:
        control += f", stale-while-revalidate={seconds(swr)}"
    names = tuple(tags)

    def mark(fields: Fields, status: int) -> None:
        if status < 400:
            fields[CONTROL] = control
        add_tags(fields, names)

    return mark


def for_one(fields: Fields, status: int) -> None:
    fields[CONTROL] = "private"
    fields["Cache-Control"] = "private"


def add_tags(fields: Fields, tags: Iterable[str]) -> None:
    every = dict.fromkeys([*fields.get(TAGS, "").split(), *tags])
    if every:
        fields[TAGS] = " ".join(every)


def seconds(text: object) -> int | None:
    if text is None or isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+)([smhdw]?)", str(text))
    if not match:
        raise ValueError(f"{text!r} is not a time: write seconds, or 10m, 12h, 1d")
    return int(match[1]) * UNITS[match[2]]
