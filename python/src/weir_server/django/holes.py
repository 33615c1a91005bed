"""Leaves a hole where a shared page has a CSRF token: Weir fills it with each visitor's own.

Weir offers that in requests for pages to be shared, which carry no cookies. Django would then set a new CSRF cookie,
and the page would be one visitor's. Instead the token is a mark that the reply declares. If the page cannot be shared
after all, the secret that the mark is a token of goes out in the cookie, as usual.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware import csrf
from django.utils.cache import patch_vary_headers

from weir_server._holes import FIELD, TOKEN, TokenCookie, letters, offered, unmasked
from weir_server.django import packed
from weir_server.django.conf import conf

# In request.META, under a name that no field of a request can have.
KEY = "weir.hole"
OFFER = "HTTP_" + FIELD.upper().replace("-", "_")


class Secret(str):
    """What Django takes for a visitor's secret. Its token is always the same, and stands for a hole."""

    token: str


class Hole:
    """The token of one page."""

    def __init__(self) -> None:
        token = letters(TOKEN)
        self.secret = Secret(unmasked(token))
        self.secret.token = token
        self.used = False

    def settle(self, response: HttpResponseBase) -> None:
        """Declares the hole, or makes the page its visitor's own."""
        # A 304 is about a page that has its own holes, or its own cookie.
        if not self.used or response.status_code == 304:
            return
        if self.is_in(response):
            response[FIELD] = token_cookie().declaration(self.secret.token)
        else:
            set_cookie(response, self.secret)

    def is_in(self, response: HttpResponseBase) -> bool:
        """Whether the token stands where Weir will see it, and nothing else in the reply is one visitor's."""
        if not isinstance(response, HttpResponse) or response.streaming or response.cookies:
            return False
        content = packed.plain_content(response)
        if content is None or self.secret.token.encode() not in content:
            return False
        # Weir fills what stands in the page.
        if any(self.secret.token in value for value in response.headers.values()):
            return False
        if "Content-Encoding" in response:
            packed.replace(response, content)
        return True


def open_hole(request: HttpRequest) -> Hole | None:
    """A hole for the page of this request, if Weir can fill one."""
    # `request.headers` would be made for this alone.
    offer = request.META.get(OFFER)
    if offer is None or not offered(offer) or not conf().holes:
        return None
    if settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_NAME in request.COOKIES:
        return None
    hole = Hole()
    request.META[KEY] = hole
    return hole


def token_cookie() -> TokenCookie:
    return TokenCookie(
        name=settings.CSRF_COOKIE_NAME,
        max_age=settings.CSRF_COOKIE_AGE,
        path=settings.CSRF_COOKIE_PATH,
        domain=settings.CSRF_COOKIE_DOMAIN,
        secure=settings.CSRF_COOKIE_SECURE,
        httponly=settings.CSRF_COOKIE_HTTPONLY,
        samesite=settings.CSRF_COOKIE_SAMESITE or None,
    )


def set_cookie(response: HttpResponseBase, secret: str) -> None:
    """As `CsrfViewMiddleware` does."""
    cookie = token_cookie()
    response.set_cookie(
        cookie.name,
        str(secret),
        max_age=cookie.max_age,
        domain=cookie.domain,
        path=cookie.path or "/",
        secure=cookie.secure,
        httponly=cookie.httponly,
        samesite=settings.CSRF_COOKIE_SAMESITE,
    )
    patch_vary_headers(response, ("Cookie",))


def install() -> None:
    """Lets Django take its tokens from the hole of a page. Call it once."""
    if hasattr(csrf, "weir_holes"):
        return
    add: Callable[[HttpRequest], str] = csrf._add_new_csrf_cookie  # type: ignore[attr-defined]
    mask: Callable[[str], str] = csrf._mask_cipher_secret  # type: ignore[attr-defined]

    def add_new_csrf_cookie(request: HttpRequest) -> str:
        hole = request.META.get(KEY)
        if not isinstance(hole, Hole):
            return add(request)
        hole.used = True
        return hole.secret

    def mask_cipher_secret(secret: str) -> str:
        return secret.token if isinstance(secret, Secret) else mask(secret)

    csrf._add_new_csrf_cookie = add_new_csrf_cookie  # type: ignore[attr-defined]
    csrf._mask_cipher_secret = mask_cipher_secret  # type: ignore[attr-defined]
    csrf.weir_holes = True  # type: ignore[attr-defined]
