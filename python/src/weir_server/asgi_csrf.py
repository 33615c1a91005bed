"""Protection of forms against forgery for Starlette and FastAPI, whose token may stand in a shared page.

    csrf = Csrf()
    app = FastAPI(dependencies=[Depends(csrf.protect)])     # Starlette: `await csrf.protect(request)` in the view
    app.add_middleware(csrf)                                # before that of Weir, so that Weir's is around it
    <input type="hidden" name="csrf_token" value="{{ csrf.token(request) }}">

The secret is in a cookie of its own, as in Django, and form and cookie must agree. Weir makes the tokens of shared
pages. Scripts send the token in the field X-CSRFToken.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from weir_server._asgi import Application, Head, Receive, Scope, Send, asked, holding, names
from weir_server._holes import FIELD, SECRET, TOKEN, TokenCookie, letters, masked, offered, secret_of, unmasked

__all__ = ["Csrf"]

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
FIELDS = ("X-CSRFToken", "X-CSRF-Token")
YEAR = 365 * 86_400
# In the scope of a request.
KEY = "weir.csrf"


@dataclass
class Made:
    """The token of the page that is being made."""

    token: str
    secret: str
    is_hole: bool


class Csrf:
    """The middleware, and what views and templates ask."""

    def __init__(
        self,
        *,
        cookie: str = "csrftoken",
        field: str = "csrf_token",
        trusted_origins: Iterable[str] = (),
        domain: str | None = None,
        path: str = "/",
        secure: bool = False,
        samesite: str = "Lax",
    ) -> None:
        self.field = field
        self.trusted = frozenset(trusted_origins)
        self.cookie = TokenCookie(cookie, YEAR, path, domain, secure, samesite=samesite)

    def __call__(self, app: Application) -> Application:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            # One that the application copies leads here too.
            state: dict[str, Made] = scope.setdefault(KEY, {})

            async def settle(head: Head) -> None:
                made = state.get("made")
                if made is not None and head.status != 304:
                    self.settle(made, head)

            await app(scope, receive, holding(send, settle))

        return application

    def token(self, request: HTTPConnection) -> str:
        """The token for a form of the page that is being made."""
        state: dict[str, Made] | None = request.scope.get(KEY)
        if state is None:
            raise RuntimeError("the application has no middleware Csrf: app.add_middleware(csrf)")
        if "made" not in state:
            secret = secret_of(request.cookies.get(self.cookie.name))
            offer = ",".join(names(asked(request.scope).all(FIELD)))
            if secret is None and request.scope["method"] in ("GET", "HEAD") and offered(offer):
                token = letters(TOKEN)
                state["made"] = Made(token, unmasked(token), True)
            else:
                secret = secret or letters(SECRET)
                state["made"] = Made(masked(secret), secret, False)
        return state["made"].token

    def settle(self, made: Made, head: Head) -> None:
        """Declares the hole, or makes the page its visitor's own."""
        fields = head.fields
        plain = "content-encoding" not in fields and "set-cookie" not in fields
        # Weir fills what stands in the page.
        plain = plain and not any(made.token.encode() in value for _, value in fields.raw)
        if made.is_hole and plain and head.body is not None and made.token.encode() in head.body:
            fields[FIELD] = self.cookie.declaration(made.token)
            return
        fields.add("Set-Cookie", self.set_cookie(made.secret))
        varies = names(fields.all("vary"))
        if "cookie" not in varies and "*" not in varies:
            fields.add("Vary", "Cookie")

    def set_cookie(self, secret: str) -> str:
        one, known = SimpleCookie(), self.cookie
        one[known.name] = secret
        given: dict[str, Any] = {"max-age": known.max_age, "path": known.path, "domain": known.domain}
        given |= {"secure": known.secure, "samesite": known.samesite}
        for name, value in given.items():
            if value:
                one[known.name][name] = value
        return one[known.name].OutputString()

    async def protect(self, connection: HTTPConnection) -> None:
        """Refuses with 403 what another site may have sent. With FastAPI a dependency, of one route or of all."""
        if connection.scope["type"] == "http" and connection.scope["method"] in SAFE:
            return
        self.check_origin(connection)
        if connection.scope["type"] != "http":
            # A WebSocket: its origin is all that it says.
            return
        secret = secret_of(connection.cookies.get(self.cookie.name))
        if secret is None:
            raise HTTPException(403, "The CSRF cookie is missing.")
        given = next((secret_of(token) for token in await self.sent(connection) if token), None)
        if given is None or not hmac.compare_digest(given, secret):
            raise HTTPException(403, "The CSRF token is missing or wrong.")

    async def sent(self, connection: HTTPConnection) -> list[str | None]:
        found = [connection.headers.get(name) for name in FIELDS]
        kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if any(found) or not kind.endswith(("/x-www-form-urlencoded", "/form-data")):
            return found
        if not isinstance(connection, Request):
            connection = Request(connection.scope, connection.receive)  # type: ignore[attr-defined]
        in_form = (await connection.form()).get(self.field)
        return [*found, in_form if isinstance(in_form, str) else None]

    def check_origin(self, connection: HTTPConnection) -> None:
        """Another site that can set a cookie here, such as another host of the domain, knows a secret that fits."""
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        own = f"{scheme}://{connection.url.netloc}"
        origin = connection.headers.get("origin")
        if origin is None and scheme == "https":
            parts = urlsplit(connection.headers.get("referer", ""))
            origin = f"{parts.scheme}://{parts.netloc}"
        if origin is not None and origin != own and origin not in self.trusted:
            raise HTTPException(403, f"The form comes from another origin: {origin[:100]}")
