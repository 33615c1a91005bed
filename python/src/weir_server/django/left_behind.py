"""What a request leaves behind in its thread: a language or a time zone that was turned on for its visitor, and that
nobody has turned off again. Django leaves it there. The next page would be made in it, and be shared.
"""

from contextvars import ContextVar
from typing import Any

from django.utils import timezone
from django.utils.translation import trans_real

PLACES: tuple[Any, ...] = (trans_real._active, timezone._active)  # type: ignore[attr-defined]

# What the request before has left: where, what was there before it, and what is there now.
_left: ContextVar[tuple[tuple[Any, Any, Any], ...]] = ContextVar("weir_left", default=())


def begin() -> tuple[Any, ...]:
    """Takes away what the request before has left, unless something else has been put there since."""
    for place, before, left in _left.get():
        if getattr(place, "value", None) is not left:
            continue
        if before is None:
            del place.value
        else:
            place.value = before
    _left.set(())
    return tuple(getattr(place, "value", None) for place in PLACES)


def end(before: tuple[Any, ...]) -> None:
    """Only notes it: a streamed body may be made later."""
    now = [getattr(place, "value", None) for place in PLACES]
    left = [one for one in zip(PLACES, before, now, strict=True) if one[1] is not one[2]]
    if left:
        _left.set(tuple(left))
