"""Gives each page the tags of what it was made from; lets the reply to a change wait until its purge is over."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.http import parse_http_date_safe

from weir_server import _tags
from weir_server._asker import VARIABLE, asker
from weir_server._reads import to_midnight
from weir_server._work import ACTED, FIELD, LEAD_ON, Work
from weir_server.django import accepts, capture, changes, holes, kept, left_behind, nonces, values
from weir_server.django.capture import Recorder
from weir_server.django.conf import conf
from weir_server.django.decorators import CONTROL, add_tags

READS = ("GET", "HEAD")
# Fields by which a page has spoken about its own lifetime.
SPOKEN = frozenset(
    (CONTROL.lower(), "cache-control", "cdn-cache-control", "surrogate-control", "x-accel-expires", "expires")
)
PURGE = "Weir-Purge"

Reply = Callable[[HttpRequest], HttpResponseBase]
ReplyLater = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class WeirMiddleware:
    """Put it first in MIDDLEWARE: what other middleware reads for a page counts too."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Reply | ReplyLater) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.later(request)
        visit = Visit(request)
        try:
            response = cast(Reply, self.get_response)(request)
        finally:
            visit.end()
        if visit.must_wait(response):
            visit.wait(response)
        return visit.tell(response)

    async def later(self, request: HttpRequest) -> HttpResponseBase:
        visit = Visit(request)
        try:
            response = await cast(ReplyLater, self.get_response)(request)
        finally:
            visit.end()
        if visit.must_wait(response):
            await sync_to_async(visit.wait, thread_sensitive=False)(response)
        return visit.tell(response)


class Visit:
    """One request."""

    def __init__(self, request: HttpRequest) -> None:
        self.reads = request.method in READS
        self.recorder: Recorder | None = None
        self.request = request
        self.asker = asker(request.META.get(VARIABLE))
        changes.sender().admin.meet(self.asker)
        self.hole = holes.open_hole(request) if self.reads else None
        self.places = values.open_places(request) if self.reads else None
        self.tokens: list[tuple[Callable[[Any], None], Any]] = []
        if self.asker is not None:
            # Not in tests of the site, which may turn on a language around a request.
            self.tokens.append((left_behind.end, left_behind.begin()))
        if self.reads:
            kept.watch_others()
            self.recorder, token = capture.begin()
            self.tokens.append((capture.end, token))
        self.work = Work() if conf().views else None
        if self.work is not None:
            self.tokens.append((capture.working.reset, capture.working.set(self.work)))
        self.tickets: changes.Tickets
        self.tickets, token = changes.begin()
        self.tokens.append((changes.end, token))

    def end(self) -> None:
        for undo, token in self.tokens:
            undo(token)

    def must_wait(self, response: HttpResponseBase) -> bool:
        """Who is led on by a link that changes something sees the change there too."""
        return bool(self.tickets) and (not self.reads or response.status_code in LEAD_ON)

    def wait(self, response: HttpResponseBase) -> None:
        """The page behind the redirect is then the new one, at every edge. Says so in a field."""
        deadline = time.monotonic() + conf().wait
        outcomes = [ticket.wait(max(0.0, deadline - time.monotonic())) for ticket in self.tickets]
        done = all(outcome is not None and outcome.complete for outcome in outcomes)
        response[PURGE] = "complete" if done else f"not complete within {conf().wait:g} s"

    def tell(self, response: HttpResponseBase) -> HttpResponseBase:
        if self.work is not None:
            match = self.request.resolver_match
            response[FIELD] = self.work.field(match._func_path if match else "")
        if self.hole is not None:
            self.hole.settle(response)
        if self.places is not None:
            values.settle(self.places, response)
        else:
            values.keep(self.request, response)
        if self.recorder is None:
            return response
        if self.tickets:
            response[ACTED] = "?1"
        nonces.settle(self.request, response)
        accepts.settle(self.request, response, self.recorder)
        tags = self.recorder.shown()
        if response.streaming and "Content-Length" not in response:
            # What its body reads is read later.
            tags = [_tags.EVERYTHING]
        if tags:
            if len(response.get("Surrogate-Key", "").split()) + len(tags) > _tags.MAX_TAGS:
                tags = [_tags.EVERYTHING]
            add_tags(response, tags)
        if self.recorder.reused:
            response[CONTROL] = as_kept(response)
        ttl = conf().ttl
        if ttl is not None and self.may_be_kept(response) and self.can_be_purged:
            response[CONTROL] = f"max-age={at_most(ttl, self.recorder)}"
        return response

    @property
    def can_be_purged(self) -> bool:
        """Where nobody can be told of a change, nothing is kept beyond what the location says."""
        return not conf().purge or changes.sender().admin.reaches(self.asker)

    def may_be_kept(self, response: HttpResponseBase) -> bool:
        return self.recorder is not None and may_be_kept(response, self.recorder)


def as_kept(response: HttpResponseBase) -> str:
    """The lifetime of a page from Django's cache: until it expires there."""
    left = (parse_http_date_safe(response.get("Expires", "")) or 0) - int(time.time())
    is_public = "public" in response.get(CONTROL, "")
    return f"{'public, s-maxage' if is_public else 'max-age'}={max(0, left)}"


def at_most(ttl: int, recorder: Recorder) -> int:
    """A page that asked for a date is kept until a day ends: that of the zone in use, of the machine, or of UTC; one
    with links that expire, until they do.
    """
    now = time.time()
    most = to_midnight(now, timezone.get_current_timezone(), None) if recorder.daily else ttl
    return int(min(ttl, most, recorder.until - now))


def may_be_kept(response: HttpResponseBase, recorder: Recorder) -> bool:
    """Whether the tags say everything that the page depends on, as far as can be known."""
    return (
        response.status_code == 200
        and isinstance(response, HttpResponse)
        and not response.streaming
        and not response.cookies
        and SPOKEN.isdisjoint(map(str.lower, response.headers))
        and not recorder.timed
        and recorder.until > time.time() + 1
    )
