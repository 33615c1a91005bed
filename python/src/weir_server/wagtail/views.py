"""The page of the editor that says whether a live page is cached, why not, and since when."""

import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from wagtail.models import Page

from weir_server import PurgeError
from weir_server._admin import Explanation
from weir_server.django.changes import sender

# The page is asked for once at each edge; an editor waits no longer for that.
PATIENCE = 10.0


def cache_of(request: HttpRequest, pk: int) -> HttpResponse:
    page = get_object_or_404(Page, pk=pk).specific
    if not page.permissions_for_user(request.user).can_edit():
        raise PermissionDenied
    context: dict[str, Any] = {"page": page, "url": page.full_url, "edges": [], "error": None}
    if page.live and page.full_url:
        try:
            found = sender().admin.explain(page.full_url, timeout=PATIENCE)
            context["edges"] = [(one, *in_words(one)) for one in found]
        except PurgeError as error:
            context["error"] = str(error)
    return TemplateResponse(request, "weir_wagtail/page.html", context)


def in_words(found: Explanation) -> tuple[str, datetime.datetime | None]:
    """What the edge does for a visitor who is not signed in, and since when the page is stored."""
    age = found.age
    since = None if age is None else timezone.now() - datetime.timedelta(seconds=age)
    if found.verdict == "hit":
        return "Cached", since
    if found.is_cached:
        return "Cached, but out of date: it is made again with the next request", since
    if found.is_storable:
        return "Not cached at the moment: the next visitor's request makes the page, and stores it", None
    return "Not cached", None
