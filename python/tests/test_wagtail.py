"""A Wagtail site by `manage.py weir`, through a real Weir; `$WEIR_WAGTAIL` names the Python of another Wagtail."""

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import REPOSITORY, Browser, Running, ask, copy_site, serving, until, weir

SITE = REPOSITORY / "python/tests/wagtail_site"
PYTHON = os.environ.get("WEIR_WAGTAIL", sys.executable)
CHANGES = int(os.environ.get("WEIR_CHANGES", "12"))
PREPARE = (
    "import django; django.setup()\n"
    "from django.core.management import call_command\n"
    "call_command('migrate', run_syncdb=True, verbosity=0)\n"
    "from django.db import connection\n"
    "connection.cursor().execute('PRAGMA journal_mode=WAL').fetchall()\n"
    "from pages import changes; changes.fill()\n"
)


def environment(state: Path) -> dict[str, str]:
    state.mkdir()
    return {"SITE_STATE": str(state), "WEIR_BIN": weir(), "DJANGO_SETTINGS_MODULE": "settings"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("wagtail")
    directory, env = copy_site(base / "site", SITE), environment(base / "state")
    subprocess.run([PYTHON, "-c", PREPARE], cwd=directory, env={**os.environ, **env, "WEIR_ADMIN": "off"}, check=True)
    command = [PYTHON, "manage.py", "weir", "--server", "uwsgi"]
    with serving(command, base / "run", directory, env) as running:
        running.site, running.env = directory, {**os.environ, **env}  # type: ignore[attr-defined]
        yield running


def test_no_page_is_old_after_any_change_by_an_editor(tmp_path: Path) -> None:
    env = {**os.environ, **environment(tmp_path / "state"), "WEIR_ADMIN": "off"}
    command = [PYTHON, "never_old.py", str(CHANGES), "7"]
    done = subprocess.run(command, cwd=SITE, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    # The name of a site stands on every page, for all that Weir knows.
    unchanged = sum(counts[0] for kind, counts in seen.items() if kind != "host")
    survived = sum(counts[1] for kind, counts in seen.items() if kind != "host")
    assert survived > 0.8 * unchanged, seen
    for kind in ("draft", "lock"):
        if kind in seen:
            assert seen[kind][0] == seen[kind][1], f"a draft purges nothing: {seen}"


def change(site: Running, **order: object) -> None:
    reply = ask(site.port, "/change/", "POST", json.dumps(order).encode(), timeout=60, Host="localhost")
    assert reply.status == 200, reply
    assert reply.headers.get("weir-purge", "complete") == "complete", reply


def body(site: Running, path: str) -> str:
    return site.get(path, Host="localhost").body.decode()


def is_hit(site: Running, path: str) -> bool:
    return "; hit" in site.get(path, Host="localhost").cache


def keep(site: Running, *paths: str) -> None:
    """Renditions are made with the first request, which is a change, so it may take two."""
    for path in paths:
        until(f"{path} is kept", lambda path=path: is_hit(site, path))


OTHERS = ("/s1/", "/s1/e0/", "/s2/e3/")


def test_what_is_published_is_seen_at_once_and_other_pages_stay(site: Running) -> None:
    keep(site, "/", "/s0/", "/s0/e0/", "/s0/e2/", *OTHERS)
    change(site, kind="draft", s=0, e=0, title="A draft")
    assert all(is_hit(site, path) for path in ("/", "/s0/", "/s0/e0/", "/s0/e2/", *OTHERS))
    change(site, kind="publish", s=0, e=3, title="Published")
    assert "Published" in body(site, "/s0/e3/") and "Published" in body(site, "/s0/")
    assert all(is_hit(site, path) for path in ("/s0/e0/", "/s0/e2/", "/s1/", "/s1/e0/"))
    change(site, kind="publish", s=0, e=0, title="Linked")
    assert "Linked" in body(site, "/s0/e2/"), "a page that links to it shows its title"
    change(site, kind="publish_section", s=0, title="In the menu")
    assert all("In the menu" in body(site, path) for path in ("/", *OTHERS))


def test_new_moved_copied_and_removed_pages(site: Running) -> None:
    assert site.get("/s0/n0/", Host="localhost").status == 404
    keep(site, "/s0/", *OTHERS)
    change(site, kind="add", s=0, slug="n0")
    assert "New n0" in body(site, "/s0/n0/") and "New n0" in body(site, "/s0/")
    assert all(is_hit(site, path) for path in OTHERS)
    change(site, kind="move", s=0, slug="n0", to=1)
    assert "New n0" not in body(site, "/s0/") and "New n0" in body(site, "/s1/")
    assert site.get("/s0/n0/", Host="localhost").headers["location"] == "/s1/n0/", "Wagtail makes a redirect"
    assert "New n0" in body(site, "/s1/n0/")
    change(site, kind="alias", s=2, e=3, to=1, slug="a0")
    keep(site, "/s1/a0/")
    change(site, kind="publish", s=2, e=3, title="In two places")
    assert "In two places" in body(site, "/s1/a0/") and "In two places" in body(site, "/s2/e3/")
    change(site, kind="unpublish", s=2, e=3)
    assert site.get("/s2/e3/", Host="localhost").status == 404 and "In two places" not in body(site, "/s2/")
    change(site, kind="delete", s=1, slug="n0")
    assert site.get("/s1/n0/", Host="localhost").status == 404 and "New n0" not in body(site, "/s1/")


def test_snippets_images_settings_redirects_and_addresses(site: Running) -> None:
    keep(site, "/s1/e0/", "/s1/e1/", "/s1/e2/")
    change(site, kind="author", number=0, name="Another name")
    assert "Another name" in body(site, "/s1/e0/") and is_hit(site, "/s1/e1/")
    keep(site, "/s1/e1/", "/s1/e2/")
    change(site, kind="picture", title="Green")
    assert 'alt="Green"' in body(site, "/s1/e1/") and is_hit(site, "/s1/e2/")
    change(site, kind="footer", text="A new footer")
    assert "A new footer" in body(site, "/s1/e0/")
    assert site.get("/old/", Host="localhost").status == 404
    change(site, kind="redirect", path="/old/", to="/s1/")
    assert site.get("/old/", Host="localhost").headers["location"] == "/s1/"
    # A plain address, as Wagtail's own module purges.
    keep(site, "/s1/e0/", "/s1/e2/")
    change(site, kind="front", url="http://localhost/s1/e0/")
    assert not is_hit(site, "/s1/e0/") and is_hit(site, "/s1/e2/")


def test_what_is_scheduled_appears_when_its_command_runs(site: Running) -> None:
    keep(site, "/s1/e3/", "/s0/e0/")
    change(site, kind="schedule", s=1, e=3, title="On time")
    keep(site, "/s1/e3/")
    assert "On time" not in body(site, "/s1/e3/")
    env = {**site.env, "WEIR_ADMIN": f"127.0.0.1:{site.admin}", "WEIR_RUNTIME_DIR": str(site.log.parent)}  # type: ignore[attr-defined]
    command = [PYTHON, "manage.py", "publish_scheduled"]
    subprocess.run(command, cwd=site.site, env=env, check=True)  # type: ignore[attr-defined]
    assert "On time" in body(site, "/s1/e3/") and is_hit(site, "/s0/e0/")


def test_private_pages_are_never_shared(site: Running) -> None:
    keep(site, "/s2/e0/")
    change(site, kind="restrict", s=2, e=0, restriction="password")
    someone, nobody = Browser(site.port), Browser(site.port)
    asked = someone.get("/s2/e0/").body.decode()
    assert "Password required" in asked and "Title" not in asked
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', asked)
    action = re.search(r'action="([^"]+)"', asked)
    form = {"password": "open", "return_url": "/s2/e0/"} | ({"csrfmiddlewaretoken": token[1]} if token else {})
    assert action and someone.post(action[1], form).status == 302
    for _ in range(3):
        shown, refused = someone.get("/s2/e0/"), nobody.get("/s2/e0/")
        assert "<h1>Entry 2.0" in shown.body.decode() and "Password required" not in shown.body.decode()
        assert "Password required" in refused.body.decode() and "Entry 2.0</h1>" not in refused.body.decode()
        assert "stored" not in shown.cache and "; hit" not in shown.cache, shown.cache
    assert "Entry 2.0" not in body(site, "/s2/"), "it is not listed"
    change(site, kind="free", s=2)
    assert "<h1>Entry 2.0" in body(site, "/s2/e0/") and "Entry 2.0" in body(site, "/s2/")


@pytest.fixture(scope="module")
def editor(site: Running) -> Browser:
    browser = Browser(site.port)
    login = browser.get("/admin/login/").body.decode()
    found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', login)
    token = {"csrfmiddlewaretoken": found[1]} if found else {}
    done = browser.post("/admin/login/", {"username": "editor", "password": "secret", "next": "/admin/", **token})
    assert done.status == 302, done.body.decode()[-3000:]
    return browser


def form_of(page: str) -> dict[str, str]:
    """The hidden fields and texts of the form of an editor, as a browser would send them."""
    form = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r' name="([^"]+)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and not re.search(r'type="(checkbox|radio|submit|file)"', tag):
            form[name[1]] = html.unescape(value[1]) if value else ""
    return form


def key_of(site: Running, page: str) -> str:
    script = f"import django; django.setup(); from pages import changes; print(changes.{page}.pk)"
    env = {**site.env, "WEIR_ADMIN": "off"}  # type: ignore[attr-defined]
    command = [PYTHON, "-c", script]
    done = subprocess.run(command, cwd=site.site, env=env, capture_output=True, text=True, check=True)  # type: ignore[attr-defined]
    return done.stdout.strip()


def test_an_editor_publishes_previews_and_sees_what_is_cached(site: Running, editor: Browser) -> None:
    keep(site, "/s1/", "/s0/e0/", "/s0/e1/")
    key = key_of(site, "section(1)")
    edit = f"/admin/pages/{key}/edit/"
    page = editor.get(edit)
    assert page.status == 200 and "stored" not in page.cache
    assert f"/admin/weir/pages/{key}/" in page.body.decode(), "the menu of the page leads to it"
    form = form_of(page.body.decode())
    # A preview first: nobody else sees it.
    form |= {"title": "Previewed", "slug": "s1"}
    assert json.loads(editor.post(f"{edit}preview/", form).body)["is_valid"]
    preview = editor.get(f"{edit}preview/?mode=")
    assert "<h1>Previewed</h1>" in preview.body.decode()
    assert "stored" not in preview.cache and "; hit" not in preview.cache
    again = Browser(site.port).get(f"{edit}preview/?mode=")
    assert again.status == 302 and "Previewed" not in body(site, "/s1/")
    # Then it is published.
    done = editor.post(edit, {**form, "title": "By the editor", "action-publish": "action-publish"})
    assert done.status == 302 and done.headers["weir-purge"] == "complete", done.body.decode()[-2000:]
    assert "<h1>By the editor</h1>" in body(site, "/s1/")
    # A signed-in editor sees the bar, which nobody else gets.
    assert "wagtail-userbar" in editor.get("/s1/").body.decode() and "wagtail-userbar" not in body(site, "/s1/")
    assert "/admin/weir/pages/" in editor.get("/s1/").body.decode()
    keep(site, "/s1/")
    said = editor.get(f"/admin/weir/pages/{key}/").body.decode()
    assert "<h2>Cached</h2>" in said and "Stored since" in said and "http://localhost/s1/" in said, said[-3000:]
    assert Browser(site.port).get(f"/admin/weir/pages/{key}/").status == 302


def test_the_editor_says_why_a_page_is_not_cached(site: Running, editor: Browser) -> None:
    change(site, kind="restrict", s=0, e=1, restriction="password")
    key = key_of(site, "entry(0, 1)")
    said = editor.get(f"/admin/weir/pages/{key}/").body.decode()
    assert "<h2>Not cached</h2>" in said and "<code>" in said, said[-3000:]
    change(site, kind="free", s=0)
