"""A page lives no longer than the links in it that expire."""

import datetime
import time
from typing import Any

import pytest

from weir_server._links import seconds_left


def at(seconds: float, form: str) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).strftime(form)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # S3, Google, Alibaba: by when it was signed.
        ("https://s3/a.png?X-Amz-Date={-600:%Y%m%dT%H%M%SZ}&X-Amz-Expires=3600&X-Amz-Signature=b", 3000),
        ("https://g/a.png?X-Goog-Date={0:%Y%m%dT%H%M%SZ}&X-Goog-Expires=600", 600),
        ("https://o/a.png?x-oss-date={0:%Y%m%dT%H%M%SZ}&x-oss-expires=600", 600),
        # Older ones, and CloudFront: by when it ends.
        ("https://s3/a.png?AWSAccessKeyId=A&Signature=b&Expires={3600}", 3600),
        ("https://c/a.png?Expires={60}&Signature=b&Key-Pair-Id=c", 60),
        # Azure.
        ("https://z/a.png?sv=2026&se={600:%Y-%m-%dT%H%%3A%M%%3A%SZ}&sig=b", 600),
        ("https://z/a.png?se={600:%Y-%m-%dT%H:%M:%SZ}&sp=r", 600),
        # The first of two.
        ("https://x/a.png?Expires={600}&se={60:%Y-%m-%dT%H:%M:%SZ}", 60),
        # It is over.
        ("https://s3/a.png?Expires={-5}", 0),
        # None that expires.
        ("/media/a.png", None),
        ("/media/a.png?v=2", None),
        ("/media/a.png?expires=never", None),
        ("https://s3/a.png?X-Amz-Expires=600", None),
        ("https://s3/a.png?X-Amz-Date=20261301T000000Z&X-Amz-Expires=600", None),
        ("https://s3/a.png?X-Amz-Date={0:%Y%m%dT%H%M%SZ}&X-Amz-Expires=x", None),
    ],
)
def test_for_how_long_a_link_may_be_shown(url: str, expected: float | None) -> None:
    import re

    def fill(found: "re.Match[str]") -> str:
        seconds, _, form = found[1].partition(":")
        return at(int(seconds), form) if form else str(int(time.time()) + int(seconds))

    left = seconds_left(re.sub(r"\{([^}]*)\}", fill, url))
    if expected is None:
        assert left is None
    else:
        assert left is not None and 0.9 * expected - 3 <= left <= 0.9 * expected + 1


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("left", "expected"), [(3600, 3240), (None, 86_400), (1, None)])
def test_a_page_of_django(left: int | None, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.files.storage import Storage
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory

    from weir_server.django import WeirMiddleware, middleware

    class Signed(Storage):
        def url(self, name: str | None) -> str:
            return f"https://s3/{name}" + (f"?Expires={int(time.time()) + left}" if left else "")

    def view(_: HttpRequest) -> HttpResponse:
        return HttpResponse(Signed().url("a.png"))

    monkeypatch.setattr(middleware.Visit, "can_be_purged", True)
    response: Any = WeirMiddleware(view)(RequestFactory().get("/"))
    control = response.get("Weir-Cache-Control")
    if expected is None:
        assert control is None
    else:
        assert control and expected - 5 <= int(control.removeprefix("max-age=")) <= expected
