"""A page from a replica may be older than the purge that it was made after."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def forget(filled: Path) -> Iterator[Any]:
    from weir_server.django.conf import conf
    from weir_server.django.replicas import replicas

    def known() -> None:
        conf.cache_clear()
        replicas.cache_clear()

    known()
    yield known
    known()


def timed(alias: str) -> bool:
    from shop.models import Tag
    from weir_server.django import capture

    recorder, token = capture.begin()
    list(Tag.objects.using(alias))
    capture.end(token)
    assert "shop.tag" in recorder.tags
    return recorder.timed


def test_which_databases_are_copies(forget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    from weir_server.django.replicas import replicas

    own = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "HOST": "one", "PORT": ""}
    for others, expected in (
        ({}, set()),
        ({"second": {**own, "NAME": "other"}}, set()),
        ({"second": {**own, "HOST": "two"}}, {"second"}),
        ({"second": {**own, "PORT": "5433"}, "third": {**own, "HOST": "three"}}, {"second", "third"}),
        ({"second": {**own, "NAME": "other", "TEST": {"MIRROR": "default"}}}, {"second"}),
        ({"second": {**own, "TEST": {"MIRROR": None}}}, set()),
    ):
        monkeypatch.setattr(settings, "DATABASES", {"default": own, **others})
        forget()
        assert replicas() == expected, others


def test_a_page_from_a_copy_is_kept_for_no_long_time(forget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    from weir_server.django import changes

    assert not timed("second") and not timed("default")
    databases = {**settings.DATABASES}
    databases["second"] = {**databases["second"], "TEST": {"MIRROR": "default"}}
    monkeypatch.setattr(settings, "DATABASES", databases)
    forget()
    assert timed("second") and not timed("default")
    # It is said how late it may be: then each purge is sent again.
    sent: list[tuple[float, set[str]]] = []
    for lag in ("2s", 0):
        monkeypatch.setitem(settings.WEIR, "LAG", lag)
        forget()
        assert not timed("second")
        monkeypatch.setattr(changes.sender(), "send", lambda tags: sent.append((0.0, set(tags))))
        monkeypatch.setattr(changes.sender(), "send_after", lambda seconds, tags: sent.append((seconds, set(tags))))
        changes.deliver({"shop.tag:1"})
    both = {"shop.tag:1", "weir:any"}
    assert sent == [(0.0, both), (2.0, both), (0.0, both)]
