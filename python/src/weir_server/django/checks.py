"""What `manage.py check` says about Weir."""

import fnmatch
import logging
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from weir_server import find_weir_bin
from weir_server._admin import Admin, PurgeError
from weir_server.django import views
from weir_server.django.conf import conf

logger = logging.getLogger("weir_server")

MIDDLEWARE = ("weir_server.django.WeirMiddleware", "weir_server.django.middleware.WeirMiddleware")
# What they read from the database or answer themselves belongs to the page too.
READ_OR_ANSWER = (
    "Cache",
    "GZip",
    "Session",
    "Authentication",
    "Locale",
    "Redirect",
    "Flatpage",
    "CurrentSite",
    "ConditionalGet",
)
OWN_CACHE = "django.middleware.cache.FetchFromCacheMiddleware"
# The smallest buffer for a request's head that takes all that Weir lets through.
BUFFER = 32 * 1024
USUAL_BUFFER = 4096
PATIENCE = 3.0

Messages = Iterator[checks.CheckMessage]


def register_all() -> None:
    checks.register(listed(of_settings), "weir")
    checks.register(listed(of_middleware), "weir")
    checks.register(listed(of_views), "weir")
    checks.register(listed(of_deployment), "weir", deploy=True)
    checks.register(listed(of_the_session_cookie), "weir", deploy=True)
    # Commands do not run inside uWSGI, so they cannot see its options.
    for message in of_uwsgi(uwsgi_options()):
        logger.warning("%s (%s)", message.msg, message.id)


def listed(check: Callable[[], Messages]) -> Callable[..., Sequence[checks.CheckMessage]]:
    return lambda app_configs, **_: list(check())


def of_settings() -> Messages:
    try:
        conf()
    except ImproperlyConfigured as mistake:
        yield checks.Error(str(mistake), id="weir.E001")


def of_middleware() -> Messages:
    places = [at for at, name in enumerate(settings.MIDDLEWARE) if name in MIDDLEWARE]
    if not places:
        yield checks.Warning(
            "WeirMiddleware is not in MIDDLEWARE, so pages have no tags and changes purge nothing visitors see.",
            hint=f'Add "{MIDDLEWARE[0]}" as the first of MIDDLEWARE.',
            id="weir.W001",
        )
        return
    before = settings.MIDDLEWARE[: places[0]]
    early = [name for name in before if any(word in name.rpartition(".")[2] for word in READ_OR_ANSWER)]
    if early:
        yield checks.Warning(
            f"{early[0]} stands before WeirMiddleware: what it reads or answers has no tags.",
            hint="Make WeirMiddleware the first of MIDDLEWARE.",
            id="weir.W002",
        )
    if OWN_CACHE in settings.MIDDLEWARE and conf_or_none() is not None:
        yield checks.Warning(
            "Django's own cache of pages is on: a page from it has no tags, so changes do not purge it.",
            hint="Take UpdateCacheMiddleware and FetchFromCacheMiddleware out of MIDDLEWARE: Weir does their work.",
            id="weir.W004",
        )


def conf_or_none() -> Any:
    try:
        return conf()
    except ImproperlyConfigured:
        return None


def of_views() -> Messages:
    """What keeps the pages of a view with `@shared` from being shared, as far as its code shows it."""
    holes = getattr(conf_or_none(), "holes", False)
    for name, view in views.marked():
        template = None if holes else views.template_with_token(view)
        if template:
            yield checks.Warning(
                f"{name} is @shared, and its template {template} has a form with a CSRF token: "
                "its pages are never shared.",
                hint="Show the form on a page of its own, or load it into the page from one.",
                id="weir.W005",
            )
        reason = views.why_by_cookie(view)
        if reason:
            yield checks.Warning(
                f"{name} is @shared and {reason}, so its replies say Vary: Cookie: "
                "visitors who are signed in do not get them from the cache.",
                hint="Take @shared away, or what reads the visitor.",
                id="weir.W006",
            )


def of_deployment() -> Messages:
    if settings.DEBUG:
        yield checks.Warning("DEBUG is on: pages show it, and Weir shares them.", id="weir.W003")
    known = conf_or_none()
    for address in (known.admin or ()) if known and known.purge else ():
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        except (OSError, ValueError) as error:
            yield checks.Warning(
                f"Nothing answers at {address}, where changes are to be purged: {error}.",
                hint='WEIR["ADMIN"] names the admin listener of a running Weir.',
                id="weir.W007",
            )


def of_the_session_cookie() -> Messages:
    """Weir must take it for one visitor's: for one that it ignores, all visitors would get one page."""
    found = kind_in_a_running_weir() or kind_in_the_lists()
    if found and found[0] != "personal":
        yield checks.Error(
            f"Weir does not take the session cookie {settings.SESSION_COOKIE_NAME} for one visitor's own: "
            f"its kind is {found[0]!r}, {found[1]}. Visitors could get each other's pages.",
            hint=f'Set cookies = {{ personal = ["{settings.SESSION_COOKIE_NAME}"] }} in the location\'s cache, '
            "or use manage.py weir, which does.",
            id="weir.E003",
        )


def kind_in_a_running_weir() -> tuple[str, str] | None:
    known = conf_or_none()
    if not known or not known.admin:
        return None
    host = next((name for name in settings.ALLOWED_HOSTS if "*" not in name), "localhost").removeprefix(".")
    try:
        cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}=x"
        found = Admin(known.admin, known.token_file).explain(f"http://{host}/", [cookie], timeout=PATIENCE)
    except PurgeError:
        return None
    for one in found:
        for step in one.steps:
            name, _, kind = step["found"].partition(": ")
            if step["step"] == "cookie" and name == settings.SESSION_COOKIE_NAME:
                return kind.partition(":")[0].split()[0], f"at {one.address}"
    return None


def kind_in_the_lists() -> tuple[str, str] | None:
    try:
        shown = subprocess.run(
            [find_weir_bin(), "show", "cookies"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    kind = "personal"
    for line in shown.splitlines():
        if line and not line.startswith(" "):
            kind = line.partition(":")[0]
        elif line.strip() and fnmatch.fnmatchcase(settings.SESSION_COOKIE_NAME, line.strip()):
            return kind, "unless its settings say otherwise"
    return None


def uwsgi_options() -> Mapping[str, Any] | None:
    try:
        import uwsgi  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return None
    return dict(uwsgi.opt)


def of_uwsgi(options: Mapping[str, Any] | None) -> Messages:
    if options is None:
        return
    if not options.get("enable-threads") and not options.get("threads"):
        yield checks.Error(
            "uWSGI runs without threads, so no purge is sent; set enable-threads.",
            id="weir.E002",
        )
    given = options.get("buffer-size", USUAL_BUFFER)
    text = given.decode("ascii", "replace") if isinstance(given, bytes) else str(given)
    size = int(text) if text.isdigit() else USUAL_BUFFER
    if size < BUFFER:
        yield checks.Warning(
            f"uWSGI's buffer-size is {size} bytes: requests with more in their head fail with 502. "
            "Set buffer-size = 65535.",
            id="weir.W008",
        )
