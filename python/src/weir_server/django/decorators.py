"""What a view says of its own pages."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, cast

from django.http import HttpResponseBase

from weir_server.django.conf import seconds

View = TypeVar("View", bound=Callable[..., Any])

CONTROL = "Weir-Cache-Control"
TAGS = "Surrogate-Key"


def shared(ttl: int | str = "1d", swr: int | str | None = None, tags: Iterable[str] = ()) -> Callable[[View], View]:
    """The pages of this view are for everyone, for this long: those who are signed in get them too.

    `swr`: how long after that a page is served while one request refreshes it. `tags`: what the page shows that is
    not read from the database. A page with `Vary: Cookie` is never shared among those who are signed in.
    """
    control = f"public, s-maxage={seconds(ttl)}"
    if swr is not None:
        control += f", stale-while-revalidate={seconds(swr)}"
    names = tuple(tags)

    def mark(response: HttpResponseBase) -> None:
        if response.status_code < 400:
            response[CONTROL] = control
        add_tags(response, names)

    def decorate(view: View) -> View:
        marked = marking(view, mark)
        marked.weir_shared = True  # type: ignore[attr-defined]
        return marked

    return decorate


def private(view: View) -> View:
    """The pages of this view are for one visitor each."""

    def mark(response: HttpResponseBase) -> None:
        response[CONTROL] = "private"
        response["Cache-Control"] = "private"

    return marking(view, mark)


def marking(view: View, mark: Callable[[HttpResponseBase], None]) -> View:
    if inspect.iscoroutinefunction(view):
        awaited = cast(Callable[..., Awaitable[HttpResponseBase]], view)

        async def later(*args: Any, **more: Any) -> HttpResponseBase:
            response = await awaited(*args, **more)
            mark(response)
            return response

        return cast(View, functools.wraps(view)(later))

    def now(*args: Any, **more: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(*args, **more)
        mark(response)
        return response

    return cast(View, functools.wraps(view)(now))


def add_tags(response: HttpResponseBase, tags: Iterable[str]) -> None:
    known = response.get(TAGS, "").split()
    every = dict.fromkeys([*known, *tags])
    if every:
        response[TAGS] = " ".join(every)
