"""What `manage.py check` says about Weir."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from weir_server.django.conf import conf

MIDDLEWARE = ("weir_server.django.WeirMiddleware", "weir_server.django.middleware.WeirMiddleware")


def register_all() -> None:
    checks.register(of_settings, "weir")
    checks.register(of_deployment, "weir", deploy=True)


def of_settings(app_configs: Any, **_: Any) -> Sequence[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    try:
        conf()
    except ImproperlyConfigured as mistake:
        found.append(checks.Error(str(mistake), id="weir.E001"))
    places = [at for at, name in enumerate(settings.MIDDLEWARE) if name in MIDDLEWARE]
    if not places:
        found.append(
            checks.Warning(
                "WeirMiddleware is not in MIDDLEWARE, so pages have no tags and changes purge nothing visitors see.",
                hint=f'Add "{MIDDLEWARE[0]}" as the first of MIDDLEWARE.',
                id="weir.W001",
            )
        )
    elif places[0] > 0 and any("Cache" in name or "GZip" in name for name in settings.MIDDLEWARE[: places[0]]):
        found.append(
            checks.Warning(
                "Middleware before WeirMiddleware answers from a cache of its own: such pages have no tags.",
                hint="Make WeirMiddleware the first of MIDDLEWARE.",
                id="weir.W002",
            )
        )
    return found


def of_deployment(app_configs: Any, **_: Any) -> Sequence[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    if settings.DEBUG:
        found.append(checks.Warning("DEBUG is on: pages show it, and Weir shares them.", id="weir.W003"))
    try:
        import uwsgi  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return found
    if not uwsgi.opt.get("enable-threads") and not uwsgi.opt.get("threads"):
        found.append(
            checks.Error("uWSGI runs without threads, so no purge is sent; set enable-threads.", id="weir.E002")
        )
    return found
