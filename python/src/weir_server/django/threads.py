"""Lets threads that a view starts note what they read for its page."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from weir_server.django.capture import recorder

_installed = False


def install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    start: Callable[..., None] = threading.Thread.start
    submit: Callable[..., Any] = ThreadPoolExecutor.submit

    def start_with(self: threading.Thread) -> None:
        if recorder() is not None:
            context, run = copy_context(), self.run
            self.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(self)

    def submit_with(self: ThreadPoolExecutor, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        if recorder() is not None:
            return submit(self, copy_context().run, call, *args, **more)  # type: ignore[no-any-return]
        return submit(self, call, *args, **more)  # type: ignore[no-any-return]

    threading.Thread.start = start_with  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_with  # type: ignore[method-assign,assignment]
