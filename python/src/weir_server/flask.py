"""Weir for Flask: tags by hand and from SQLAlchemy, decorators, purges.

    weir = Weir(app, engine=db.engine, metadata=db.metadata)

`app.config["WEIR"]` may have TTL, ADMIN, TOKEN_FILE, WAIT and PURGE, as for Django (docs/python.md).
"""

import re
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response, after_this_request, g, request
from sqlalchemy import MetaData
from sqlalchemy.engine import Engine

from weir_server import _tags
from weir_server._admin import Admin, Outcome, usual_addresses
from weir_server._sender import Sender, Ticket, drain_at_exit
from weir_server._sqlalchemy import Watch, tag

__all__ = ["Weir", "private", "shared", "tag"]

P = ParamSpec("P")
R = TypeVar("R")

CONTROL, TAGS, PURGE = "Weir-Cache-Control", "Surrogate-Key", "Weir-Purge"
# Fields by which a page has spoken about its own lifetime.
SPOKEN = (CONTROL, "Cache-Control", "CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires", "Expires")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
KNOWN = {"TTL", "ADMIN", "TOKEN_FILE", "WAIT", "PURGE"}


class Visit:
    """What one request reads and purges."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.timed = False
        self.tickets: list[Ticket] = []


_visit: ContextVar[Visit | None] = ContextVar("weir_visit", default=None)


class Weir:
    """The extension. Without an engine, tags are those that views name."""

    def __init__(
        self, app: Flask | None = None, *, engine: Engine | None = None, metadata: MetaData | None = None
    ) -> None:
        self.conf: dict[str, Any] = {}
        if app is not None:
            self.init_app(app, engine=engine, metadata=metadata)

    def init_app(self, app: Flask, *, engine: Engine | None = None, metadata: MetaData | None = None) -> None:
        self.conf = dict(app.config.get("WEIR", {}))
        wrong = sorted(set(self.conf) - KNOWN)
        if wrong:
            raise ValueError(f"WEIR has no key {wrong[0]!r}; known keys: {', '.join(sorted(KNOWN))}")
        addresses = self.conf.get("ADMIN") or usual_addresses()
        addresses = (addresses,) if isinstance(addresses, str) else tuple(addresses)
        self.sender = Sender(Admin(addresses, self.conf.get("TOKEN_FILE")), sure="ADMIN" in self.conf)
        drain_at_exit(self.sender)
        # First of all, and last: what other hooks read counts too.
        app.before_request_funcs.setdefault(None, []).insert(0, self.begin)
        app.after_request_funcs.setdefault(None, []).insert(0, self.finish)
        app.teardown_request(self.end)
        if engine is not None:
            if metadata is None:
                raise ValueError("name the tables too: metadata=db.metadata")
            self.watch = Watch(engine, metadata, self.note, self.deliver)

    def begin(self) -> None:
        g.weir_visit = Visit()
        g.weir_token = _visit.set(g.weir_visit)

    def end(self, _: BaseException | None = None) -> None:
        token = g.pop("weir_token", None)
        if token is not None:
            _visit.reset(token)

    def finish(self, response: Response) -> Response:
        visit: Visit = g.weir_visit
        if request.method not in ("GET", "HEAD"):
            if visit.tickets:
                self.wait(visit, response)
            return response
        tags = _tags.fit(visit.tags)
        if len(response.headers.get(TAGS, "").split()) + len(tags) > _tags.MAX_TAGS:
            tags = [_tags.EVERYTHING]
        add_tags(response, tags)
        ttl = seconds(self.conf.get("TTL"))
        spoken = any(name in response.headers for name in (*SPOKEN, "Set-Cookie"))
        if ttl is not None and response.status_code == 200 and not (spoken or response.is_streamed or visit.timed):
            response.headers[CONTROL] = f"max-age={ttl}"
        return response

    def wait(self, visit: Visit, response: Response) -> None:
        """The page behind the redirect is then the new one, at every edge. Says so in a field."""
        most = float(self.conf.get("WAIT", 1.0))
        deadline = time.monotonic() + most
        outcomes = [ticket.wait(max(0.0, deadline - time.monotonic())) for ticket in visit.tickets]
        done = all(outcome is not None and outcome.complete for outcome in outcomes)
        response.headers[PURGE] = "complete" if done else f"not complete within {most:g} s"

    def note(self, tags: set[str], timed: bool) -> None:
        visit = _visit.get()
        if visit is not None:
            visit.tags |= tags
            visit.timed = visit.timed or timed

    def deliver(self, tags: set[str]) -> None:
        if not self.conf.get("PURGE", True):
            return
        ticket = self.sender.send({*tags, _tags.EVERYTHING})
        visit = _visit.get()
        if visit is not None:
            visit.tickets.append(ticket)

    def purge(
        self, *, tags: Iterable[Any] = (), urls: Iterable[str] = (), prefixes: Iterable[str] = (), soft: bool = False
    ) -> Outcome:
        """Returns when it is over everywhere, or says who is missing."""
        names = [tag(one) for one in tags]
        return self.sender.admin.purge(tags=names, urls=urls, prefixes=prefixes, soft=soft)


def shared(
    ttl: int | str = "1d", swr: int | str | None = None, tags: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The pages of this view are for everyone, for this long: those who are signed in get them too."""
    control = f"public, s-maxage={seconds(ttl)}"
    if swr is not None:
        control += f", stale-while-revalidate={seconds(swr)}"
    names = tuple(tags)

    def mark(response: Response) -> Response:
        if response.status_code < 400:
            response.headers[CONTROL] = control
        add_tags(response, names)
        return response

    return lambda view: marking(view, mark)


def private(view: Callable[P, R]) -> Callable[P, R]:
    """The pages of this view are for one visitor each."""

    def mark(response: Response) -> Response:
        response.headers[CONTROL] = "private"
        response.headers["Cache-Control"] = "private"
        return response

    return marking(view, mark)


def marking(view: Callable[P, R], mark: Callable[[Response], Response]) -> Callable[P, R]:
    @wraps(view)
    def marked(*args: P.args, **more: P.kwargs) -> R:
        after_this_request(mark)
        return view(*args, **more)

    return marked


def add_tags(response: Response, tags: Iterable[str]) -> None:
    every = dict.fromkeys([*response.headers.get(TAGS, "").split(), *tags])
    if every:
        response.headers[TAGS] = " ".join(every)


def seconds(text: object) -> int | None:
    if text is None or isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+)([smhdw]?)", str(text))
    if not match:
        raise ValueError(f"{text!r} is not a time: write seconds, or 10m, 12h, 1d")
    return int(match[1]) * UNITS[match[2]]
