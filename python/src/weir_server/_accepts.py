"""Notices that a view of Starlette or FastAPI looks at what its visitor accepts: its reply must say so in Vary, or the
first visitor would choose for all.
"""

import sys
from collections.abc import Callable
from typing import Any

ACCEPTS = frozenset(("accept", "accept-language"))


def watch(note: Callable[[str], None]) -> None:
    """Calls `note` with the name of the field. Call it often: Starlette may be imported later."""
    module = sys.modules.get("starlette.datastructures")
    headers = getattr(module, "Headers", None)
    if headers is None or hasattr(headers, "weir_usual"):
        return
    get, all_of = headers.__getitem__, headers.getlist

    def getitem(self: Any, key: str) -> str:
        if key.lower() in ACCEPTS:
            note(key.lower())
        found: str = get(self, key)
        return found

    def getlist(self: Any, key: str) -> list[str]:
        if key.lower() in ACCEPTS:
            note(key.lower())
        found: list[str] = all_of(self, key)
        return found

    headers.weir_usual = get
    headers.__getitem__, headers.getlist = getitem, getlist
