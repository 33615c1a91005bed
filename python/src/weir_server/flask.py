"""Weir for Flask: tags by hand and from SQLAlchemy, decorators, purges.

    weir = Weir(app, db=db)  # Flask-SQLAlchemy
    weir = Weir(app, engine=engine, metadata=Base.metadata)

`app.config["WEIR"]` may have TTL, ADMIN, TOKEN_FILE, WAIT, PURGE, VIEWS and VALUES_KEY_FILE (docs/python.md).
"""

import gzip
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flask import Flask, Response, after_this_request, current_app, g, request, request_started
from markupsafe import Markup, escape

from weir_server import _asker, _nonces, _site, _values, _work
from weir_server._admin import Outcome
from weir_server._holes import FIELD
from weir_server._sender import Sender
from weir_server._site import Mark, Site, Visit, leave, visiting

if TYPE_CHECKING:
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import MetaData

    from weir_server._site import Engines

__all__ = ["Weir", "private", "shared", "tag"]

P = ParamSpec("P")
R = TypeVar("R")

DAY = 86_400
# What Werkzeug keeps of a request once somebody has asked for it, and the field that it is from.
ACCEPTS = {"accept_languages": "Accept-Language", "accept_mimetypes": "Accept"}


class Weir:
    """The extension. Without an engine, tags are those that views name."""

    site: Site

    def __init__(
        self,
        app: Flask | None = None,
        *,
        db: "SQLAlchemy | None" = None,
        engine: "Engines | None" = None,
        metadata: "MetaData | None" = None,
    ) -> None:
        if app is not None:
            self.init_app(app, db=db, engine=engine, metadata=metadata)

    def init_app(
        self,
        app: Flask,
        *,
        db: "SQLAlchemy | None" = None,
        engine: "Engines | None" = None,
        metadata: "MetaData | None" = None,
    ) -> None:
        """`db`: Flask-SQLAlchemy's, which must have its application already. `engine`, `metadata`: without it."""
        self.site = Site(app.config.get("WEIR", {}))
        # First of all, and last: what other hooks read counts too, also those for the values in a URL.
        request_started.connect(self.begin, app)
        app.after_request_funcs.setdefault(None, []).insert(0, self.finish)
        app.teardown_request(self.end)
        app.jinja_env.globals["visitor_value"] = self.visitor_value
        if engine is not None:
            if metadata is None:
                raise ValueError("name the tables too: metadata=db.metadata")
            self.watches = self.site.watch(engine, metadata)
        elif db is not None:
            with app.app_context():
                self.watches = [
                    watch for key, own in db.engines.items() for watch in self.site.watch(own, db.metadatas[key])
                ]

    @property
    def sender(self) -> Sender:
        return self.site.sender

    def begin(self, _: Flask, **__: object) -> None:
        g.weir_visit = self.site.visit(request.headers.get(_asker.FIELD))
        g.weir_token = visiting.set(g.weir_visit)

    def end(self, _: BaseException | None = None) -> None:
        token = g.pop("weir_token", None)
        if token is not None:
            leave(g.weir_visit, token)

    def finish(self, response: Response) -> Response:
        visit: Visit | None = g.get("weir_visit")
        if visit is None:
            # Made by hand, as in `test_request_context`.
            return response
        if visit.places.places and response.status_code != 304:
            self.declare(visit, response)
        if request.method in _site.READS and response.status_code != 304:
            self.declare_nonces(response)
        if self.site.tells_views:
            view = current_app.view_functions.get(request.endpoint or "")
            response.headers[_work.FIELD] = visit.work.field(_work.name_of(view) if view else "")
        if request.method in _site.READS:
            if visit.varies:
                response.vary.add("Cookie")
            # What the view has asked for chose the page, whether or not it says so.
            response.vary.update(ACCEPTS[name] for name in ACCEPTS.keys() & vars(request).keys())
            self.site.tell(visit, response.headers, response.status_code, not response.is_streamed)
        if self.site.must_wait(visit, request.method, response.status_code):
            # The page behind the redirect is then the new one, at every edge.
            response.headers[_site.PURGE] = self.site.wait(visit)
        return response

    def visitor_value(self, name: str, default: object = "") -> Markup:
        """The visitor's text of this name, as `remember` has set it. In shared pages Weir fills it in.

        It may stand between tags and within a quoted attribute, not in a script.
        """
        held = request.cookies.get(_values.COOKIE)
        offer = request.headers.get(FIELD) if request.method in _site.READS and held is None else None
        visit: Visit = g.get("weir_visit") or Visit()
        if "weir_visit" in g and self.site.keys and _values.offered(offer):
            mark = visit.places.mark(name, str(default))
            if mark is not None:
                return Markup(mark)
        known = self.site.keys.values(held)
        visit.varies = True
        return escape((known[0] if known else {}).get(name, _values.plain(default)))

    def declare(self, visit: Visit, response: Response) -> None:
        """Says where Weir fills values in; what it cannot read gets the defaults."""
        coding = response.headers.get("Content-Encoding", "identity")
        if not response.is_streamed and coding == "gzip":
            response.set_data(gzip.decompress(response.get_data()))
            del response.headers["Content-Encoding"]
        response.headers.add(FIELD, visit.places.declaration())

    def declare_nonces(self, response: Response) -> None:
        """Leaves holes for the nonce of its Content-Security-Policy. Where it cannot, Weir does not share the page."""
        policies = [policy for name in _nonces.POLICIES for policy in response.headers.getlist(name)]
        is_plain = not response.is_streamed and not response.direct_passthrough
        is_plain = is_plain and "Content-Encoding" not in response.headers
        if not policies or not is_plain or not _nonces.offered(request.headers.get(FIELD)):
            return
        marks = _nonces.marks(policies)
        if not marks:
            return
        response.set_data(_nonces.marked_body(response.get_data(), marks))
        for name in _nonces.POLICIES:
            lines = response.headers.getlist(name)
            response.headers.setlist(name, [_nonces.marked(line, marks) for line in lines])
        response.headers.add(FIELD, _nonces.declaration(marks))

    def remember(self, response: Response, age: int = DAY * 14, **values: object) -> None:
        """Gives a visitor the texts for `visitor_value`, in a signed cookie. Call it where somebody signs in.

        `age`: for how many seconds; not longer than the visitor stays signed in.
        """
        if not self.site.keys:
            raise RuntimeError("there is no key for the values: set WEIR_VALUES_KEY_FILE, as `weir serve` does")
        response.set_cookie(
            _values.COOKIE,
            self.site.keys.sign(values, int(time.time()) + age),
            max_age=age,
            path=current_app.config["SESSION_COOKIE_PATH"] or current_app.config["APPLICATION_ROOT"],
            domain=current_app.config["SESSION_COOKIE_DOMAIN"] or None,
            secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
            httponly=True,
            samesite=current_app.config["SESSION_COOKIE_SAMESITE"] or "Lax",
        )

    def forget(self, response: Response) -> None:
        """Takes them away, where somebody signs out."""
        path = current_app.config["SESSION_COOKIE_PATH"] or current_app.config["APPLICATION_ROOT"]
        domain = current_app.config["SESSION_COOKIE_DOMAIN"] or None
        response.delete_cookie(_values.COOKIE, path=path, domain=domain)

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


def tag(thing: Any, **field: Any) -> str:
    """The tag of a row, a model or a field's value: `tag(article)`, `tag(Article)`, `tag(Article, slug="x")`."""
    if isinstance(thing, str):
        return thing
    from weir_server import _sqlalchemy

    return _sqlalchemy.tag(thing, **field)
