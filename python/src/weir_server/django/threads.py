"""Lets threads that a view starts note what they read for its page, and what they change for its reply."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial, wraps
from multiprocessing.pool import ThreadPool
from typing import Any

from weir_server.django.capture import recorder
from weir_server.django.changes import is_awaited

_installed = False
# The methods of a pool of threads that take a function, under all others.
POOLED = ("apply_async", "_map_async", "imap", "imap_unordered")


def install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    start: Callable[..., None] = threading.Thread.start
    submit: Callable[..., Any] = ThreadPoolExecutor.submit

    def start_with(self: threading.Thread) -> None:
        if is_answering():
            context, run = copy_context(), self.run
            self.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(self)

    def submit_with(self: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        if is_answering():
            return submit(self, copy_context().run, call, *args, **more)  # type: ignore[no-any-return]
        return submit(self, call, *args, **more)  # type: ignore[no-any-return]

    for name in POOLED:
        setattr(ThreadPool, name, carried(getattr(ThreadPool, name)))
    threading.Thread.start = start_with  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_with  # type: ignore[method-assign,assignment]


def is_answering() -> bool:
    return recorder() is not None or is_awaited()


def carried(usual: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a pool whose threads are older than the page: each call of its function is made for the page."""

    @wraps(usual)
    def method(self: ThreadPool, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        given = partial(within, copy_context(), call) if is_answering() else call
        return usual(self, given, *args, **more)

    return method


def within(context: Context, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
    # Two threads may not be in one context.
    return context.copy().run(call, *args, **more)
