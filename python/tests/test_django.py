"""A Django site by `manage.py weir`, through a real Weir: kept for a day, and never old."""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Running, ask, copy_site, prepare_site, serving, until, weir

CHANGES = 80


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("django")
    directory = copy_site(base / "site")
    state = base / "state"
    state.mkdir()
    (state / "static").mkdir()
    (state / "static" / "site.css").write_text("body {}")
    env = {"SITE_STATE": str(state), "WEIR_BIN": weir()}
    prepare_site(directory, {**os.environ, **env})
    # From another directory, as a service manager may call it.
    command = [sys.executable, str(directory / "manage.py"), "weir", "--server", "uwsgi"]
    with serving(command, base / "run", base, env, "/authors/") as running:
        running.site, running.env = directory, {**os.environ, **env}  # type: ignore[attr-defined]
        yield running


def change(site: Running, **order: object) -> str:
    body = json.dumps({"frame": "plain", **order}).encode()
    reply = ask(site.port, "/change/", "POST", body)
    assert reply.status == 200, reply
    return reply.headers.get("weir-purge", "")


def past(site: Running, path: str) -> tuple[int, bytes]:
    """The page as the application makes it now: who is signed in is not answered from the cache."""
    reply = site.get(path, Cookie=f"sessionid={random.randrange(1 << 40)}")
    assert "hit" not in reply.cache.split(";")[1], reply.cache
    return reply.status, reply.body


def test_pages_are_kept_and_an_edit_appears_at_once(site: Running) -> None:
    first, second = site.get("/tag/1/"), site.get("/tag/1/")
    assert "fwd-status=200" in first.cache and "hit; ttl=86" in second.cache, (first.cache, second.cache)
    assert not [name for name in second.headers if name.startswith(("weir-", "surrogate"))], second.headers
    other = site.get("/circle/1/")
    assert other.status == 200
    change(site, kind="raw", model="Tag", seed=seed_of("raw", 2))
    assert "hit" in site.get("/circle/1/").cache, "a page that did not show it stays"
    change(site, kind="update", model="Tag", seed=3)
    assert site.get("/unions/").body == past(site, "/unions/")[1]


def seed_of(kind: str, number: int) -> int:
    """A seed by which the change is the one of that number."""
    return next(seed for seed in range(1000) if kind == "raw" and random.Random(seed).randrange(6) == number)


def test_static_files_and_decorators(site: Running) -> None:
    assert site.get("/static/site.css").body == b"body {}"
    site.get("/weather/")
    hit = site.get("/weather/", Cookie="sessionid=a")
    assert "hit; ttl=35" in hit.cache or "hit; ttl=36" in hit.cache, "shared with those who are signed in"
    site.get("/mine/")
    assert "detail=private" in site.get("/mine/").cache or "hit-for-miss" in site.get("/mine/").cache


def test_no_page_is_old_and_few_are_made_again(site: Running) -> None:
    chance = random.Random(5)
    pages = ["/", "/authors/", "/places/", "/restaurants/", "/unions/", "/prefetched/", "/language/de/", "/second/"]
    numbered = ("key", "slices", "raw", "category", "threads", "tag", "circle", "later", "generic", "restaurant")
    pages += [f"/{kind}/{number}/" for kind in numbered for number in (1, 2, 3)]
    pages += [f"/a/s{number}/" for number in range(0, 40, 3)]
    known = {page: site.get(page).body for page in pages}
    survived = unchanged = 0
    from shop import changes

    for _ in range(CHANGES):
        change(site, **changes.choose(chance))
        for page in chance.sample(pages, 6):
            reply = site.get(page)
            status, body = past(site, page)
            assert (reply.status, reply.body) == (status, body), page
            if body == known[page] and status == 200:
                unchanged += 1
                survived += "hit" in reply.cache
            known[page] = body
    assert survived > 0.75 * unchanged, f"{survived} of {unchanged}"


def test_changes_by_several_processes_and_a_command(site: Running) -> None:
    """Visitors all the time, changes from three sides at once; when they are over, each page is the newest."""
    from shop import changes

    pages = ["/", "/authors/", "/unions/", "/prefetched/", "/tag/1/", "/tag/2/", "/category/1/", "/circle/1/"]
    done = threading.Event()

    def visit(number: int) -> None:
        chance = random.Random(number)
        while not done.is_set():
            with contextlib.suppress(OSError):
                site.get(chance.choice(pages))

    def edit(number: int) -> None:
        chance = random.Random(number)
        for _ in range(15):
            ask(site.port, "/change/", "POST", json.dumps(changes.choose(chance)).encode())

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(3)]
    editors = [threading.Thread(target=edit, args=(100 + number,)) for number in range(2)]
    for thread in [*visitors, *editors]:
        thread.start()
    script = (
        "import django; django.setup()\n"
        "from shop.models import Tag, Author\n"
        "from django.db import transaction\n"
        "Tag.objects.filter(pk=1).update(name='From a command')\n"
        "with transaction.atomic(): Author.objects.filter(pk=1).update(name='From a command')\n"
    )
    env = {**site.env, "WEIR_RUNTIME_DIR": str(site.log.parent), "WEIR_ADMIN": f"127.0.0.1:{site.admin}"}  # type: ignore[attr-defined]
    env["DJANGO_SETTINGS_MODULE"] = "settings"
    subprocess.run([sys.executable, "-c", script], cwd=site.site, env=env, check=True)  # type: ignore[attr-defined]
    for thread in editors:
        thread.join()
    done.set()
    for thread in visitors:
        thread.join()
    for page in pages:
        assert site.get(page).body == past(site, page)[1], page


def test_the_reply_to_a_change_says_that_its_purge_is_over(site: Running) -> None:
    site.get("/unions/")
    body = json.dumps({"kind": "create", "model": "Tag", "seed": 1, "frame": "plain"}).encode()
    reply = ask(site.port, "/change/", "POST", body, X_Redirect="/unions/")
    assert (reply.status, reply.headers["location"], reply.headers["weir-purge"]) == (302, "/unions/", "complete")
    assert site.get("/unions/").body == past(site, "/unions/")[1]


def test_cookies_of_flags_make_no_page_private() -> None:
    """django-waffle gives each visitor a cookie for each flag by percent: the rest of the site is not about them."""
    from django.conf import settings
    from django.test import override_settings

    from weir_server.django.site import Flags, cache

    waffle = "waffle.middleware.WaffleMiddleware"
    assert cache(Flags())["cookies"]["ignore"] == ["csrftoken"]
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, waffle]):
        assert cache(Flags())["cookies"]["ignore"] == ["csrftoken", "dwf_*"]
    with override_settings(MIDDLEWARE=[waffle], WAFFLE_COOKIE="flag-%s"):
        assert cache(Flags())["cookies"]["ignore"] == ["csrftoken", "flag-*"]


def test_print_config_is_a_settings_file(site: Running, tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "weir", "--print-config", "--trusted-proxy", "10.0.0.0/8"]
    done = subprocess.run(command, cwd=site.site, env=site.env, capture_output=True, text=True, check=True)  # type: ignore[attr-defined]
    file = tmp_path / "weir.toml"
    file.write_text(done.stdout)
    subprocess.run([weir(), "check", str(file)], check=True)
    for line in (
        'server_name = ["127.0.0.1", "localhost", "testserver"]',
        'languages = ["en", "de"]',
        'split = ["django_language"]',
        'personal = ["sessionid", "messages"]',
        "max_body = 10485760",
        'trusted_proxies = ["10.0.0.0/8"]',
        'match = "/static/"',
    ):
        assert line in done.stdout, done.stdout


def test_the_languages_that_django_has_are_no_mistake(tmp_path: Path) -> None:
    from django.conf import global_settings
    from django.test import override_settings

    from weir_server import _toml
    from weir_server.django import site
    from weir_server.django.site import Flags

    file = tmp_path / "weir.toml"
    for languages in (global_settings.LANGUAGES, [("ca@valencia", "Valencian"), ("de", "German")]):
        with override_settings(LANGUAGES=languages):
            file.write_text(_toml.dumps(site.site(Flags())))
        done = subprocess.run([weir(), "check", str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert 'languages = ["de"]' in file.read_text()


def test_the_application_is_found_without_a_setting_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.test import override_settings

    from weir_server.django.site import application

    for file in ("flat/settings_flat.py", "flat/wsgi.py", "deep/config/settings/production.py", "deep/config/asgi.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    for directory, settings, asgi, found in (
        ("flat", "settings_flat", False, "wsgi:application"),
        ("deep", "config.settings.production", True, "config.asgi:application"),
        # No module of its own: Django's, as for runserver.
        ("deep", "config.settings.production", False, "weir_server.django.wsgi:application"),
    ):
        monkeypatch.setattr(sys, "path", [str(tmp_path / directory)])
        monkeypatch.delitem(sys.modules, "wsgi", raising=False)
        with override_settings(SETTINGS_MODULE=settings, WSGI_APPLICATION=None, ASGI_APPLICATION=None):
            assert application(asgi) == found, settings
        monkeypatch.undo()
    with override_settings(WSGI_APPLICATION="named.wsgi.app"):
        assert application(asgi=False) == "named.wsgi:app"


def test_a_reload_takes_over_new_code(site: Running) -> None:
    views = site.site / "shop" / "views.py"  # type: ignore[attr-defined]
    views.write_text(views.read_text().replace('page("mine")', 'page("mine, newly")'))
    site.process.send_signal(1)
    until("the new code answers", lambda: b"newly" in site.get("/mine/").body)


@pytest.mark.usefixtures("filled")
def test_who_is_led_on_by_a_link_that_changes_something_waits() -> None:
    from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
    from django.test import RequestFactory

    from shop.models import Tag
    from weir_server.django import WeirMiddleware

    def like(request: HttpRequest) -> HttpResponse:
        if "look" not in request.GET:
            Tag.objects.create(name="liked")
        return HttpResponseRedirect("/") if "lead" in request.GET else HttpResponse("liked")

    for query, acted, purge in (
        ("", "?1", None),
        ("look", None, None),
        ("lead", "?1", "complete"),
        ("lead&look", None, None),
    ):
        response = WeirMiddleware(like)(RequestFactory().get(f"/?{query}"))
        assert isinstance(response, HttpResponse)
        assert (response.get("Weir-Acted"), response.get("Weir-Purge")) == (acted, purge), query
    Tag.objects.filter(name="liked").delete()


def test_only_files_with_a_hash_in_their_names_are_kept_for_ever(tmp_path: Path) -> None:
    """Those that they are made from lie beside them, and change under their names."""
    from django.test import override_settings

    from weir_server.django.site import Flags, locations

    storages = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
    with override_settings(STATIC_URL="/files-1/", STATIC_ROOT=tmp_path, STORAGES=storages):
        hashed, others, *_ = locations(Flags())
    assert (hashed["expires"], others["expires"], others["match"]) == ("max", "1h", "/files-1/")
    assert hashed["alias"] == f"{tmp_path}/$1"
    regex = re.compile(hashed["match"].removeprefix("~ "))
    for path, file in (
        ("/files-1/css/base.27e20196a850.css", "css/base.27e20196a850.css"),
        ("/files-1/a.min.27e20196a850.js", "a.min.27e20196a850.js"),
        ("/files-1/LICENSE.27e20196a850", "LICENSE.27e20196a850"),
        ("/files-1/css/base.css", None),
        ("/files-1/sw.js", None),
        ("/files-1/photo.2026.jpg", None),
        ("/other/css/base.27e20196a850.css", None),
    ):
        found = regex.search(path)
        assert (found and found[1]) == file, path
