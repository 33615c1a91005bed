"""Weir for Django: pages that may be kept for a day and are never old.

Add "weir_server.django" to INSTALLED_APPS, and "weir_server.django.WeirMiddleware" as the first of MIDDLEWARE.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weir_server.django.decorators import private, shared
    from weir_server.django.middleware import WeirMiddleware
    from weir_server.django.purges import purge, tag, wait
    from weir_server.django.values import visitor_value

__all__ = ["WeirMiddleware", "private", "purge", "shared", "tag", "visitor_value", "wait"]

PLACES = {
    "WeirMiddleware": "middleware",
    "private": "decorators",
    "purge": "purges",
    "shared": "decorators",
    "tag": "purges",
    "visitor_value": "values",
    "wait": "purges",
}


def __getattr__(name: str) -> Any:
    # Django imports this package before it has its settings.
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
