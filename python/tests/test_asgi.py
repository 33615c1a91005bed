"""A FastAPI site with async sessions: what changes purges, in one process and through a real Weir; its forms."""

import asyncio
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from running import REPOSITORY, Running, ask, serving, weir

SITE = REPOSITORY / "python/tests/asgi_site"
PAGES = ["/", *(f"/note/s{number}" for number in range(1, 40, 2)), *(f"/topic/{number}" for number in range(1, 6))]
TOKEN = re.compile(r'name="csrf_token" value="(\w+)"')
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
CHANGES = int(os.environ.get("WEIR_CHANGES", "30"))
OFFER = {"Weir-Holes": "csrf"}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    os.environ["NOTES"] = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('notes')}/notes.sqlite3"
    sys.path.insert(0, str(SITE))
    import notes
    from sqlalchemy.pool import NullPool

    # Each run of an event loop has connections of its own.
    notes.engine.sync_engine.pool = NullPool(notes.engine.sync_engine.pool._creator)
    asyncio.run(notes.fill())
    yield notes


@pytest.fixture
def client(notes: Any) -> Any:
    from starlette.testclient import TestClient

    return TestClient(notes.app, follow_redirects=False)


def tags_of(response: Any) -> frozenset[str]:
    return frozenset(response.headers.get("Surrogate-Key", "").split())


def test_no_page_is_old_after_any_change(notes: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: set[str] = set()
    monkeypatch.setattr(notes.weir.watches[0], "deliver", gone.update)

    def fetch(page: str) -> tuple[bytes, frozenset[str]]:
        response = client.get(page)
        return response.content, tags_of(response)

    cache = {page: fetch(page) for page in PAGES}
    assert all(tags for _, tags in cache.values())
    survived = unchanged = 0
    kinds, chance = set(), random.Random(5)
    for seed in range(CHANGES):
        gone.clear()
        kind = asyncio.run(notes.make(seed))
        kinds.add(kind)
        assert kind != "back" or not gone
        assert kind != "savepoint" or ("topic:1" in gone and "topic:2" not in gone)
        for page in PAGES if seed % 4 == 0 else chance.sample(PAGES, 8):
            content, tags = cache[page]
            now = fetch(page)
            assert now[0] == content or tags & gone, (seed, kind, page, tags, gone)
            if now[0] == content:
                unchanged += 1
                survived += not tags & gone
            cache[page] = now
        cache.update({page: fetch(page) for page in PAGES if cache[page][1] & gone})
    assert len(kinds) == 9 or CHANGES < 30, kinds
    assert survived > 0.7 * unchanged, f"{survived} of {unchanged}"


def test_lifetimes(client: Any) -> None:
    assert client.get("/").headers["Weir-Cache-Control"] == "max-age=86400"
    streamed = client.get("/streamed")
    assert "Weir-Cache-Control" not in streamed.headers, "what it reads while it is sent is not known"
    assert client.get("/nowhere").headers.get("Weir-Cache-Control") is None
    weather = client.get("/weather")
    assert weather.headers["Weir-Cache-Control"] == "public, s-maxage=3600"
    assert tags_of(weather) == {"weather"}
    assert client.get("/mine").headers["Cache-Control"] == "private"


def test_the_reply_to_a_change_waits(notes: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []

    def purge(**given: Any) -> Any:
        from weir_server import Outcome

        asked.append(set(given["tags"]))
        return Outcome(complete=True)

    monkeypatch.setattr(notes.weir.sender.admin, "purge", purge)
    reply = client.post("/leave")
    assert (reply.status_code, reply.headers["Weir-Purge"]) == (302, "complete")
    assert len(asked) == 1 and {"note", "note:slug=s3"} <= asked[0]
    monkeypatch.setattr(notes.weir.site, "most", 0.05)
    monkeypatch.setattr(notes.weir.sender.admin, "purge", lambda **_: __import__("time").sleep(0.5) or purge(tags=[]))
    assert client.post("/leave").headers["Weir-Purge"] == "not complete within 0.05 s"


def test_other_applications_and_middleware(notes: Any) -> None:
    """Pure ASGI; with a middleware in between that passes the body on in pieces."""
    from starlette.applications import Starlette
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from weir_server.asgi import Weir, shared

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"surrogate-key", b"own")]})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    reply = TestClient(Weir(ttl=60)(plain)).get("/")
    assert (reply.text, reply.headers["Surrogate-Key"]) == ("ab", "own weir:any")
    assert "Weir-Cache-Control" not in reply.headers
    with pytest.raises(ValueError, match="not a time"):
        Weir(ttl="soon")

    @shared(tags=["page"])
    async def view(request: Any) -> PlainTextResponse:
        return PlainTextResponse("page")

    async def passing(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    weir = Weir(ttl=60)
    app = Starlette(routes=[Route("/", view), Route("/more", lambda request: PlainTextResponse("more"))])
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    app.add_middleware(weir)
    client = TestClient(app)
    assert client.get("/").headers["Weir-Cache-Control"] == "public, s-maxage=86400"
    assert client.get("/more").headers["Weir-Cache-Control"] == "max-age=60"


def token_in(page: str) -> str:
    found = TOKEN.search(page)
    assert found is not None, page
    return found[1]


def test_a_token_becomes_a_declared_hole(client: Any) -> None:
    response = client.get("/letter", headers=OFFER)
    mark = token_in(response.text)
    expected = f'csrf;mark="{mark}";cookie="csrftoken";max-age=31536000;path="/";samesite="Lax"'
    assert response.headers["Weir-Holes"] == expected and "Set-Cookie" not in response.headers
    own = client.get("/letter")
    assert "Weir-Holes" not in own.headers and own.headers["Vary"] == "Cookie"
    token = token_in(own.text)
    assert client.post("/letter", data={"csrf_token": token, "text": "a"}).json() == "sent a"
    assert client.post("/letter", files={"csrf_token": (None, token), "text": (None, "b")}).json() == "sent b"
    assert client.post("/letter", headers={"X-CSRFToken": token}).status_code == 200
    for forged in (("c" if token[0] == "b" else "b") + token[1:], token[:-1], "", "-" * 64):
        assert client.post("/letter", data={"csrf_token": forged}).status_code == 403
    assert (
        client.post("/letter", data={"csrf_token": token}, headers={"Origin": "http://evil.example"}).status_code == 403
    )
    client.cookies.clear()
    assert client.post("/letter", data={"csrf_token": token}).status_code == 403


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("asgi")
    env = {"NOTES": f"sqlite+aiosqlite:///{base}/notes.sqlite3"}
    fill = "import asyncio, notes; asyncio.run(notes.fill())"
    subprocess.run([sys.executable, "-c", fill], cwd=SITE, env={**os.environ, **env, "WEIR_ADMIN": "off"}, check=True)
    command = [weir(), "serve", "notes:app", "--python", sys.executable, "--server", "uvicorn"]
    with serving(command, base / "run", SITE, env) as running:
        yield running


def test_through_weir(site: Running) -> None:
    site.get("/note/s1")
    assert "hit; ttl=86" in site.get("/note/s1").cache
    chance = random.Random(3)
    for _ in range(CHANGES):
        reply = ask(site.port, f"/change?seed={chance.randrange(1 << 30)}", "POST", b"")
        assert reply.status == 200 and reply.headers.get("weir-purge", "complete") == "complete", reply
        for page in chance.sample(PAGES, 4):
            now = site.get(page, Cookie=f"session={chance.randrange(1 << 40)}")
            assert site.get(page).body == now.body, page
    site.get("/weather")
    assert "hit; ttl=3" in site.get("/weather", Cookie="session=a").cache
    assert ask(site.port, "/purge", "POST", b"").body == b"true"
    assert "hit" not in site.get("/weather").cache


def test_visitors_get_tokens_of_their_own_from_a_shared_page(site: Running) -> None:
    visitors = []
    for number in range(3):
        page = site.get("/letter")
        assert ("; hit" if number else "; fwd-status=200") in page.cache, page.cache
        visitors.append((page.headers["set-cookie"].partition(";")[0], token_in(page.body.decode())))
    for cookie, _ in visitors:
        for other, token in visitors:
            form = urlencode({"csrf_token": token, "text": "c"}).encode()
            reply = ask(site.port, "/letter", "POST", form, Cookie=cookie, **FORM)
            assert reply.status == (200 if cookie == other else 403), reply
