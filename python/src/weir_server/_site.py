"""What the twins for Flask and ASGI share: their settings, what a page has read, and what a change has purged."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from weir_server import _tags, _threads
from weir_server._admin import Admin, Outcome, usual_addresses, write_down
from weir_server._sender import Sender, Ticket, drain_at_exit
from weir_server._values import Keys, Places
from weir_server._work import Work

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from sqlalchemy.engine import Engine

    from weir_server._sqlalchemy import Watch

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

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.began = time.time()
        self.timed = False
        self.tickets: list[Ticket] = []
        self.marks: list[Mark] = []
        self.places = Places()
        self.work = Work()
        # It shows what the visitor's cookie says.
        self.varies = False
        # It is answered: what a thread or task does that outlives it is for no reply.
        self.ended = False


visiting: ContextVar[Visit | None] = ContextVar("weir_visit", default=None)


def current() -> Visit | None:
    """The request that is being answered."""
    visit = visiting.get()
    return None if visit is None or visit.ended else visit


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
        self.sender = Sender(Admin(self.named or self.addresses, given.get("TOKEN_FILE")), sure=named is not None)
        drain_at_exit(self.sender)
        carry_into_threads()
        self.keys = Keys(given.get("VALUES_KEY_FILE"))

    def addresses(self) -> Sequence[str]:
        return self.named or usual_addresses(self.database)

    def watch(self, engine: "Engine", metadata: "MetaData") -> "Watch":
        """Watches what goes through an engine of SQLAlchemy."""
        from weir_server._sqlalchemy import Watch

        self.database = str(engine.url.set(username=None, password=None))
        if engine.url.get_backend_name() == "sqlite":
            self.database = str(Path(engine.url.database or "").resolve())
        if not self.named:
            write_down(self.database)
        return Watch(engine, metadata, self.note, self.deliver, self.worked, self.began)

    def began(self) -> float:
        """When the page that is being made was begun."""
        visit = current()
        return visit.began if visit is not None else time.time()

    def worked(self, seconds: float) -> None:
        """The request that is being answered has asked a database, which took this long."""
        visit = current()
        if visit is not None:
            visit.work.add(seconds)

    def note(self, tags: set[str], timed: bool) -> None:
        """The page that is being made, if one is, has read this."""
        visit = current()
        if visit is not None:
            visit.tags |= tags
            visit.timed = visit.timed or timed

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
        # What a streamed body reads is read later. Files are streamed too, and have a length.
        tags = _tags.fit(visit.tags) if whole or "Content-Length" in fields else [_tags.EVERYTHING]
        if len(fields.get(TAGS, "").split()) + len(tags) > _tags.MAX_TAGS:
            tags = [_tags.EVERYTHING]
        add_tags(fields, tags)
        spoken = any(name in fields for name in SPOKEN)
        can_purge = not self.purges or self.sender.admin.is_there()
        if self.ttl is not None and can_purge and status == 200 and whole and not spoken and not visit.timed:
            fields[CONTROL] = f"max-age={self.ttl}"

    def wait(self, visit: Visit) -> str:
        """Waits until the purges of a change are over everywhere. The value of a field that says whether they are."""
        deadline = time.monotonic() + self.most
        outcomes = [ticket.wait(max(0.0, deadline - time.monotonic())) for ticket in visit.tickets]
        done = all(outcome is not None and outcome.complete for outcome in outcomes)
        return "complete" if done else f"not complete within {self.most:g} s"


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
