"""Protection of Flask's forms against forgery, whose token may stand in a shared page.

    from weir_server.flask_csrf import Csrf
    csrf = Csrf(app)                                     # and in forms:
    <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">

Flask-WTF keeps its secret in the session and signs its tokens, so nobody but the application can make one, and a page
that holds one is one visitor's. Here the secret is in a cookie of its own, as in Django, and Weir makes the tokens of
shared pages. Scripts send the token in the field X-CSRFToken.
"""

import hmac
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, has_request_context, request
from werkzeug.exceptions import Forbidden

from weir_server._holes import FIELD, SECRET, TOKEN, TokenCookie, letters, masked, offered, secret_of, unmasked

__all__ = ["Csrf", "csrf_token", "exempt"]

View = TypeVar("View", bound=Callable[..., Any])

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
FIELDS = ("X-CSRFToken", "X-CSRF-Token")
YEAR = 365 * 86_400
EXEMPT = "weir_csrf_exempt"


class Csrf:
    """The extension. `app.config["WEIR_CSRF"]` may have COOKIE, FIELD and TRUSTED_ORIGINS; what else the cookie needs
    is that of the session cookie (SESSION_COOKIE_DOMAIN, _PATH, _SECURE, _SAMESITE)."""

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        conf = dict(app.config.get("WEIR_CSRF", {}))
        self.field = conf.pop("FIELD", "csrf_token")
        self.trusted = frozenset(conf.pop("TRUSTED_ORIGINS", ()))
        self.cookie = TokenCookie(
            name=conf.pop("COOKIE", "csrftoken"),
            max_age=YEAR,
            path=app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"],
            domain=app.config["SESSION_COOKIE_DOMAIN"] or None,
            secure=bool(app.config["SESSION_COOKIE_SECURE"]),
            samesite=app.config["SESSION_COOKIE_SAMESITE"] or "Lax",
        )
        if conf:
            raise ValueError(f"WEIR_CSRF has no key {min(conf)!r}; known keys: COOKIE, FIELD, TRUSTED_ORIGINS")
        app.extensions["weir_csrf"] = self
        app.jinja_env.globals["csrf_token"] = csrf_token
        app.before_request(self.protect)
        # After all other hooks, but before that of Weir, which asks whether the page sets a cookie.
        hooks = app.after_request_funcs.setdefault(None, [])
        is_weir = bool(hooks) and getattr(hooks[0], "__module__", "") == "weir_server.flask"
        hooks.insert(1 if is_weir else 0, self.settle)

    def protect(self) -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if request.method in SAFE or getattr(view, EXEMPT, False):
            return
        self.check_origin()
        secret = secret_of(request.cookies.get(self.cookie.name))
        if secret is None:
            raise Forbidden("The CSRF cookie is missing.")
        sent = [request.form.get(self.field), *(request.headers.get(name) for name in FIELDS)]
        given = next((secret_of(token) for token in sent if token), None)
        if given is None or not hmac.compare_digest(given, secret):
            raise Forbidden("The CSRF token is missing or wrong.")

    def check_origin(self) -> None:
        """Another site that can set a cookie here, such as another host of the domain, knows a secret that fits."""
        own = f"{request.scheme}://{request.host}"
        origin = request.headers.get("Origin")
        if origin is None and request.is_secure:
            parts = urlsplit(request.headers.get("Referer", ""))
            origin = f"{parts.scheme}://{parts.netloc}"
        if origin is not None and origin != own and origin not in self.trusted:
            raise Forbidden(f"The form comes from another origin: {origin[:100]}")

    def token(self) -> str:
        if "weir_csrf_token" not in g:
            g.weir_csrf_hole = False
            secret = secret_of(request.cookies.get(self.cookie.name))
            if secret is None and request.method in ("GET", "HEAD") and offered(request.headers.get(FIELD)):
                g.weir_csrf_hole = True
                g.weir_csrf_token = letters(TOKEN)
                g.weir_csrf_secret = unmasked(g.weir_csrf_token)
            else:
                g.weir_csrf_secret = secret or letters(SECRET)
                g.weir_csrf_token = masked(g.weir_csrf_secret)
        token: str = g.weir_csrf_token
        return token

    def settle(self, response: Response) -> Response:
        """Declares the hole, or makes the page its visitor's own."""
        if "weir_csrf_token" not in g or response.status_code == 304:
            return response
        plain = not response.is_streamed and not response.direct_passthrough
        plain = plain and not {"Content-Encoding", "Set-Cookie"} & set(response.headers.keys())
        # Weir fills what stands in the page.
        plain = plain and not any(g.weir_csrf_token in value for value in response.headers.values())
        if g.weir_csrf_hole and plain and g.weir_csrf_token.encode() in response.get_data():
            response.headers[FIELD] = self.cookie.declaration(g.weir_csrf_token)
            return response
        cookie = self.cookie
        response.set_cookie(
            cookie.name,
            g.weir_csrf_secret,
            max_age=cookie.max_age,
            path=cookie.path,
            domain=cookie.domain,
            secure=cookie.secure,
            samesite=cookie.samesite,
        )
        response.vary.add("Cookie")
        return response


def csrf_token() -> str:
    """The token for a form of the page that is being made."""
    if not has_request_context():
        raise RuntimeError("csrf_token() belongs into the page of a request")
    extension: Csrf = current_app.extensions["weir_csrf"]
    return extension.token()


def exempt(view: View) -> View:
    """The view takes requests without a token. Put it below the route."""
    setattr(view, EXEMPT, True)
    return view
