"""Lets threads that a view starts note what they read for its page, and what they change for its reply.

Nothing else of the view's context goes along: what frameworks keep there is theirs.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps
from multiprocessing.pool import ThreadPool
from typing import Any

# Takes what a view's threads need, and returns what puts it there; None if no request is being answered.
Carrier = Callable[[], Callable[[], object] | None]

_carriers: list[Carrier] = []
# The methods of a pool of threads that take a function, under all others.
POOLED = ("apply_async", "_map_async", "imap", "imap_unordered")


def install(carrier: Carrier) -> None:
    _carriers.append(carrier)
    if len(_carriers) > 1:
        return
    start: Callable[..., None] = threading.Thread.start
    submit: Callable[..., Any] = ThreadPoolExecutor.submit

    def start_with(self: threading.Thread) -> None:
        self.run = carried(self.run)  # type: ignore[method-assign]
        start(self)

    def submit_with(self: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        return submit(self, carried(call), *args, **more)  # type: ignore[no-any-return]

    for name in POOLED:
        setattr(ThreadPool, name, carrying(getattr(ThreadPool, name)))
    threading.Thread.start = start_with  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_with  # type: ignore[method-assign,assignment]


def carrying(usual: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a pool, whose threads may be older than the page."""

    @wraps(usual)
    def method(self: ThreadPool, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return usual(self, carried(call), *args, **more)

    return method


def carried(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, for the request that is being answered here."""
    puts = [put for carrier in _carriers if (put := carrier()) is not None]
    if not puts:
        return call

    def elsewhere(*args: Any, **more: Any) -> Any:
        for put in puts:
            put()
        return call(*args, **more)

    # The thread may have other calls later.
    return lambda *args, **more: copy_context().run(elsewhere, *args, **more)
