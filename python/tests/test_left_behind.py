"""A page is not made in the language or the time zone of the visitor before."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone, translation

from weir_server.django import WeirMiddleware

# What each edge says.
EDGE = {"Weir-Admin": "off"}


@pytest.fixture(autouse=True)
def as_before(filled: object) -> Iterator[None]:
    yield
    ask()
    translation.deactivate()
    timezone.deactivate()


def view(request: HttpRequest) -> HttpResponse:
    """As middleware that asks a user's settings, and does nothing for others."""
    if wanted := request.GET.get("language"):
        translation.activate(wanted)
        timezone.activate(request.GET["zone"])
    return HttpResponse(f"{translation.get_language()} {timezone.get_current_timezone_name()}")


def ask(query: str = "", **more: str) -> str:
    fields = more or EDGE
    response: Any = WeirMiddleware(view)(RequestFactory().get(f"/?{query}", headers=fields))
    return str(response.content.decode())


def test_nothing_is_left_of_a_visitor() -> None:
    usual = ask()
    for _ in range(2):
        assert ask("language=de&zone=Asia/Tokyo") == "de Asia/Tokyo"
        assert ask() == usual
    assert ask("language=de&zone=Asia/Tokyo") == ask("language=de&zone=Asia/Tokyo") == "de Asia/Tokyo"


def test_what_the_process_has_chosen_stays() -> None:
    with translation.override("de"), timezone.override("Europe/Berlin"):
        assert ask() == ask() == "de Europe/Berlin"
        assert ask("language=en&zone=UTC") == "en UTC"
        assert ask() == "de Europe/Berlin"
    ask("language=de&zone=Asia/Tokyo")
    # Chosen since.
    translation.activate("en")
    timezone.activate("UTC")
    assert ask() == "en UTC"


def test_what_a_test_of_the_site_has_chosen_stays() -> None:
    assert ask("language=de&zone=UTC", Host="testserver") == "de UTC"
    with translation.override("de"):
        assert ask(Host="testserver").startswith("de ")


def test_an_async_site() -> None:
    async def later(request: HttpRequest) -> HttpResponse:
        return view(request)

    async def both() -> list[str]:
        middleware = WeirMiddleware(later)
        replies: list[Any] = []
        for query in ("", "language=de&zone=Asia/Tokyo", ""):
            replies.append(await middleware(RequestFactory().get(f"/?{query}", headers=EDGE)))  # type: ignore[misc]
        return [str(reply.content.decode()) for reply in replies]

    usual, other, again = asyncio.run(both())
    assert other == "de Asia/Tokyo" and again == usual
