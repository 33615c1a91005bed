"""Named values in shared pages: each visitor is greeted by the own name, and nobody by another's."""

import base64
import hashlib
import hmac
import html
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.middleware.csrf import _unmask_cipher_token  # type: ignore[attr-defined]
from django.test import Client, RequestFactory, override_settings

from running import Browser, Reply, Running, ask, copy_site, prepare_site, serving, weir
from weir_server._values import COOKIE, Keys, Places

KEY = "a key for these tests that is long enough"
OFFER = {"HTTP_WEIR_HOLES": "csrf, value"}
GREETING = re.compile(r'<p id="hello" title="([^"]*)">Hello ([^<]*)</p>')


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    from weir_server.django import values

    file = tmp_path / "values.key"
    file.write_text(f"{KEY}\n{'o' * 32}\n")
    values.keys_of.cache_clear()
    with override_settings(WEIR={"VALUES": "shop.visitors.values", "VALUES_KEY_FILE": str(file), "TTL": "1d"}):
        yield Keys(str(file))
    values.keys_of.cache_clear()


def test_a_cookie_is_signed_as_the_edge_reads_it(keys: Keys) -> None:
    text = keys.sign({"name": "Ann", "city": "Köln"}, 1_700_000_000)
    payload, _, signature = text.partition(".")
    padded = payload + "=" * (-len(payload) % 4)
    assert base64.urlsafe_b64decode(padded).decode() == "1700000000\0name\0Ann\0city\0Köln"
    made = hmac.new(KEY.encode(), f"weir-values\0weir_values\0{payload}".encode(), hashlib.sha256).digest()
    assert signature == base64.urlsafe_b64encode(made).decode().rstrip("=")


def test_what_was_not_signed_or_has_expired_is_nothing(keys: Keys, tmp_path: Path) -> None:
    later = int(time.time()) + 60
    good = keys.sign({"name": "Ann"}, later)
    assert keys.values(good) == ({"name": "Ann"}, later)
    old = tmp_path / "old"
    old.write_text("o" * 32)
    assert keys.values(Keys(str(old)).sign({"name": "Ann"}, later)), "a key that was used before"
    other = tmp_path / "other"
    other.write_text("x" * 32)
    payload, _, signature = good.partition(".")
    eve = keys.sign({"name": "Eve"}, later).partition(".")[0]
    for forged in (
        None,
        "",
        "Ann",
        payload,
        f"{payload}.",
        f"{eve}.{signature}",
        f"{payload}.{signature[:-2]}",
        keys.sign({"name": "Ann"}, int(time.time())),
        Keys(str(other)).sign({"name": "Ann"}, later),
        "é.é",
    ):
        assert keys.values(forged) is None, forged
    assert not Keys() and Keys().values(good) is None


def test_what_no_cookie_and_no_page_can_hold(keys: Keys, tmp_path: Path) -> None:
    for name in ("", "a b", "ä", "x" * 41):
        with pytest.raises(ValueError, match="no name"):
            keys.sign({name: "x"}, 0)
    with pytest.raises(ValueError, match="too long"):
        keys.sign({f"n{number}": "x" * 300 for number in range(12)}, 0)
    signed = keys.sign({"name": "a\0b\n" + "ü" * 200}, int(time.time()) + 9)
    found = keys.values(signed)
    assert found and found[0]["name"] == "a b " + "ü" * 148, "one line, as long as Weir takes it"
    places = Places()
    marks = [places.mark("name", f"default {number}") for number in range(8)]
    assert len(set(marks[:7])) == 7 and marks[7] is None
    assert places.mark("name", "default 0") == marks[0]
    short = tmp_path / "short"
    short.write_text("short\n")
    with pytest.raises(ValueError, match="at least 32"):
        Keys(str(short))


@pytest.mark.usefixtures("filled", "keys")
def test_a_value_becomes_a_declared_hole() -> None:
    one, other = Client().get("/hello/", **OFFER), Client().get("/hello/", **OFFER)
    marks = []
    for response in (one, other):
        mark = re.search(r'value;mark="(\w{64})"', response["Weir-Holes"])
        assert mark
        marks.append(mark[1])
        expected = f'value;mark="{mark[1]}";cookie="weir_values";name="name";default=%"fri%c3%abnd %22 %25 <"'
        assert expected in response["Weir-Holes"] and response["Weir-Holes"].startswith("csrf;")
        assert response.content.decode().count(mark[1]) == 2
        assert response["Weir-Cache-Control"] == "max-age=86400" and not response.cookies
    assert marks[0] != marks[1]
    for more in ({}, {"HTTP_WEIR_HOLES": "csrf"}):
        response = Client().get("/hello/", **more)
        assert "value;" not in response.get("Weir-Holes", "")
        assert GREETING.search(response.content.decode()), "the default, as HTML"
        assert "fri&#x27;" not in response.content.decode() and "friënd &quot; % &lt;" in response.content.decode()


@pytest.mark.usefixtures("filled", "keys")
def test_pages_that_weir_cannot_fill_have_the_default() -> None:
    zipped = Client().get("/hello/zipped/", HTTP_ACCEPT_ENCODING="gzip", **OFFER)
    assert "Content-Encoding" not in zipped and "value;" in zipped["Weir-Holes"], "nothing hides the mark"
    latin = Client().get("/hello/latin/", **OFFER)
    assert "Weir-Holes" not in latin
    assert "Hello friënd".encode("latin-1") in latin.content and b"&quot; % &lt;" in latin.content


@pytest.mark.usefixtures("filled")
def test_the_cookie_follows_who_is_signed_in(keys: Keys) -> None:
    from shop.visitors import Visitor
    from weir_server.django import values

    def kept(user: Any, cookie: str | None) -> HttpResponse:
        request = RequestFactory().get("/")
        request.user = user
        if cookie:
            request.COOKIES[COOKIE] = cookie
        response = HttpResponse()
        values.keep(request, response)
        return response

    first = kept(Visitor("Ann"), None).cookies[COOKIE]
    assert first["httponly"] and first["samesite"] == "Lax" and first["max-age"] == 1_209_600
    found = keys.values(first.value)
    assert found and found[0] == {"name": "Ann"}
    assert not kept(Visitor("Ann"), first.value).cookies, "it says so already"
    assert keys.values(kept(Visitor("Ben"), first.value).cookies[COOKIE].value)[0] == {"name": "Ben"}  # type: ignore[index]
    soon = keys.sign({"name": "Ann"}, int(time.time()) + 1000)
    assert kept(Visitor("Ann"), soon).cookies, "renewed in time"
    assert kept(Visitor("Ann"), "forged").cookies
    gone = kept(Visitor(None), first.value).cookies[COOKIE]
    assert gone.value == "" and gone["max-age"] == 0
    assert not kept(Visitor(None), None).cookies
    assert not kept(None, first.value).cookies, "nobody has asked who it is"


# Through Weir.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("values")
    directory, state = copy_site(base / "site"), base / "state"
    state.mkdir()
    env = {"SITE_STATE": str(state), "WEIR_BIN": weir(), "XDG_STATE_HOME": str(base / "home")}
    prepare_site(directory, {**os.environ, **env})
    command = [sys.executable, "manage.py", "weir", "--server", "uwsgi"]
    with serving(command, base / "run", directory, env, "/authors/") as running:
        yield running
    assert (base / "home/weir/values.key").stat().st_mode & 0o777 == 0o600


def greeted(reply: Reply) -> str:
    assert reply.status == 200
    found = GREETING.search(reply.body.decode())
    assert found and found[1] == found[2], reply.body
    return html.unescape(found[1])


def test_a_shared_page_greets_each_by_the_own_name(site: Running) -> None:
    names = ["Ann", "Bénédicte <b>&\"'", "x" * 150]
    browsers = [Browser(site.port) for _ in names]
    for browser, name in zip(browsers, names, strict=True):
        assert browser.get("/letter/shared/").status == 200, "it gets a CSRF cookie"
        assert browser.post("/sign-in/", {"name": name}).status == 200
        assert {COOKIE, "sessionid"} <= set(browser.cookies)
    assert "fwd-status=200" in Browser(site.port).get("/hello/shared/").cache
    for _ in range(3):
        for browser, name in zip(browsers, names, strict=True):
            reply = browser.get("/hello/shared/")
            assert greeted(reply) == name
            assert "hit" in reply.cache, reply.cache
            assert reply.headers["cache-control"] == "private, no-cache"
        stranger = Browser(site.port).get("/hello/shared/")
        assert greeted(stranger) == 'friënd " % <' and "hit" in stranger.cache
    # The page that is not for all is made for each.
    assert greeted(browsers[0].get("/hello/")) == names[0]
    assert browsers[0].get("/sign-out/").status == 200
    assert browsers[0].cookies[COOKIE] in ("", '""')
    assert greeted(browsers[0].get("/hello/shared/")) == 'friënd " % <'
    # Another's cookie with one's own name is nobody's.
    forged = browsers[1].cookies[COOKIE][:-4] + "AAAA"
    assert greeted(site.get("/hello/shared/", Cookie=f"{COOKIE}={forged}")) == 'friënd " % <'


def signed_in(site: Running, name: str) -> Browser:
    browser = Browser(site.port)
    assert browser.get("/letter/shared/").status == 200, "it gets a CSRF cookie"
    assert browser.post("/sign-in/", {"name": name}).status == 200
    return browser


def test_a_shared_page_is_kept_that_only_those_ask_for_who_are_signed_in(site: Running) -> None:
    """The first reply has its visitor's own token and name in it. Then Weir asks for the page without cookies."""
    names = ["Ann", "Ben", "Cecilia"]
    browsers = [signed_in(site, name) for name in names]
    for turn in range(3):
        for browser, name in zip(browsers, names, strict=True):
            reply = browser.get("/hello/shared/?by=members")
            assert greeted(reply) == name
            token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', reply.body.decode())
            assert token and _unmask_cipher_token(token[1]) == browser.cookies["csrftoken"]
            assert turn == 0 or "hit" in reply.cache, reply.cache
    stranger = Browser(site.port).get("/hello/shared/?by=members")
    assert greeted(stranger) == 'friënd " % <' and "hit" in stranger.cache
    # A page that says that it is for all, and asks who it is for: each gets the own one, whatever was tried.
    for _ in range(4):
        for browser, name in zip(browsers, names, strict=True):
            reply = browser.get("/hello/members/")
            assert reply.body.decode() == f"only for {name}" and "hit" not in reply.cache, reply.cache
        assert Browser(site.port).get("/hello/members/").body.decode() == "only for None"


def test_a_link_that_works_once_works_whatever_cookies_its_visitor_has(site: Running) -> None:
    for number, cookies in enumerate(
        [{}, {"_ga": "1"}, {"csrftoken": "a" * 32}, {"django_language": "de", "_ga": "1"}]
    ):
        order = {"kind": "create", "model": "Tag", "seed": 90 + number, "frame": "plain"}
        assert ask(site.port, "/change/", "POST", json.dumps(order).encode()).status == 200
        name = re.findall(r"<p>([^<]+)</p>", site.get("/policy/").body.decode())[-1]
        visitor = Browser(site.port)
        visitor.cookies.update(cookies)
        reply = visitor.get(f"/link/{quote(name)}/")
        assert (reply.status, "sessionid" in visitor.cookies) == (302, True), (cookies, reply)
        assert greeted(visitor.get("/hello/")) == name
        assert visitor.get(f"/link/{quote(name)}/").status == 404
        assert "weir-acted" not in reply.headers


def test_the_view_and_its_queries_are_told_to_weir_alone(site: Running) -> None:
    reply = site.get("/authors/")
    assert not [name for name in reply.headers if name.startswith("weir-")]
