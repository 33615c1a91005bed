"""Assertions for tests of a Django site, which need no running Weir.

    class NewsTests(WeirAssertions, TestCase):
        def test_front_page(self):
            self.assertShared("/")
            with self.assertPurges("/", "/news/7/", keeps=["/about/"]):
                Article.objects.get(pk=7).save()

With pytest: `assert_shared`, `assert_private`, `assert_purges`, and the fixture `client` of pytest-django.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections
from django.http import HttpRequest
from django.test import Client

from weir_server import _holes, _tags, _values, testing
from weir_server._admin import Admin, Outcome
from weir_server.django import changes, commits
from weir_server.django.purges import tag

__all__ = ["Purged", "WeirAssertions", "assert_private", "assert_purges", "assert_shared"]

# As Weir asks for a page to be shared: it fills the holes of pages that say where they are.
OFFER = {_holes.FIELD: _holes.OFFER}


def assert_shared(reply: Any) -> None:
    """Weir stores this reply of a test client, and gives it to other visitors."""
    testing.assert_shared(reply, **asked_by(reply))


def assert_private(reply: Any) -> None:
    """Weir gives this reply of a test client to nobody else."""
    testing.assert_private(reply, **asked_by(reply))


def asked_by(reply: Any) -> dict[str, bool]:
    """Whether the visitor was signed in."""
    request = getattr(reply, "wsgi_request", None) or getattr(reply, "asgi_request", None)
    if request is None:
        return {}
    return {"signed_in": is_personal(request), "authorization": "HTTP_AUTHORIZATION" in request.META}


def is_personal(request: HttpRequest) -> bool:
    """A cookie that Weir does not know tells visitors apart too."""
    known = {settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME, _values.COOKIE}
    return bool(set(request.COOKIES) - known)


@dataclass
class Purged:
    """What a block of code has purged."""

    tags: set[str] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)

    def hits(self, page: "Page") -> bool:
        paths = {urlsplit(url).path or "/" for url in self.urls}
        below = [urlsplit(url).path for url in self.prefixes]
        return bool(page.tags & self.tags) or page.path in paths or any(page.path.startswith(one) for one in below)


@dataclass(frozen=True)
class Page:
    path: str
    tags: frozenset[str]


@contextlib.contextmanager
def assert_purges(*what: Any, keeps: Iterable[Any] = (), client: Client | None = None) -> Iterator[Purged]:
    """The block purges each of `what`, after its commit, and none of `keeps`.

    Either may hold addresses of pages ("/news/7/"), which are asked for before, and tags, rows and models. Nothing is
    sent to Weir.
    """
    client = client or Client()
    wanted, kept = ([look(client, one) for one in group] for group in (what, keeps))
    with noting() as purged:
        yield purged
    missing = [one for one in wanted if not is_purged(purged, one)]
    gone = [one for one in kept if is_purged(purged, one)]
    said = f"; purged were: {', '.join(sorted(purged.tags | purged.urls | purged.prefixes)) or 'nothing'}"
    if missing:
        raise AssertionError(f"not purged: {', '.join(map(name_of, missing))}{said}")
    if gone:
        raise AssertionError(f"purged as well: {', '.join(map(name_of, gone))}{said}")


def look(client: Client, thing: Any) -> "Page | str":
    if isinstance(thing, str) and thing.startswith("/"):
        reply = client.get(thing, headers=OFFER)
        return Page(thing, frozenset(reply.headers.get("Surrogate-Key", "").split()))
    return tag(thing)


def is_purged(purged: Purged, one: "Page | str") -> bool:
    return purged.hits(one) if isinstance(one, Page) else one in purged.tags


def name_of(one: "Page | str") -> str:
    return one.path if isinstance(one, Page) else one


@contextlib.contextmanager
def noting() -> Iterator[Purged]:
    """Notes what is purged, also by a transaction that a test case never commits, and sends nothing."""
    purged = Purged()

    def deliver(tags: Iterable[str]) -> None:
        purged.tags.update(tags)

    def order(_: Admin, **names: Any) -> Outcome:
        purged.tags.update(names.get("tags", ()))
        purged.urls.update(names.get("urls", ()))
        purged.prefixes.update(names.get("prefixes", ()))
        return Outcome(complete=True)

    before = {one.alias: commits.pending(one).copy() for one in connections.all(initialized_only=True)}
    for one in connections.all(initialized_only=True):
        commits.pending(one).clear()
    with mock.patch.object(changes, "deliver", deliver), mock.patch.object(Admin, "purge", order):
        yield purged
    for one in connections.all(initialized_only=True):
        waiting = commits.pending(one)
        purged.tags.update(tag for _, tags in waiting for tag in tags)
        waiting[:0] = before.get(one.alias, [])
    purged.tags.discard(_tags.EVERYTHING)


class WeirAssertions:
    """For test cases of Django. A page is a reply, or its address, which the test's own client asks for."""

    client: Any

    def assertShared(self, page: Any) -> None:
        assert_shared(self._reply(page))

    def assertPrivate(self, page: Any) -> None:
        assert_private(self._reply(page))

    def assertPurges(self, *what: Any, keeps: Iterable[Any] = ()) -> contextlib.AbstractContextManager[Purged]:
        return assert_purges(*what, keeps=keeps)

    def _reply(self, page: Any) -> Any:
        return self.client.get(page, headers=OFFER) if isinstance(page, str) else page
