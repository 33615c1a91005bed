"""The rules of `weir_server._judge`, held against a real Weir; the assertions that rest on them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from running import Running, serving, weir
from weir_server import testing
from weir_server._admin import Admin
from weir_server._judge import judge

APP = """
import json, urllib.parse
def app(environ, start_response):
    if environ["PATH_INFO"] == "/":
        start_response("200 OK", [])
        return [b""]
    order = json.loads(urllib.parse.unquote(environ["QUERY_STRING"]))
    start_response(f"{order['status']} Said", [tuple(one) for one in order["headers"]])
    return [order["body"].encode("latin-1")]
"""
HTML = ("Content-Type", "text/html; charset=utf-8")
CC, WEIR, CDN = "Cache-Control", "Weir-Cache-Control", "CDN-Cache-Control"
SESSION = "Cookie: sessionid=a"
BASIC = "Authorization: Basic YTpi"
FORM = '<form><input type="hidden" name="csrfmiddlewaretoken" value="x"></form>'
# Status, fields, body, fields of the request.
REPLIES: list[tuple[int, list[tuple[str, str]], str, str | None]] = [
    (200, [HTML], "a page", None),
    (200, [HTML], "a page", SESSION),
    (200, [HTML], "a page", BASIC),
    (200, [HTML, (CC, "public, max-age=60")], "a page", SESSION),
    (200, [HTML, (CC, "s-maxage=60")], "a page", SESSION),
    (200, [HTML, (CC, "max-age=60")], "a page", SESSION),
    (200, [HTML, (CC, "public")], "a page", BASIC),
    (200, [HTML, (CC, "must-revalidate, max-age=9")], "a page", BASIC),
    (200, [HTML, (CC, "s-maxage=60"), ("Vary", "Cookie")], "a page", SESSION),
    (200, [HTML, (CC, "s-maxage=60"), ("Vary", "Cookie")], "a page", None),
    (200, [HTML, ("Vary", "*")], "a page", None),
    (200, [HTML, ("Vary", "Accept-Language, Cookie")], "a page", None),
    (200, [HTML, (CC, "private")], "a page", None),
    (200, [HTML, (CC, "no-store")], "a page", None),
    (200, [HTML, (CC, "no-cache")], "a page", None),
    (200, [HTML, (CC, "max-age=0")], "a page", None),
    (200, [HTML, (CC, "max-age=0, no-cache, no-store, must-revalidate, private")], "a page", None),
    (200, [HTML, (CC, "max-age=1, max-age=2")], "a page", None),
    (200, [HTML, (CC, "max-age=soon")], "a page", None),
    (200, [HTML, (CC, 'max-age="60"')], "a page", None),
    (200, [HTML, (CC, 'private="Set-Cookie"'), ("Set-Cookie", "a=b")], "a page", None),
    (200, [HTML, ("Set-Cookie", "a=b")], "a page", None),
    (200, [HTML, (CC, "public=x, max-age=60")], "a page", SESSION),
    (200, [HTML, (CC, "max-age=60 private")], "a page", None),
    # One field counts, and what those below it say does not.
    (200, [HTML, (WEIR, "max-age=60"), (CC, "private")], "a page", None),
    (200, [HTML, (WEIR, "private"), (CC, "public, max-age=60")], "a page", None),
    (200, [HTML, (WEIR, "public, s-maxage=60")], "a page", SESSION),
    (200, [HTML, (WEIR, "max-age=60")], "a page", SESSION),
    (200, [HTML, (CDN, "no-store"), (CC, "max-age=60")], "a page", None),
    (200, [HTML, (WEIR, ""), (CC, "private")], "a page", None),
    (200, [HTML, ("X-Accel-Expires", "60"), (CC, "private")], "a page", None),
    (200, [HTML, ("X-Accel-Expires", "0"), (CC, "max-age=60")], "a page", None),
    (200, [HTML, ("X-Accel-Expires", "soon")], "a page", None),
    (200, [HTML, ("Expires", "0")], "a page", None),
    (200, [HTML, ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")], "a page", None),
    (200, [HTML, ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")], "a page", None),
    # Statuses.
    (301, [("Location", "/")], "", None),
    (303, [("Location", "/")], "", None),
    (303, [("Location", "/"), (CC, "max-age=9")], "", None),
    (404, [HTML], "none", None),
    (404, [HTML, (CC, "max-age=9")], "none", None),
    (403, [HTML, (CC, "max-age=9")], "no", None),
    (500, [HTML, (CC, "max-age=9")], "broken", None),
    # Forms.
    (200, [HTML], FORM, None),
    (200, [HTML, (CC, "max-age=60")], FORM, None),
    (200, [HTML, (CC, "public, max-age=60")], FORM, None),
    (200, [("Content-Type", "text/plain")], FORM, None),
    (200, [HTML], '<META content=x NAME = "CSRF-Token ">', None),
    (200, [HTML], """<body hx-headers='{"X-CSRFToken": "x"}'>""", None),
    (200, [HTML], "an article about name=&quot;csrf_token&quot;", None),
    (200, [HTML], '<a href="?name=csrf_token" title="csrf_token">', None),
    (200, [HTML, ("Content-Encoding", "br")], "x", None),
    # Others.
    (200, [("Content-Type", "text/event-stream")], "data: x", None),
    (200, [HTML, ("X-Accel-Buffering", "no")], "x", None),
    (200, [HTML, ("X-Accel-Redirect", "/files/x")], "x", None),
    (200, [HTML, ("Surrogate-Key", " ".join(f"t{number}" for number in range(257)))], "x", None),
    (200, [HTML, ("Surrogate-Key", "t" * 257)], "x", None),
    (200, [HTML, ("Cache-Tag", ",".join(f"t{number}" for number in range(256)))], "x", None),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("judge")
    (directory / "said.py").write_text(APP)
    command = [weir(), "serve", "said:app", "--python", sys.executable, "--server", "uwsgi"]
    with serving(command, directory / "run", directory) as running:
        yield running


def explained(site: Running, order: tuple[int, list[tuple[str, str]], str, str | None], monkeypatch: Any) -> Any:
    status, headers, body, asked = order
    question = json.dumps({"status": status, "headers": headers, "body": body})
    monkeypatch.setenv("WEIR_RUNTIME_DIR", str(site.log.parent))
    admin = Admin([f"127.0.0.1:{site.admin}"])
    return admin.explain(f"http://127.0.0.1/said?{quote(question)}", [asked] if asked else [], timeout=60)[0]


def test_a_real_weir_decides_the_same(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    differ = []
    for order in REPLIES:
        status, headers, body, asked = order
        found = explained(site, order, monkeypatch)
        own = judge(status, headers, body.encode(), personal=asked == SESSION, authorization=asked == BASIC)
        # Such a request goes to the application in any case, and its reply is judged then.
        theirs = None if found.is_storable else found.reason
        if own.reason != theirs:
            differ.append((order, own.reason, theirs))
    assert not differ, "\n".join(map(str, differ))


def test_the_session_cookie_as_a_running_weir_takes_it(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.test import override_settings

    from weir_server.django.checks import kind_in_a_running_weir

    monkeypatch.setenv("WEIR_RUNTIME_DIR", str(site.log.parent))
    address = f"127.0.0.1:{site.admin}"
    with override_settings(WEIR={"ADMIN": address}, SESSION_COOKIE_NAME="lang"):
        assert kind_in_a_running_weir() == ("splits", f"at {address}")
    with override_settings(WEIR={"ADMIN": address}):
        assert kind_in_a_running_weir() == ("personal", f"at {address}")


class Reply:
    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        self.status_code, self.headers, self.content = status, dict(headers), body


def test_assertions() -> None:
    page = Reply(200, [HTML], b"a page")
    testing.assert_shared(page)
    testing.assert_private(page, signed_in=True)
    with pytest.raises(AssertionError, match="shares this reply with all visitors who are not signed in"):
        testing.assert_private(page)
    with pytest.raises(AssertionError, match="does not share this reply: csrf-token"):
        testing.assert_shared(Reply(200, [HTML], FORM.encode()))
    public = Reply(200, [HTML, (CC, "public, max-age=60")])
    with pytest.raises(AssertionError, match=r"shares this reply with all visitors$"):
        testing.assert_private(public, signed_in=True)


def test_assertions_with_flask() -> None:
    from flask import Flask

    app = Flask("tested")
    app.add_url_rule("/", "page", lambda: "a page")
    app.add_url_rule("/form", "form", lambda: FORM)
    client = app.test_client()
    testing.assert_shared(client.get("/"))
    testing.assert_private(client.get("/form"))


def test_assertions_of_django(filled: Path) -> None:
    from django.test import Client

    from shop.models import Article, Author
    from weir_server.django import purge
    from weir_server.django.testing import WeirAssertions, assert_private, assert_purges, assert_shared

    case = WeirAssertions()
    case.client = Client()
    case.assertShared("/weather/")
    case.assertPrivate("/mine/")
    signed_in = Client()
    signed_in.cookies["sessionid"] = "a"
    assert_private(signed_in.get("/authors/"))
    assert_shared(signed_in.get("/weather/"))
    author = Author.objects.first()
    assert author is not None
    with case.assertPurges(f"/author/{author.slug}/", author, Author, keeps=["/places/"]):
        author.save()
    with assert_purges("weather", "/weather/", "/tag/1/", "/places/"):
        purge(tags=["weather"], urls=["http://localhost/tag/1/"], prefixes=["http://localhost/pla"])
    with (
        pytest.raises(AssertionError, match=r"not purged: /places/; purged were: shop.author"),
        assert_purges("/places/"),
    ):
        author.save()
    with pytest.raises(AssertionError, match="purged as well: /authors/"), assert_purges(keeps=["/authors/"]):
        author.save()
    with pytest.raises(AssertionError, match="purged were: nothing"), assert_purges(Article):
        pass


def test_assertions_in_a_test_case(filled: Path) -> None:
    """A test case of Django is one transaction, which is never committed."""
    from django.test import TestCase

    from shop.models import Author
    from weir_server.django.testing import WeirAssertions

    class Case(WeirAssertions, TestCase):
        # Of the others it would forbid the use, in this process to its end.
        databases = "__all__"

        def runTest(self) -> None:
            author = Author.objects.first()
            assert author is not None
            with self.assertPurges(author):
                author.save()

    Case.setUpClass()
    try:
        result = Case().run()
    finally:
        Case.tearDownClass()
    assert result is not None and result.wasSuccessful(), result.failures + result.errors
