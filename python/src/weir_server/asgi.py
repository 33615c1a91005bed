"""Weir for Starlette, FastAPI and any other application of ASGI: tags by hand and from SQLAlchemy, decorators, purges.

    weir = Weir(ttl="1d", engine=engine, metadata=Base.metadata)
    app.add_middleware(weir)                # or app = weir(app)

Add it last, so that it is the outermost: what other middleware reads counts too. Decorators stand below `@app.get`.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from weir_server import _site
from weir_server._admin import Outcome
from weir_server._asgi import Application, Head, Receive, Scope, Send, holding
from weir_server._sender import Sender
from weir_server._site import Mark, Site, Visit, visiting

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Weir", "private", "shared", "tag"]

View = TypeVar("View", bound=Callable[..., Any])


class Weir:
    """The middleware, and the way to purge. Without an engine, tags are those that views name."""

    def __init__(
        self,
        *,
        ttl: int | str | None = None,
        admin: str | Iterable[str] | None = None,
        token_file: str | None = None,
        wait: float = 1.0,
        purge: bool = True,
        engine: "Engine | AsyncEngine | None" = None,
        metadata: "MetaData | None" = None,
    ) -> None:
        given = {"TTL": ttl, "ADMIN": admin, "TOKEN_FILE": token_file, "WAIT": wait, "PURGE": purge}
        self.site = Site(given)
        if engine is not None:
            from weir_server._sqlalchemy import Watch

            if metadata is None:
                raise ValueError("name the tables too: metadata=Base.metadata")
            plain: Engine = getattr(engine, "sync_engine", engine)  # type: ignore[arg-type]
            self.watch = Watch(plain, metadata, self.site.note, self.site.deliver)

    def __call__(self, app: Application) -> Application:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            visit = Visit()

            async def settle(head: Head) -> None:
                await self.settle(scope, visit, head)

            token = visiting.set(visit)
            try:
                await app(scope, receive, holding(send, settle))
            finally:
                visiting.reset(token)

        return application

    async def settle(self, scope: Scope, visit: Visit, head: Head) -> None:
        for mark in visit.marks:
            mark(head.fields, head.status)
        if scope["method"] in _site.READS:
            self.site.tell(visit, head.fields, head.status, head.body is not None)
        elif visit.tickets:
            # The page behind the redirect is then the new one, at every edge.
            head.fields[_site.PURGE] = await asyncio.to_thread(self.site.wait, visit)

    @property
    def sender(self) -> Sender:
        return self.site.sender

    def purge(
        self, *, tags: Iterable[Any] = (), urls: Iterable[str] = (), prefixes: Iterable[str] = (), soft: bool = False
    ) -> Outcome:
        """Returns when it is over everywhere, or says who is missing. It blocks: async views use `apurge`."""
        return self.site.purge([tag(one) for one in tags], urls, prefixes, soft)

    async def apurge(
        self, *, tags: Iterable[Any] = (), urls: Iterable[str] = (), prefixes: Iterable[str] = (), soft: bool = False
    ) -> Outcome:
        # Rows may be read for their names, which is done here.
        names = [tag(one) for one in tags]
        return await asyncio.to_thread(self.site.purge, names, urls, prefixes, soft)


def shared(ttl: int | str = "1d", swr: int | str | None = None, tags: Iterable[str] = ()) -> Callable[[View], View]:
    """The pages of this view are for everyone, for this long: those who are signed in get them too."""
    mark = _site.for_all(ttl, swr, tags)
    return lambda view: marking(view, mark)


def private(view: View) -> View:
    """The pages of this view are for one visitor each."""
    return marking(view, _site.for_one)


def marking(view: View, mark: Mark) -> View:
    def note() -> None:
        visit = visiting.get()
        if visit is None:
            raise RuntimeError(f"{view.__qualname__} is decorated, but the application has no middleware of Weir")
        visit.marks.append(mark)

    if inspect.iscoroutinefunction(view):

        async def later(*args: Any, **more: Any) -> Any:
            note()
            return await view(*args, **more)

        return cast(View, functools.wraps(view)(later))

    def now(*args: Any, **more: Any) -> Any:
        note()
        return view(*args, **more)

    return cast(View, functools.wraps(view)(now))


def tag(thing: Any, **field: Any) -> str:
    """The tag of a row, a model or a field's value: `tag(article)`, `tag(Article)`, `tag(Article, slug="x")`."""
    if isinstance(thing, str):
        return thing
    from weir_server import _sqlalchemy

    return _sqlalchemy.tag(thing, **field)
