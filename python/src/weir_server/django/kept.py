"""What the application keeps between requests: a page that shows it has tags for it, or no long lifetime.

Django's caches hold what nobody knows the tags of, and let go of it when they like. A page that was made from them gets
the lifetime of its location. Whole pages that `cache_page` has kept live no longer than there. django-cacheops keeps
rows in a Redis of its own. `django.contrib.sites` keeps its rows in the process.
"""

import functools
from collections.abc import Callable
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.cache import BaseCache, caches

from weir_server import _caches, _tags
from weir_server.django import capture
from weir_server.django.conf import conf

# The keys of whole pages.
PAGES = "views.decorators.cache.cache_page."
READS = ("get", "get_many", "get_or_set", "has_key", "incr", "decr")
# One of Django's caches asks the store behind it.
_within: ContextVar[bool] = ContextVar("weir_within", default=False)


def install() -> None:
    """Call it once."""
    handler = type(caches)
    if hasattr(handler, "weir_caches"):
        return
    create: Callable[[Any, str], BaseCache] = handler.create_connection

    def create_connection(self: Any, alias: str) -> BaseCache:
        return watched(create(self, alias))

    handler.create_connection = create_connection  # type: ignore[method-assign]
    handler.weir_caches = True  # type: ignore[attr-defined]
    for known in caches.all(initialized_only=True):
        watched(known)
    if apps.is_installed("django.contrib.sites"):
        watch_sites()
    if apps.is_installed("cacheops"):
        signals: Any = import_module("cacheops.signals")
        signals.cache_read.connect(on_cacheops, dispatch_uid="weir")


def watched(cache: BaseCache) -> BaseCache:
    """The same cache, which says when a page reads something from it."""
    for name in READS:
        setattr(cache, name, noting(getattr(cache, name), is_many=name == "get_many"))
    return cache


def noting(read: Callable[..., Any], *, is_many: bool) -> Callable[..., Any]:
    @functools.wraps(read)
    def reads(*args: Any, **more: Any) -> Any:
        recorder = capture.recorder()
        if recorder is None:
            return read(*args, **more)
        name = "keys" if is_many else "key"
        key, args = (args[0], args[1:]) if args else (more.pop(name, ()), args)
        if is_many:
            # They may be given once.
            key = list(key)
        known = conf().caches
        if not all(str(one).startswith(known) for one in (key if is_many else (key,))):
            recorder.untold()
        token = _within.set(True)
        try:
            found = read(key, *args, **more)
        finally:
            _within.reset(token)
        if found is not None and str(key).startswith(PAGES):
            recorder.reused = True
        return found

    return reads


def watch_others() -> None:
    """Stores that the application asks past Django: Redis, MongoDB and the like. Call it often."""
    _caches.watch(note_other)


def note_other() -> None:
    recorder = capture.recorder()
    if recorder is not None and not _within.get():
        recorder.untold()


def on_cacheops(*, hit: bool, **_: Any) -> None:
    recorder = capture.recorder()
    if recorder is not None:
        # What is not there now may be there when the page is made the next time, and older than its tags.
        recorder.untold()


def watch_sites() -> None:
    from django.contrib.sites.models import Site, SiteManager

    current: Callable[..., Site] = SiteManager.get_current

    def get_current(self: SiteManager, request: Any = None) -> Site:
        found = current(self, request)
        label = Site._meta.label_lower
        for tag in (_tags.row(label, None, found.pk), _tags.any_row(label), label):
            capture.note(tag)
        return found

    SiteManager.get_current = get_current  # type: ignore[method-assign]
