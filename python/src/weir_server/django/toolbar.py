"""A panel for django-debug-toolbar: the tags of a page, whether it is shared and why not, and what it has purged.

DEBUG_TOOLBAR_PANELS = [..., "weir_server.django.toolbar.WeirPanel"]
"""

import re

from debug_toolbar.panels import Panel
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from weir_server import _holes, _nonces, _tags, testing
from weir_server._judge import Judged, judge
from weir_server.audit.advice import ADVICE
from weir_server.django import capture, changes
from weir_server.django.conf import conf
from weir_server.django.decorators import CONTROL
from weir_server.django.middleware import at_most, may_be_kept
from weir_server.django.testing import is_personal


class WeirPanel(Panel):
    title = "Weir"
    template = "weir_server/toolbar.html"
    is_async = True

    @property
    def nav_subtitle(self) -> str:
        return str(self.get_stats().get("short", ""))

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        recorder = capture.recorder()
        found = verdict(request, response, recorder)
        read = sorted(recorder.tags) if recorder else []
        shown = recorder.shown() if recorder else []
        self.record_stats(
            {
                "short": "shared" if found.reason is None else f"private: {found.reason}",
                "middleware": recorder is not None or request.method not in ("GET", "HEAD"),
                "reason": found.reason,
                "advice": ADVICE.get(found.reason or ""),
                "whom": "all visitors" if found.shared else "all visitors who are not signed in",
                "ttl": found.ttl,
                "timed": bool(recorder and recorder.timed),
                "tables": by_table(shown),
                "count": len(shown),
                "coarser": bool(recorder) and len(shown) < len(read),
                "purges": [sorted(ticket.tags - {_tags.EVERYTHING}) for ticket in changes.begun()],
            }
        )
        # The toolbar stands in this page now: nobody else is to get it.
        response[CONTROL] = "private"


def verdict(request: HttpRequest, response: HttpResponseBase, recorder: capture.Recorder | None) -> Judged:
    """What Weir would decide about this page without the toolbar."""
    fields = testing.fields_of(response)
    ttl = conf().ttl
    if recorder is not None and ttl is not None and may_be_kept(response, recorder):
        fields.append((CONTROL, f"max-age={at_most(ttl, recorder)}"))
    if request.method not in ("GET", "HEAD"):
        return Judged("method")
    personal, authorization = is_personal(request), "HTTP_AUTHORIZATION" in request.META
    body = b"" if response.streaming else testing.body_of(response)
    if can_have_holes(response):
        fields = with_hole(fields, body)
    return judge(response.status_code, fields, body, personal=personal, authorization=authorization)


def can_have_holes(response: HttpResponseBase) -> bool:
    """Weir asks without cookies. Instead of setting the CSRF cookie, such a page has a hole: `django.holes`."""
    only_token = not set(response.cookies) - {settings.CSRF_COOKIE_NAME}
    return conf().holes and not settings.CSRF_USE_SESSIONS and only_token and not response.streaming


def with_hole(fields: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    found = _nonces.nonces(value for name, value in fields if name in _nonces.POLICIES)
    fields = [*fields, *((_holes.FIELD, f'nonce;mark="{nonce}"') for nonce in found)]
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', body)
    if token is None:
        return fields
    kept = [(name, value) for name, value in fields if name.lower() != "set-cookie"]
    return [*kept, (_holes.FIELD, f'csrf;mark="{token[1].decode()}"')]


def by_table(tags: list[str]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for tag in tags:
        found.setdefault(_tags.table_of(tag), []).append(tag)
    return sorted((table, sorted(names)) for table, names in found.items())
