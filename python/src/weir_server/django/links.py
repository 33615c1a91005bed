"""Notes for how long the links may be shown that a page has from a storage of files: S3 and others sign them."""

import functools
from collections.abc import Callable
from typing import Any

from django.core.files.storage import Storage

from weir_server._caches import wrap_class
from weir_server._links import seconds_left
from weir_server.django import capture


def install() -> None:
    """Call it once."""
    if not hasattr(Storage, "weir_links"):
        Storage.weir_links = True  # type: ignore[attr-defined]
        wrap_class(Storage, ("url",), noting)


def noting(usual: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(usual)
    def url(*args: Any, **more: Any) -> Any:
        found = usual(*args, **more)
        recorder = capture.recorder()
        if recorder is not None and isinstance(found, str):
            left = seconds_left(found)
            if left is not None:
                recorder.keep_for(left)
        return found

    return url
