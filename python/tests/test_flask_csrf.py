"""Forms of a Flask site in shared pages: each visitor's token is taken, and a forged one refused."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from running import REPOSITORY, Running, ask, serving, weir
from weir_server import _holes

SITE = REPOSITORY / "python/tests/flask_site"
TOKEN = re.compile(r'name="csrf_token" value="(\w+)"')
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def app() -> Any:
    sys.path.insert(0, str(SITE))
    import letters

    return letters.app


def token_in(page: str) -> str:
    found = TOKEN.search(page)
    assert found is not None, page
    return found[1]


def test_masks_are_those_of_django() -> None:
    from django.middleware import csrf

    for _ in range(100):
        secret = _holes.letters(_holes.SECRET)
        token = _holes.masked(secret)
        assert csrf._does_token_match(token, secret)  # type: ignore[attr-defined]
        assert _holes.unmasked(csrf._mask_cipher_secret(secret)) == secret  # type: ignore[attr-defined]
        assert _holes.secret_of(token) == _holes.secret_of(secret) == secret
    for wrong in (None, "", "a" * 31, "a" * 63, "a" * 65, "-" * 32, "é" * 32):
        assert _holes.secret_of(wrong) is None


def test_a_token_becomes_a_declared_hole_where_it_can(app: Any) -> None:
    offer = {"Weir-Holes": "csrf"}
    response = app.test_client().get("/", headers=offer)
    mark = token_in(response.text)
    expected = f'csrf;mark="{mark}";cookie="csrftoken";max-age=31536000;path="/";samesite="Lax"'
    assert response.headers["Weir-Holes"] == expected
    assert "Set-Cookie" not in response.headers and response.headers["Weir-Cache-Control"] == "max-age=86400"
    for path, headers in (("/", {}), ("/streamed", offer)):
        client = app.test_client()
        response = client.get(path, headers=headers)
        assert "Weir-Holes" not in response.headers and "Cookie" in response.headers["Vary"]
        token = token_in(response.text)
        assert client.post("/", data={"csrf_token": token}).status_code == 200
        assert client.post("/", headers={"X-CSRFToken": token}).status_code == 200
        assert client.post("/", data={"csrf_token": ("c" if token[0] == "b" else "b") + token[1:]}).status_code == 403
        assert client.post("/", data={"csrf_token": ""}).status_code == 403
        assert client.post("/").status_code == 403
        assert app.test_client().post("/", data={"csrf_token": token}).status_code == 403, "without the cookie"


def test_another_origin_is_refused(app: Any) -> None:
    client = app.test_client()
    data = {"csrf_token": token_in(client.get("/").text)}
    for origin, status in (("http://localhost", 200), ("http://evil.example", 403), ("null", 403)):
        assert client.post("/", data=data, headers={"Origin": origin}).status_code == status, origin
    secure = {"base_url": "https://localhost"}
    assert client.post("/", data=data, **secure).status_code == 403, "neither Origin nor Referer"
    for referer, status in (("https://localhost/page", 200), ("http://localhost/", 403), ("https://x/", 403)):
        response = client.post("/", data=data, headers={"Referer": referer}, **secure)
        assert response.status_code == status, referer
    assert client.post("/hook").status_code == 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    command = [weir(), "serve", "letters:app", "--python", sys.executable]
    with serving(command, tmp_path_factory.mktemp("letters"), SITE) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/shared"])
def test_a_shared_form_is_accepted_from_each_and_a_forged_one_refused(site: Running, path: str) -> None:
    visitors = []
    for number in range(3):
        reply = site.get(path)
        assert ("hit" if number or path == "/" else "fwd-status=200") in reply.cache, reply.cache
        cookie = reply.headers["set-cookie"].split(";")[0]
        visitors.append((cookie, token_in(reply.body.decode())))
    for cookie, _ in visitors:
        for other, token in visitors:
            reply = ask(site.port, "/", "POST", f"csrf_token={token}".encode(), Cookie=cookie, **FORM)
            assert reply.status == (200 if cookie == other else 403)


def test_a_form_is_not_shared_beside_a_session(site: Running) -> None:
    for _ in range(2):
        reply = site.get("/session")
        assert "stored" not in reply.cache and "set-cookie" in reply.headers
        assert token_in(reply.body.decode())
