"""Caches that applications have of their own: what a page takes from one has no tags, and may be old already.

Those of Django are in `weir_server.django.kept`.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

# Modules, the class of caches in each, and its methods that read. Flask-Caching uses cachelib.
KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "cachelib.base": ("BaseCache", ("get", "get_many", "get_dict", "has", "inc", "dec")),
    "fastapi_cache.types": ("Backend", ("get", "get_with_ttl")),
    "aiocache.base": ("BaseCache", ("get", "multi_get", "exists", "increment")),
    "dogpile.cache.region": ("CacheRegion", ("get", "get_multi", "get_or_create", "get_or_create_multi")),
}
_watched: set[str] = set()


def watch(note: Callable[[], None]) -> None:
    """Calls `note` whenever one is read. Call it often: modules may be imported later."""
    for module in KNOWN.keys() - _watched:
        if module in sys.modules:
            _watched.add(module)
            name, methods = KNOWN[module]
            watch_class(getattr(sys.modules[module], name), methods, note)


def watch_class(base: Any, methods: tuple[str, ...], note: Callable[[], None]) -> None:
    def subclassed(cls: Any, /, **more: Any) -> None:
        super(base, cls).__init_subclass__(**more)
        watch_methods(cls, methods, note)

    for cls in {base, *below(base)}:
        watch_methods(cls, methods, note)
    base.__init_subclass__ = classmethod(subclassed)


def below(cls: Any) -> Iterator[Any]:
    for one in type.__subclasses__(cls):
        yield one
        yield from below(one)


def watch_methods(cls: Any, methods: tuple[str, ...], note: Callable[[], None]) -> None:
    for name in methods:
        usual = cls.__dict__.get(name)
        if callable(usual):
            setattr(cls, name, noting(usual, note))


def noting(usual: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(usual)
    def reads(*args: Any, **more: Any) -> Any:
        note()
        return usual(*args, **more)

    return reads
