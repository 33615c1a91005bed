"""What `manage.py check` says about Weir."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from running import SITE, free_port, until
from weir_server.django.checks import of_uwsgi

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
FIRST = "weir_server.django.WeirMiddleware"


def told(deploy: bool = False, **settings: Any) -> dict[str, str]:
    """From the id of each message to its text."""
    with override_settings(**settings):
        found = run_checks(tags=["weir"], include_deployment_checks=deploy)
    texts: dict[str, str] = {}
    for one in found:
        texts[str(one.id)] = texts.get(str(one.id), "") + one.msg + "\n"
    return texts


def test_a_site_as_it_should_be() -> None:
    assert told() == {}
    assert told(deploy=True) == {}


def test_settings_and_middleware() -> None:
    assert "no key 'TTTL'" in told(WEIR={"TTTL": 1})["weir.E001"]
    assert set(told(MIDDLEWARE=[])) == {"weir.W001"}
    session = "django.contrib.sessions.middleware.SessionMiddleware"
    found = told(MIDDLEWARE=["django.middleware.security.SecurityMiddleware", session, FIRST])
    assert set(found) == {"weir.W002"} and session in found["weir.W002"]
    own = ["django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"]
    assert set(told(MIDDLEWARE=[FIRST, *own])) == {"weir.W004"}
    assert set(told(MIDDLEWARE=["django.middleware.security.SecurityMiddleware", FIRST, session])) == set()


def test_shared_views(monkeypatch: pytest.MonkeyPatch) -> None:
    from weir_server.django import checks

    monkeypatch.setattr(checks, "conf_or_none", lambda: None)
    found = told(ROOT_URLCONF="wrong_urls", TEMPLATES=TEMPLATES)
    assert set(found) == {"weir.W005", "weir.W006"}
    forms = found["weir.W005"].splitlines()
    assert len(forms) == 2, forms
    assert "wrong_urls.with_form is @shared, and its template shop/form.html has a form" in forms[0]
    assert "wrong_urls.WithForm is @shared, and its template shop/search.html" in forms[1]
    cookies = found["weir.W006"].splitlines()
    assert ["by_cookie" in cookies[0], "for_members" in cookies[1], "sets_cookie" in cookies[2]] == [True] * 3, cookies
    assert len(cookies) == 3


def test_forms_are_no_fault_where_weir_fills_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from weir_server.django import checks

    monkeypatch.setattr(checks, "conf_or_none", lambda: SimpleNamespace(holes=True))
    assert set(told(ROOT_URLCONF="wrong_urls", TEMPLATES=TEMPLATES)) == {"weir.W006"}


def test_deployment() -> None:
    assert "weir.W003" in told(deploy=True, DEBUG=True)
    address = f"127.0.0.1:{free_port()}"
    found = told(deploy=True, WEIR={"ADMIN": address})
    assert set(found) == {"weir.W007"} and address in found["weir.W007"]
    assert told(deploy=True, WEIR={"ADMIN": address, "PURGE": False}) == {}
    # A name that the built-in lists know as something else.
    for name, kind in (("lang", "split"), ("_ga_session", "ignored")):
        found = told(deploy=True, SESSION_COOKIE_NAME=name)
        assert (
            set(found) == {"weir.E003"} and f"cookie {name} for" in found["weir.E003"] and kind in found["weir.E003"]
        ), found
    for name in ("sessionid", "shop_session"):
        assert told(deploy=True, SESSION_COOKIE_NAME=name) == {}


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (None, []),
        ({"enable-threads": True, "buffer-size": b"65535"}, []),
        ({"threads": b"4", "buffer-size": b"32768"}, []),
        ({"enable-threads": True}, ["weir.W008"]),
        ({"enable-threads": True, "buffer-size": b"16384"}, ["weir.W008"]),
        ({"buffer-size": b"65535"}, ["weir.E002"]),
    ],
)
def test_uwsgi(options: dict[str, Any] | None, ids: list[str]) -> None:
    assert [message.id for message in of_uwsgi(options)] == ids


def test_uwsgi_itself_tells_its_options(tmp_path: Path) -> None:
    """A process of uWSGI logs what is wrong as it starts: `manage.py check` runs outside of it."""
    uwsgi = os.environ.get("WEIR_UWSGI", f"{sys.prefix}/bin/uwsgi")
    command = [uwsgi, "--socket", f"127.0.0.1:{free_port()}", "--module", "wsgi", "--need-app", "--die-on-term"]
    log = tmp_path / "output"
    with log.open("wb") as out:
        env = {**os.environ, "WEIR_ADMIN": "off"}
        process = subprocess.Popen(command, cwd=SITE, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            # Before it serves, it has no handler of signals of its own.
            until("it serves", lambda: process.poll() is not None or "spawned uWSGI" in log.read_text())
        finally:
            # uWSGI can miss a TERM while it starts its workers.
            process.kill()
            process.wait(30)
    assert "buffer-size is 4096 bytes" in log.read_text() and "weir.E002" in log.read_text(), log.read_text()[-3000:]
