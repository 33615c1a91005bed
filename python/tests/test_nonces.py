"""Nonces of a Content-Security-Policy in shared pages: each visitor gets another one, in the page and in its policy."""

import gzip
import os
import re
import secrets
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client, override_settings

from running import Reply, Running, ask, copy_site, prepare_site, serving, weir

OFFER = {"HTTP_WEIR_HOLES": "csrf, value, nonce"}
NONCE = re.compile(r"nonce[-=][\"']?([^\"';]+)")


def page(path: str, **more: Any) -> Any:
    return Client().get(path, **{**OFFER, **more})


def nonces(body: bytes, policy: str) -> set[str]:
    return {*NONCE.findall(body.decode()), *NONCE.findall(policy)}


@pytest.mark.usefixtures("filled")
def test_a_nonce_becomes_a_declared_hole() -> None:
    marks = set()
    for path, more in (
        ("/policy/", {}),
        ("/policy/", {}),
        ("/policy/form/", {}),
        ("/policy/zipped/", {"HTTP_ACCEPT_ENCODING": "gzip"}),
    ):
        response = page(path, **more)
        (mark,) = nonces(response.content, response["Content-Security-Policy"])
        assert len(mark) == 64 and f'nonce;mark="{mark}"' in response["Weir-Holes"]
        assert "Content-Encoding" not in response
        assert response["Weir-Cache-Control"] == "max-age=86400", "it is kept"
        assert response["Weir-Holes"].startswith("csrf;") == (path == "/policy/form/")
        marks.add(mark)
    assert len(marks) == 4


@pytest.mark.usefixtures("filled")
def test_what_cannot_have_a_hole_stays_as_it_is() -> None:
    for path, more in (
        ("/policy/", {"HTTP_WEIR_HOLES": "csrf, value"}),
        ("/policy/streamed/", {}),
        ("/policy/short/", {}),
    ):
        response = page(path, **more)
        assert "Weir-Holes" not in response, path
        assert len(nonces(response.getvalue(), response["Content-Security-Policy"])) == 1
    with override_settings(WEIR={"HOLES": False}):
        assert "Weir-Holes" not in page("/policy/")
    assert "Weir-Holes" not in Client().post("/policy/", **OFFER)


def policy(nonce: str) -> str:
    return f"script-src 'nonce-{nonce}'"


def test_a_nonce_of_flask_becomes_a_declared_hole() -> None:
    from flask import Flask, Response

    from weir_server.flask import Weir

    app = Flask("policies")
    app.config["WEIR"] = {"TTL": "1d", "ADMIN": "127.0.0.1:1"}
    Weir(app)

    @app.get("/")
    def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        return Response(f'<script nonce="{nonce}">', headers={"Content-Security-Policy": policy(nonce)})

    reply = app.test_client().get("/", headers={"Weir-Holes": "csrf, value, nonce"})
    (mark,) = nonces(reply.data, reply.headers["Content-Security-Policy"])
    assert reply.headers["Weir-Holes"] == f'nonce;mark="{mark}"' and len(mark) == 64
    assert reply.headers["Content-Length"] == str(len(reply.data))
    assert reply.headers["Weir-Cache-Control"] == "max-age=86400"
    plain = app.test_client().get("/", headers={"Weir-Holes": "csrf, value"})
    (nonce,) = nonces(plain.data, plain.headers["Content-Security-Policy"])
    assert "Weir-Holes" not in plain.headers and len(nonce) == 22


@pytest.mark.parametrize("is_passed_on", [False, True])
def test_a_nonce_of_starlette_becomes_a_declared_hole(is_passed_on: bool) -> None:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import HTMLResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from weir_server.asgi import Weir

    async def page(request: Any) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        reply = HTMLResponse(f'<script nonce="{nonce}">', headers={"Content-Security-Policy": policy(nonce)})
        reply.headers.append("Content-Security-Policy", policy(nonce))
        return reply

    async def passed_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    between = [Middleware(BaseHTTPMiddleware, dispatch=passed_on)] if is_passed_on else []
    app = Weir(ttl="1d", admin="127.0.0.1:1")(Starlette(routes=[Route("/", page)], middleware=between))
    reply = TestClient(app).get("/", headers={"Weir-Holes": "csrf, value, nonce"})
    policies = reply.headers.get_list("Content-Security-Policy")
    (mark,) = nonces(reply.content, " ".join(policies))
    assert len(policies) == 2 and len(mark) == 64
    assert reply.headers["Weir-Holes"] == f'nonce;mark="{mark}"'
    assert reply.headers["Content-Length"] == str(len(reply.content))
    plain = TestClient(app).get("/")
    assert "Weir-Holes" not in plain.headers
    assert len(nonces(plain.content, plain.headers["Content-Security-Policy"])) == 1


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("nonces")
    directory, state = copy_site(base / "site"), base / "state"
    state.mkdir()
    env = {"SITE_STATE": str(state), "WEIR_BIN": weir()}
    prepare_site(directory, {**os.environ, **env})
    command = [sys.executable, "manage.py", "weir", "--server", "uwsgi"]
    with serving(command, base / "run", directory, env, "/authors/") as running:
        yield running


def shown(reply: Reply) -> str:
    body = gzip.decompress(reply.body) if "content-encoding" in reply.headers else reply.body
    (nonce,) = nonces(body, reply.headers["content-security-policy"])
    return nonce


@pytest.mark.parametrize("path", ["/policy/", "/policy/form/", "/policy/zipped/"])
def test_no_two_visitors_get_one_nonce(site: Running, path: str) -> None:
    seen = []
    for number, coding in enumerate(["identity", "gzip", "identity", "gzip", "br, gzip;q=0.5"]):
        reply = site.get(path, Accept_Encoding=coding)
        # The page may be long enough to be compressed: then there are two of it.
        expected = [["fwd=uri-miss"], ["hit", "fwd=vary-miss"], ["hit"]][min(number, 2)]
        assert any(word in reply.cache for word in expected), reply.cache
        assert "weir-holes" not in reply.headers and reply.headers["cache-control"] == "private, no-cache"
        seen.append(shown(reply))
    assert len(set(seen)) == len(seen)
    head = ask(site.port, path, "HEAD")
    (in_policy,) = NONCE.findall(head.headers["content-security-policy"])[:1]
    assert in_policy not in seen
    body = b'{"kind": "create", "model": "Tag", "seed": 78, "frame": "plain"}'
    assert ask(site.port, "/change/", "POST", body).status == 200
    assert "fwd-status=200" in site.get(path).cache


@pytest.mark.parametrize("path", ["/policy/streamed/", "/policy/short/"])
def test_a_page_whose_nonce_cannot_be_another_one_is_not_shared(site: Running, path: str) -> None:
    for _ in range(3):
        reply = site.get(path)
        assert reply.status == 200 and "hit" not in reply.cache.split(";")[1] and "stored" not in reply.cache
    assert "nonce" in reply.cache, reply.cache
