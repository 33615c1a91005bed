"""Named values of the visitor in shared pages: what a template asks for, and the cookie that Weir reads them from.

While Weir asks for a page to be shared, a value is a mark that the reply declares, and the edge puts the visitor's own
text there. In any other page it is the text itself. The cookie is set in replies to those who are signed in, and taken
away from those who are not any more, wherever the application has looked who they are.
"""

import html
import logging
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString, mark_safe

from weir_server._holes import FIELD
from weir_server._values import COOKIE, Keys, Places, offered, plain
from weir_server.django import packed
from weir_server.django.conf import conf

logger = logging.getLogger("weir_server")

# In request.META, under a name that no field of a request can have.
KEY = "weir.places"
OFFER = "HTTP_" + FIELD.upper().replace("-", "_")
# A cookie is set anew when this part of its time is over.
RENEWED_AFTER = 0.5


def visitor_value(request: HttpRequest, name: str, default: object = "") -> SafeString:
    """The text of this name that WEIR["VALUES"] gives for the visitor, as HTML. In shared pages Weir fills it in.

    It may stand between tags and within a quoted attribute, not in a script.
    """
    places = request.META.get(KEY)
    if isinstance(places, Places):
        mark = places.mark(name, str(default))
        if mark is not None:
            # What compresses it would hide the mark.
            request.META.pop("HTTP_ACCEPT_ENCODING", None)
            return mark_safe(mark)
    user = getattr(request, "user", None)
    values = values_of(user) if user is not None and user.is_authenticated else {}
    return mark_safe(html.escape(plain(values.get(name, default))))


def values_of(user: Any) -> Mapping[str, Any]:
    named = conf().values
    if named is None:
        return {}
    function: Callable[[Any], Mapping[str, Any]] = import_string(named)
    return function(user)


@cache
def keys_of(file: str | None) -> Keys:
    try:
        return Keys(file)
    except (OSError, ValueError) as error:
        logger.error("no named values are filled in: %s", error)
        return Keys.none()


def keys() -> Keys:
    return keys_of(conf().values_key_file)


def open_places(request: HttpRequest) -> Places | None:
    """The places of the page of this request, if Weir can fill some."""
    offer = request.META.get(OFFER)
    if offer is None or conf().values is None or not offered(offer) or not keys():
        return None
    if COOKIE in request.COOKIES or settings.SESSION_COOKIE_NAME in request.COOKIES:
        # Not a request for a page to be shared: those have neither.
        return None
    places = Places()
    request.META[KEY] = places
    return places


def settle(places: Places, response: HttpResponseBase) -> None:
    """Declares the places, or fills them with their defaults where Weir cannot fill them."""
    # A 304 is about a page that has its own.
    if not places.places or response.status_code == 304:
        return
    if isinstance(response, HttpResponse) and not response.streaming:
        content = packed.plain_content(response)
        if content is not None and "Content-Encoding" in response:
            packed.replace(response, content)
        charset = response.charset or "utf-8"
        if charset.lower().replace("_", "-") not in ("utf-8", "utf8", "ascii", "us-ascii"):
            # Weir fills in UTF-8.
            response.content = places.filled_with_defaults(response.content, charset)
            return
    before = response.get(FIELD)
    declared = places.declaration()
    response[FIELD] = f"{before}, {declared}" if before else declared


def keep(request: HttpRequest, response: HttpResponseBase) -> None:
    """Sets the cookie with the values of who is signed in, or takes it away."""
    if conf().values is None or not keys():
        return
    user = known_user(request)
    if user is None:
        return
    held = request.COOKIES.get(COOKIE)
    if not user.is_authenticated:
        if held is not None and COOKIE not in response.cookies:
            response.delete_cookie(
                COOKIE,
                path=settings.SESSION_COOKIE_PATH,
                domain=settings.SESSION_COOKIE_DOMAIN,
                samesite=settings.SESSION_COOKIE_SAMESITE,
            )
            patch_vary_headers(response, ("Cookie",))
        return
    wanted = {name: plain(value) for name, value in values_of(user).items()}
    age, now = settings.SESSION_COOKIE_AGE, int(time.time())
    known = keys().values(held)
    if known is not None and known[0] == wanted and known[1] - now > age * RENEWED_AFTER:
        return
    of_browser = settings.SESSION_EXPIRE_AT_BROWSER_CLOSE
    response.set_cookie(
        COOKIE,
        keys().sign(wanted, now + age),
        max_age=None if of_browser else age,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE or False,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
    patch_vary_headers(response, ("Cookie",))


def known_user(request: HttpRequest) -> Any:
    """The user, if the application has asked who it is. None: it has not, and need not for this."""
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
        return None
    return user
