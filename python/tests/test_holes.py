"""Forms in shared pages: one page for all, a token for each, and Django takes it."""

import base64
import gzip
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.middleware import csrf
from django.test import Client, override_settings

from running import Reply, Running, ask, copy_site, prepare_site, serving, weir
from weir_server.django import holes

OFFER = {"HTTP_WEIR_HOLES": "csrf"}
TOKEN = re.compile(r'csrfmiddlewaretoken" value="(\w+)"')


def unmask(token: str) -> str:
    return str(csrf._unmask_cipher_token(token))  # type: ignore[attr-defined]


def page(path: str = "/letter/", **more: Any) -> Any:
    return Client().get(path, **{**OFFER, **more})


@pytest.mark.usefixtures("filled")
def test_a_token_becomes_a_declared_hole() -> None:
    one, other = page(), page()
    marks = []
    for response in (one, other):
        declared = response["Weir-Holes"]
        mark = declared.split('mark="')[1].split('"')[0]
        marks.append(mark)
        assert declared == (f'csrf;mark="{mark}";cookie="csrftoken";max-age=31449600;path="/";samesite="Lax"')
        assert response.content.decode().count(mark) == 2, "in the form, and for htmx"
        assert not response.cookies and "Cookie" not in response.get("Vary", "")
        assert response["Weir-Cache-Control"] == "max-age=86400", "it is kept"
    assert marks[0] != marks[1], "nobody who writes a part of a page can know the mark"


@pytest.mark.usefixtures("filled")
def test_attributes_are_those_of_the_settings() -> None:
    with override_settings(
        CSRF_COOKIE_NAME="__Secure-token",
        CSRF_COOKIE_AGE=None,
        CSRF_COOKIE_PATH="/shop",
        CSRF_COOKIE_DOMAIN=".example.com",
        CSRF_COOKIE_SECURE=True,
        CSRF_COOKIE_HTTPONLY=True,
        CSRF_COOKIE_SAMESITE="Strict",
    ):
        declared = re.sub(r'mark="\w{64}";', "", page()["Weir-Holes"])
    expected = 'csrf;cookie="__Secure-token";path="/shop";domain=".example.com";secure;httponly;samesite="Strict"'
    assert declared == expected


@pytest.mark.usefixtures("filled")
def test_without_an_offer_django_does_what_it_always_does() -> None:
    for asked in ({}, {"HTTP_WEIR_HOLES": "other"}):
        response = Client().get("/letter/", **asked)
        assert "Weir-Holes" not in response and "Cookie" in response["Vary"]
        token = TOKEN.search(response.content.decode())
        assert token is not None and unmask(token[1]) == response.cookies["csrftoken"].value
    client = Client()
    client.cookies["csrftoken"] = "a" * 32
    assert "Weir-Holes" not in client.get("/letter/", **OFFER), "the cookie is in the key, or nobody hides it"
    with override_settings(WEIR={"HOLES": False}):
        assert "csrftoken" in page().cookies
    session = ["django.contrib.sessions.middleware.SessionMiddleware"]
    from django.conf import settings

    with override_settings(
        CSRF_USE_SESSIONS=True,
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[settings.MIDDLEWARE[0], *session, *settings.MIDDLEWARE[1:]],
    ):
        response = page()
        assert "Weir-Holes" not in response and "sessionid" in response.cookies


@pytest.mark.usefixtures("filled")
def test_a_page_that_cannot_be_shared_is_its_visitors_own_and_works() -> None:
    def streamed(response: Any) -> str:
        return TOKEN.search(b"".join(response).decode())[1]  # type: ignore[index]

    def shown(response: Any) -> str:
        return TOKEN.search(response.content.decode())[1]  # type: ignore[index]

    def hidden(response: Any) -> str:
        return base64.b64decode(response.content).decode()

    for path, token_in in (
        ("/letter/streamed/", streamed),
        ("/letter/hidden/", hidden),
        ("/letter/visited/", shown),
        ("/letter/told/", lambda response: response["X-CSRFToken"]),
    ):
        client = Client(enforce_csrf_checks=True)
        response = client.get(path, **OFFER)
        assert "Weir-Holes" not in response and "Cookie" in response["Vary"], path
        token = token_in(response)
        assert unmask(token) == response.cookies["csrftoken"].value
        form = {"address": "a@example.com", "csrfmiddlewaretoken": token}
        assert client.post("/letter/", form).status_code == 200, path
        assert client.post("/letter/", {**form, "csrfmiddlewaretoken": "a" * 64}).status_code == 403


@pytest.mark.usefixtures("filled")
def test_what_django_compressed_is_sent_plain_and_304_has_no_hole() -> None:
    response = page("/letter/zipped/", HTTP_ACCEPT_ENCODING="gzip")
    mark = response["Weir-Holes"].split('mark="')[1].split('"')[0]
    assert response.content.decode().count(mark) == 2
    assert "Content-Encoding" not in response
    assert response["Content-Length"] == str(len(response.content))
    plain = Client().get("/letter/zipped/", HTTP_ACCEPT_ENCODING="gzip")
    assert gzip.decompress(plain.content)
    unchanged = page("/letter/unchanged/", HTTP_IF_NONE_MATCH='"v1"')
    assert unchanged.status_code == 304 and "Weir-Holes" not in unchanged and not unchanged.cookies


def test_any_token_is_one_of_a_secret() -> None:
    for _ in range(100):
        hole = holes.Hole()
        assert csrf._does_token_match(hole.secret.token, str(hole.secret))  # type: ignore[attr-defined]


# Through Weir.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("holes")
    directory, state = copy_site(base / "site"), base / "state"
    state.mkdir()
    env = {"SITE_STATE": str(state), "WEIR_BIN": weir()}
    prepare_site(directory, {**os.environ, **env})
    command = [sys.executable, "manage.py", "weir", "--server", "uwsgi"]
    with serving(command, base / "run", directory, env, "/authors/") as running:
        yield running


class Visitor:
    """With a browser's memory for the one cookie."""

    def __init__(self, site: Running, cookie: str | None = None) -> None:
        self.site, self.cookie = site, cookie

    def headers(self) -> dict[str, str]:
        return {} if self.cookie is None else {"Cookie": f"_ga=1; csrftoken={self.cookie}"}

    def get(self, path: str = "/letter/") -> tuple[Reply, str]:
        reply = self.site.get(path, **self.headers())
        assert reply.status == 200
        if "set-cookie" in reply.headers:
            name, value = reply.headers["set-cookie"].split(";")[0].split("=")
            assert name == "csrftoken"
            self.cookie = value
        token = TOKEN.search(reply.body.decode())
        assert token is not None
        return reply, token[1]

    def post(self, token: str) -> int:
        form = {"Content_Type": "application/x-www-form-urlencoded", **self.headers()}
        body = f"address=a%40example.com&csrfmiddlewaretoken={token}".encode()
        return ask(self.site.port, "/letter/", "POST", body, **form).status

    def post_by_script(self, token: str) -> int:
        return ask(
            self.site.port,
            "/letter/",
            "POST",
            b"address=x",
            X_CSRFToken=token,
            Content_Type="application/x-www-form-urlencoded",
            **self.headers(),
        ).status


@pytest.mark.parametrize("path", ["/letter/", "/letter/shared/", "/letter/zipped/"])
def test_a_shared_form_is_accepted_from_each_and_a_forged_one_refused(site: Running, path: str) -> None:
    visitors = [
        Visitor(site),
        Visitor(site),
        Visitor(site, "b" * 32),
        Visitor(site, "x" * 10),
        Visitor(site, "c" * 64),
    ]
    tokens = []
    for number, visitor in enumerate(visitors):
        reply, token = visitor.get(path)
        assert ("hit" if number else "fwd-status=200") in reply.cache, reply.cache
        assert reply.headers["cache-control"] == "private, no-cache"
        assert not [name for name in reply.headers if name.startswith(("weir-", "etag"))], reply.headers
        tokens.append(token)
    assert visitors[2].cookie == "b" * 32, "a good cookie stays"
    assert visitors[3].cookie != "x" * 10, "a broken one is replaced"
    assert visitors[4].cookie == "c" * 64, "one from before Django 4.1 is understood"
    for number, visitor in enumerate(visitors):
        for other, token in enumerate(tokens):
            expected = 200 if other == number else 403
            assert visitor.post(token) == expected, (number, other)
            assert visitor.post_by_script(token) == expected
        assert visitor.post("b" + "a" * 63) == 403
        again, token = visitor.get(path)
        # A POST that succeeded has made the page at its own address stale.
        assert ("hit" in again.cache or path == "/letter/") and "set-cookie" not in again.headers
        assert token not in tokens and visitor.post(token) == 200
    assert Visitor(site).post(tokens[0]) == 403, "without the cookie"


def test_a_form_is_not_shared_where_something_else_is_one_visitors(
    site: Running,
) -> None:
    for path in ("/letter/streamed/", "/letter/visited/"):
        for _ in range(2):
            reply = site.get(path)
            assert "stored" not in reply.cache and "set-cookie" in reply.headers, (
                path,
                reply,
            )


def test_a_change_is_seen_in_a_page_with_a_form(site: Running) -> None:
    visitor = Visitor(site)
    before, _ = visitor.get()
    body = b'{"kind": "create", "model": "Tag", "seed": 77, "frame": "plain"}'
    assert ask(site.port, "/change/", "POST", body).status == 200
    after, token = visitor.get()
    assert "fwd-status=200" in after.cache and after.body[:20] != before.body[:20]
    assert visitor.post(token) == 200
