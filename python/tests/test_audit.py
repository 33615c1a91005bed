"""`python -m weir_server audit`: a site with every kind of fault, behind a real Weir."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.cookies import SimpleCookie
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from running import Running, free_port, serving, weir
from weir_server.audit.client import Answer
from weir_server.audit.crawl import is_action
from weir_server.audit.differ import differences
from weir_server.audit.page import Answers, leaks

LINKS = "good hello account time nonce form sharedform cookie private slow same old missing".split()
NEVER = ["/logout", "/delete/3", "/news?action=delete", "/hidden", "/unfollowed", "/beyond", "/scripted"]
HOME = "".join(f'<a href="/{name}">{name}</a>' for name in LINKS) + (
    '<a href="/logout">out</a><a href="delete/3">x</a><a href="/news?action=delete">x</a><a href="/hidden">x</a>'
    '<a href="/unfollowed" rel="nofollow">x</a><a href="/dead-end">x</a><a href="/scripted" hx-get="/x">x</a>'
    '<a href="http://example.com/elsewhere">x</a><a href="mailto:a@example.com">x</a><a href="/good#part">x</a>'
)
PUBLIC = ("Cache-Control", "public, max-age=3600")


class Site:
    """The application, which notes what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.methods: set[str] = set()

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        path = environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else "")
        self.asked[path] += 1
        self.methods.add(environ["REQUEST_METHOD"])
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("sessionid")
        name = found.value if found else ""
        status, fields, text = self.page(path, name)
        start(status, [("Content-Type", "text/plain" if path == "/robots.txt" else "text/html"), *fields])
        return [text.encode()]

    def page(self, path: str, name: str) -> tuple[str, list[tuple[str, str]], str]:
        token = secrets.token_hex(32)
        form = f'<form><input type="hidden" name="csrf_token" value="{token}"></form>'
        pages: dict[str, tuple[str, list[tuple[str, str]], str]] = {
            "/": ("200 OK", [], HOME),
            "/robots.txt": ("200 OK", [], "User-agent: *\nDisallow: /hidden\n"),
            "/good": ("200 OK", [], "the same"),
            "/hello": ("200 OK", [PUBLIC], f"<p>Hello {name or 'stranger'}</p>"),
            "/account": ("200 OK", [PUBLIC], f"<p>Account of {name}</p>"),
            "/time": ("200 OK", [], f"<p>It is {time.time():.6f}</p>"),
            "/nonce": ("200 OK", [], f'<script nonce="{secrets.token_urlsafe(16)}">x()</script>'),
            "/form": ("200 OK", [], form),
            "/sharedform": ("200 OK", [PUBLIC], form),
            "/cookie": ("200 OK", [("Set-Cookie", "seen=1")], "a cookie"),
            "/private": ("200 OK", [("Cache-Control", "private")], "private"),
            "/slow": ("200 OK", [("Cache-Control", "no-store")], "slow"),
            "/same": ("200 OK", [("Cache-Control", "max-age=3600")], "the same for all"),
            "/old": ("200 OK", [PUBLIC], f"<p>{'second' if self.asked['/old'] > 1 else 'first'} version</p>"),
            "/dead-end": ("200 OK", [("X-Robots-Tag", "nofollow")], '<a href="/beyond">x</a>'),
        }
        if path == "/account" and not name:
            return "302 Found", [("Location", "/login"), ("Cache-Control", "no-store")], ""
        if path == "/slow":
            time.sleep(0.2)
        return pages.get(path, ("404 Not Found", [], "none"))


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("audit")
    application = Site()
    server = make_server("127.0.0.1", free_port(), application, Server, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    try:
        with serving([weir(), "serve", "--app", origin, "--ttl", "1h"], directory / "run", directory) as running:
            running.origin, running.application = origin, application  # type: ignore[attr-defined]
            yield running
    finally:
        server.shutdown()
        server.server_close()


def audit(site: Running, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "weir_server", "audit", f"http://127.0.0.1:{site.port}/", "--rate", "500", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def found(site: Running, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("cookies") / "b"
    file.write_text("Cookie: sessionid=Berta\n")
    users = ["--user-a", "sessionid=Anna", "--user-b", f"@{file}"]
    code, text = audit(site, "--origin", site.origin, *users, "--json")  # type: ignore[attr-defined]
    assert code == 1, "there are leaks"
    report: dict[str, Any] = json.loads(text)
    return report


def of(found: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {one["path"]: one for one in found["findings"] if one["kind"] == kind}


def test_leaks(found: dict[str, Any]) -> None:
    leaks = of(found, "leak")
    assert set(leaks) == {"/hello", "/account", "/sharedform"}, leaks
    texts = {one["text"] for one in found["findings"] if one["kind"] == "leak"}
    assert "user a gets a page from the cache that is not theirs" in texts
    assert "the page of user a says that it is for all, and shows what nobody else is shown" in texts
    assert "two visitors get the same CSRF token" in texts
    assert "Berta" in str(leaks["/account"]["details"]), leaks["/account"]


def test_a_page_of_one_visitor_that_others_get() -> None:
    """Two answers from a cache that has kept the page of the first user."""
    hit = [("Cache-Status", "weir; hit; ttl=9"), ("Content-Type", "text/html")]
    fields = [("Content-Type", "text/html"), ("Cache-Control", "private")]
    nobody, anna, berta = (Answer(200, fields, b"<p>Hello %s</p>" % name) for name in (b"you", b"Anna", b"Berta"))
    leaked = Answer(200, hit, anna.body)
    page = Answers("/", nobody, nobody, [nobody, nobody], [(anna, anna), (leaked, berta)], leaked)
    assert [one.text for one in leaks(page)] == [
        "user b gets from the cache what the application shows user a",
        "nobody gets from the cache what the application shows user a",
    ]
    page = Answers("/", nobody, nobody, [nobody, nobody], [(anna, anna), (berta, berta)], nobody)
    assert leaks(page) == []


def test_what_differs(found: dict[str, Any]) -> None:
    differs = of(found, "differs")
    assert {path: one["text"].partition(": ")[2] for path, one in differs.items()} == {
        "/time": "time or number",
        "/nonce": "nonce",
        "/form": "CSRF token",
        "/sharedform": "CSRF token",
    }
    assert "It is" in differs["/time"]["details"][0], "which bytes"


def test_what_could_be_cached(found: dict[str, Any]) -> None:
    could = of(found, "could")
    assert {path: one["text"] for path, one in could.items()} == {
        "/form": "not cached: csrf-token",
        "/cookie": "not cached: set-cookie",
        "/private": "not cached: private",
        "/slow": "not cached: no-store",
        "/account": "not cached: no-store",
        "/missing": "not cached: no-freshness",
        "/login": "not cached: no-freshness",
        "/": SAME,
        "/time": SAME,
        "/nonce": SAME,
        "/good": SAME,
        "/same": SAME,
        "/dead-end": SAME,
    }
    assert could["/slow"]["seconds"] >= 0.2 and '@shared(ttl="1m")' in could["/slow"]["line"]
    assert of(found, "old").keys() == {"/old"}


SAME = "the same for those who are signed in, and not cached for them"


def test_it_asks_for_nothing_else(site: Running, found: dict[str, Any]) -> None:
    asked = site.application.asked  # type: ignore[attr-defined]
    assert site.application.methods == {"GET"}  # type: ignore[attr-defined]
    assert not [path for path in NEVER if asked[path]], asked
    assert set(found["left_alone"].values()) == {"looks like an action", "robots.txt"}
    assert found["requests"] == 2 + 9 * found["pages"]


def test_limits_and_text(site: Running) -> None:
    code, text = audit(site, "--pages", "3")
    assert code == 0 and text.startswith("3 pages, 7 requests") and "stopped after 3 pages" in text, text
    assert "without --origin" in text
    code, text = audit(site, "--origin", site.origin, "--exclude", "^/slow|^/account")  # type: ignore[attr-defined]
    assert "Pages that could be cached and are not" in text and "/slow" not in text, text
    assert "-> Set no cookie on this page" in text and "s of Python for one visit of each" in text
    slow = time.monotonic()
    code, text = audit(site, "--rate", "4", "--pages", "2")
    assert time.monotonic() - slow > 1.0, "five requests at four in a second"


def test_wrong_usage(site: Running) -> None:
    command = [sys.executable, "-m", "weir_server", "audit"]
    for arguments, said in (
        (["127.0.0.1:8080"], "is not a URL"),
        ([f"http://127.0.0.1:{free_port()}/"], "does not answer"),
        (["http://127.0.0.1:1/", "--user-a", "@/nothing/there"], "No such file"),
        (["http://127.0.0.1:1/", "--rate", "0"], "must be more than 0"),
        (["http://127.0.0.1:1/", "--timeout", "nan"], "must be more than 0"),
        (["http://127.0.0.1:1/", "--exclude", "("], "--exclude (: missing )"),
        (["http://127.0.0.1:1/", "--user-a", "abc"], "is no line of cookies"),
        (["http://127.0.0.1:1/", "--user-a", f"@{sys.executable}"], "utf-8"),
        (["http://[::1/"], "is not a URL"),
        (["http://127.0.0.1:99999/"], "is not a URL"),
        # Nothing would be compared.
        ([f"http://127.0.0.1:{site.port}/", "--origin", f"http://127.0.0.1:{free_port()}"], "does not answer"),
    ):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and said in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/accounts/logout/", True),
        ("/log-out", True),
        ("/?do=delete", True),
        ("/items/3/delete", True),
        ("/sign_out", True),
        ("/cart/add/3/", True),
        ("/news/2024/blogs/", False),
        ("/about?page=2", False),
        ("/deleted-scenes-of-a-film", False),
    ],
)
def test_links_that_look_like_actions(path: str, expected: bool) -> None:
    assert is_action(path) is expected


def test_differences() -> None:
    one, other = b"<p>Hello Ann, it is 12:03:04</p>", b"<p>Hello Bob, it is 12:03:05</p>"
    found = differences(one, other)
    assert [(each.kind, each.one, each.other) for each in found] == [
        ("text", "Ann", "Bob"),
        ("time or number", "04", "05"),
    ]
    assert differences(one, one) == []
    long = b"".join(b"<li>%d</li>" % number for number in range(30_000))
    assert differences(long, long + b"<p>more</p>")


def test_the_program_has_it_too() -> None:
    env = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    shown = subprocess.run([weir(), "audit", "--help"], env=env, capture_output=True, text=True)
    assert shown.returncode == 0 and "--origin" in shown.stdout, shown.stderr
    env["PYTHONPATH"] = ""
    missing = subprocess.run([weir(), "audit", "http://127.0.0.1/"], env=env, capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr.startswith("weir: audit needs the package weir-server"), missing.stderr
