"""Weir for Flask: tags by hand and from SQLAlchemy, decorators, purges.

    weir = Weir(app, engine=db.engine, metadata=db.metadata)

`app.config["WEIR"]` may have TTL, ADMIN, TOKEN_FILE, WAIT and PURGE, as for Django (docs/python.md).
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response, after_this_request, g, request
from sqlalchemy import MetaData
from sqlalchemy.engine import Engine

from weir_server import _site
from weir_server._admin import Outcome
from weir_server._sender import Sender
from weir_server._site import Mark, Site, Visit, visiting
from weir_server._sqlalchemy import Watch, tag

__all__ = ["Weir", "private", "shared", "tag"]

P = ParamSpec("P")
R = TypeVar("R")


class Weir:
    """The extension. Without an engine, tags are those that views name."""

    site: Site

    def __init__(
        self, app: Flask | None = None, *, engine: Engine | None = None, metadata: MetaData | None = None
    ) -> None:
        if app is not None:
            self.init_app(app, engine=engine, metadata=metadata)

    def init_app(self, app: Flask, *, engine: Engine | None = None, metadata: MetaData | None = None) -> None:
        self.site = Site(app.config.get("WEIR", {}))
        # First of all, and last: what other hooks read counts too.
        app.before_request_funcs.setdefault(None, []).insert(0, self.begin)
        app.after_request_funcs.setdefault(None, []).insert(0, self.finish)
        app.teardown_request(self.end)
        if engine is not None:
            if metadata is None:
                raise ValueError("name the tables too: metadata=db.metadata")
            self.watch = Watch(engine, metadata, self.site.note, self.site.deliver)

    @property
    def sender(self) -> Sender:
        return self.site.sender

    def begin(self) -> None:
        g.weir_visit = Visit()
        g.weir_token = visiting.set(g.weir_visit)

    def end(self, _: BaseException | None = None) -> None:
        token = g.pop("weir_token", None)
        if token is not None:
            visiting.reset(token)

    def finish(self, response: Response) -> Response:
        visit: Visit = g.weir_visit
        if request.method in _site.READS:
            self.site.tell(visit, response.headers, response.status_code, not response.is_streamed)
        elif visit.tickets:
            # The page behind the redirect is then the new one, at every edge.
            response.headers[_site.PURGE] = self.site.wait(visit)
        return response

    def purge(
        self, *, tags: Iterable[Any] = (), urls: Iterable[str] = (), prefixes: Iterable[str] = (), soft: bool = False
    ) -> Outcome:
        """Returns when it is over everywhere, or says who is missing."""
        return self.site.purge([tag(one) for one in tags], urls, prefixes, soft)


def shared(
    ttl: int | str = "1d", swr: int | str | None = None, tags: Iterable[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The pages of this view are for everyone, for this long: those who are signed in get them too."""
    mark = _site.for_all(ttl, swr, tags)
    return lambda view: marking(view, mark)


def private(view: Callable[P, R]) -> Callable[P, R]:
    """The pages of this view are for one visitor each."""
    return marking(view, _site.for_one)


def marking(view: Callable[P, R], mark: Mark) -> Callable[P, R]:
    def settle(response: Response) -> Response:
        mark(response.headers, response.status_code)
        return response

    @wraps(view)
    def marked(*args: P.args, **more: P.kwargs) -> R:
        after_this_request(settle)
        return view(*args, **more)

    return marked
