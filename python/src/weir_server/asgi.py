"""Weir for Starlette, FastAPI and any other application of ASGI: tags by hand and from SQLAlchemy, decorators, purges.

    weir = Weir(ttl="1d", engine=engine, metadata=Base.metadata)
    app.add_middleware(weir)                # or app = weir(app)

Add it last, so that it is the outermost: what other middleware reads counts too. Decorators stand below `@app.get`.
"""

import asyncio
import functools
import inspect
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from weir_server import _asker, _nonces, _site, _values, _work
from weir_server._admin import Outcome
from weir_server._asgi import Application, Head, Receive, Scope, Send, asked, holding, names
from weir_server._holes import FIELD
from weir_server._markup import Markup, escape
from weir_server._sender import Sender
from weir_server._site import Mark, Site, Visit, leave, visiting

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from starlette.requests import HTTPConnection

    from weir_server._site import Engines

__all__ = ["Weir", "private", "shared", "tag"]

DAY = 86_400

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
        views: bool = True,
        values_key_file: str | None = None,
        engine: "Engines | None" = None,
        metadata: "MetaData | None" = None,
    ) -> None:
        given = {"TTL": ttl, "ADMIN": admin, "TOKEN_FILE": token_file, "WAIT": wait, "PURGE": purge}
        given |= {"VIEWS": views, "VALUES_KEY_FILE": values_key_file}
        self.site = Site(given)
        if engine is not None:
            if metadata is None:
                raise ValueError("name the tables too: metadata=Base.metadata")
            self.watches = self.site.watch(engine, metadata)

    def __call__(self, app: Application) -> Application:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            visit = self.site.visit(asked(scope).get(_asker.FIELD))

            async def settle(head: Head) -> None:
                await self.settle(scope, visit, head)

            token = visiting.set(visit)
            try:
                await app(scope, receive, holding(send, settle))
            finally:
                leave(visit, token)

        return application

    async def settle(self, scope: Scope, visit: Visit, head: Head) -> None:
        for mark in visit.marks:
            mark(head.fields, head.status)
        if visit.places.places and head.status != 304:
            head.fields.add(FIELD, visit.places.declaration())
        if self.site.tells_views:
            view = scope.get("endpoint")
            head.fields[_work.FIELD] = visit.work.field(_work.name_of(view) if view else "")
        if scope["method"] in _site.READS:
            if head.status != 304:
                declare_nonces(scope, head)
            known = names(head.fields.all("vary"))
            for name in [*(["cookie"] if visit.varies else []), *sorted(visit.accepts)]:
                if name not in known:
                    head.fields.add("Vary", name)
            self.site.tell(visit, head.fields, head.status, head.body is not None)
        if self.site.must_wait(visit, scope["method"], head.status):
            # The page behind the redirect is then the new one, at every edge.
            head.fields[_site.PURGE] = await asyncio.to_thread(self.site.wait, visit)

    def visitor_value(self, request: "HTTPConnection", name: str, default: object = "") -> Markup:
        """The visitor's text of this name, as `remember` has set it, as HTML. In shared pages Weir fills it in.

        It may stand between tags and within a quoted attribute, not in a script.
        """
        visit = visiting.get()
        if visit is None:
            raise RuntimeError("the application has no middleware of Weir: app.add_middleware(weir)")
        held = request.cookies.get(_values.COOKIE)
        offer = ",".join(names(asked(request.scope).all(FIELD)))
        is_read = request.scope.get("method") in _site.READS and held is None
        if is_read and self.site.keys and _values.offered(offer):
            mark = visit.places.mark(name, str(default))
            if mark is not None:
                hide(request.scope, b"accept-encoding")
                return Markup(mark)
        known = self.site.keys.values(held)
        visit.varies = True
        return escape((known[0] if known else {}).get(name, _values.plain(default)))

    def remember(
        self,
        response: Any,
        *,
        age: int = DAY * 14,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        samesite: str = "lax",
        **values: object,
    ) -> None:
        """Gives a visitor the texts for `visitor_value`, in a signed cookie. Call it where somebody signs in.

        `response`: one of Starlette's. `age`: for how many seconds; not longer than the visitor stays signed in.
        """
        if not self.site.keys:
            raise RuntimeError("there is no key for the values: set WEIR_VALUES_KEY_FILE, as `weir serve` does")
        text = self.site.keys.sign(values, int(time.time()) + age)
        given = {"max_age": age, "path": path, "domain": domain, "secure": secure, "samesite": samesite}
        response.set_cookie(_values.COOKIE, text, httponly=True, **given)

    def forget(self, response: Any, *, path: str = "/", domain: str | None = None) -> None:
        """Takes them away, where somebody signs out."""
        response.delete_cookie(_values.COOKIE, path=path, domain=domain)

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


def declare_nonces(scope: Scope, head: Head) -> None:
    """Leaves holes for the nonce of its Content-Security-Policy. Where it cannot, Weir does not share the page."""
    policies = [policy for name in _nonces.POLICIES for policy in head.fields.all(name)]
    if not policies or head.body is None or "content-encoding" in head.fields:
        return
    marks = _nonces.marks(policies)
    if not marks or not _nonces.offered(",".join(asked(scope).all(FIELD))):
        return
    head.body = _nonces.marked_body(head.body, marks)
    for name in _nonces.POLICIES:
        lines = head.fields.all(name)
        for line in lines[:1]:
            head.fields[name] = _nonces.marked(line, marks)
        for line in lines[1:]:
            head.fields.add(name, _nonces.marked(line, marks))
    head.fields.add(FIELD, _nonces.declaration(marks))


def hide(scope: Scope, name: bytes) -> None:
    """What compresses the page would hide its marks."""
    scope["headers"] = [(known, value) for known, value in scope.get("headers", ()) if known.lower() != name]


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
