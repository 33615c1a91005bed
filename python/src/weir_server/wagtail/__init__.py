"""Weir for Wagtail: add "weir_server.wagtail" to INSTALLED_APPS, beside "weir_server.django".

Publishing, unpublishing, moving and the rest purge by themselves what they change (`weir_server.django`). This adds
what pages of Wagtail need for that to be exact, a page of the editor that says whether the live page is cached, and a
backend for sites that use `wagtail.contrib.frontend_cache`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weir_server.wagtail.backend import WeirBackend

__all__ = ["WeirBackend"]


def __getattr__(name: str) -> Any:
    # Django imports this package before it has its settings.
    if name != "WeirBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from weir_server.wagtail.backend import WeirBackend

    return WeirBackend
