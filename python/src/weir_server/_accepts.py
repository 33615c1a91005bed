"""Notices that a view of Starlette or FastAPI looks at what its visitor accepts: its reply must say so in Vary, or the
first visitor would choose for all.
"""

import sys
from collections.abc import Callable
from typing import Any

# What the application is shown of a visitor while it makes a shared page (`weir show fields`), but for the coding,
# which is Weir's own matter.
FIELDS = frozenset(
    "accept accept-charset accept-language accept-datetime user-agent prefer dnt sec-gpc save-data device-memory dpr"
    " viewport-width width downlink ect rtt sec-ch-ua sec-ch-ua-arch sec-ch-ua-bitness sec-ch-ua-form-factors"
    " sec-ch-ua-full-version sec-ch-ua-full-version-list sec-ch-ua-mobile sec-ch-ua-model sec-ch-ua-platform"
    " sec-ch-ua-platform-version sec-ch-ua-wow64 sec-ch-prefers-color-scheme sec-ch-prefers-reduced-motion"
    " sec-ch-prefers-reduced-transparency sec-ch-device-memory sec-ch-dpr sec-ch-viewport-height sec-ch-viewport-width"
    " sec-ch-width".split()
)
AGENT = "user-agent"
# Nobody knows here whether a view asks, or what writes a log.
ACCEPTS = FIELDS - {AGENT}
# It asks for the parameters of a view.
ASKS_FOR_VIEWS = "fastapi."


def watch(note: Callable[[str], None]) -> None:
    """Calls `note` with the name of the field. Call it often: Starlette may be imported later."""
    module = sys.modules.get("starlette.datastructures")
    headers = getattr(module, "Headers", None)
    if headers is None or hasattr(headers, "weir_usual"):
        return
    get, all_of = headers.__getitem__, headers.getlist

    def getitem(self: Any, key: str) -> str:
        if counts(key.lower()):
            note(key.lower())
        found: str = get(self, key)
        return found

    def getlist(self: Any, key: str) -> list[str]:
        if counts(key.lower()):
            note(key.lower())
        found: list[str] = all_of(self, key)
        return found

    headers.weir_usual = get
    headers.__getitem__, headers.getlist = getitem, getlist


def counts(field: str) -> bool:
    """Whether whoever asks for this field makes the page. Call it where it is asked for."""
    if field != AGENT:
        return field in ACCEPTS
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in ("_collections_abc", "collections.abc"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")).startswith(ASKS_FOR_VIEWS)
