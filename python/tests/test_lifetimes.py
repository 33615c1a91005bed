"""Pages that change without a write, or whose tags do not say everything: they get no long lifetime."""

import datetime
import time
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from test_forms import SQLITE, models, recorded, run
from weir_server._reads import UTC, to_midnight


def test_what_changes_without_a_write_gets_no_long_lifetime(filled: Path) -> None:
    from django.core.cache import cache

    day, now = datetime.timedelta(days=1), timezone.now
    created = timezone.now() - 40 * day - datetime.timedelta(seconds=17)
    pages = models().Event.objects.annotate(at=F("title"))
    cache.set("a-list", [1])

    def of(moment: datetime.datetime) -> Any:
        return lambda: list(pages.extra(where=["%s < %s"], params=[moment, moment]))

    for name, read, timed in [
        ("a fixed time", of(created), False),
        ("a month ago", lambda: of(now() - 30 * day)(), True),
        ("in two hours", lambda: of(now() + 2 * day / 24)(), True),
        ("a view of the database", lambda: run("SELECT title FROM shop_article_view"), False),
        ("a table that no model has", lambda: run(f"SELECT * FROM {'sqlite_master' if SQLITE else 'pg_class'}"), True),
        ("within another", lambda: run("WITH a AS (SELECT * FROM shop_article_view) SELECT * FROM a"), False),
        ("beside a table", lambda: run("SELECT * FROM shop_tag JOIN shop_tag_view USING (id)"), True),
        ("a function", lambda: run("SELECT random()"), True),
        ("Django's cache", lambda: cache.get("a-list"), True),
        ("several of Django's cache", lambda: cache.get_many(["a-list"]), True),
        ("what Wagtail keeps there", lambda: cache.get("wagtail_site_root_paths"), False),
        ("what is only written there", lambda: cache.set("a-list", [2]), False),
        ("how long ago", lambda: template("{{ moment|timesince }}", created), True),
        ("how long until", lambda: template("{{ moment|timeuntil }}", created), True),
        ("what lies between two times", lambda: template("{{ moment|timesince:moment }}", created), False),
        ("today or not", lambda: template("{% load humanize %}{{ moment|naturalday }}", created), True),
        ("a while ago", lambda: template("{% load humanize %}{{ moment|naturaltime }}", created), True),
        ("a number for people", lambda: template("{% load humanize %}{{ 1234|intcomma }}", created), False),
        ("a date", lambda: template("{{ moment|date:'j F Y' }}", created), False),
        ("the time", lambda: template("{% now 'j F Y H:i' %}", created), True),
        ("the format of the site", lambda: template("{% now 'DATE_FORMAT' as today %}{{ today }}", created), True),
        ("the year", lambda: template("&copy; {% now 'Y' %}", created), False),
    ]:
        assert recorded(read)[2] == timed, name


def test_any_change_purges_what_has_no_tags_of_its_own(filled: Path) -> None:
    """A page may say itself how long it is kept, and shows what nobody knows the tags of."""
    from django.core.cache import cache

    for name, read, expected in [
        ("Django's cache", lambda: cache.get("a-list"), True),
        ("a view that nobody has named", lambda: run("SELECT name FROM shop_tag_view"), True),
        ("a view beside a table", lambda: run("SELECT * FROM shop_tag JOIN shop_tag_view USING (id)"), True),
        ("a view that is named", lambda: run("SELECT title FROM shop_article_view"), False),
        ("a function", lambda: run("SELECT random()"), True),
        ("the clock", lambda: run("SELECT title FROM shop_event WHERE current_timestamp IS NULL"), False),
        ("what Wagtail keeps there", lambda: cache.get("wagtail_site_root_paths"), False),
    ]:
        assert ("weir:any" in recorded(read)[1]) == expected, name


def test_keys_of_the_cache_may_be_anything(filled: Path) -> None:
    from django.core.cache import cache

    key, names = ("a", 1), ["one", "two"]
    for name in (7, key, *names):
        cache.set(name, f"{name}")
    for what, read, expected in [
        ("a number", lambda: cache.get(7), "7"),
        ("several values", lambda: cache.get(key), str(key)),
        ("by its name", lambda: cache.get(key="one"), "one"),
        ("a number that counts", lambda: cache.has_key(7), True),
        ("many", lambda: cache.get_many(names), {"one": "one", "two": "two"}),
        ("many by their name", lambda: cache.get_many(keys=names), {"one": "one", "two": "two"}),
        ("many that are given once", lambda: cache.get_many(name for name in names), {"one": "one", "two": "two"}),
    ]:
        assert recorded(read)[::2] == (repr(expected), True), what


def test_what_asks_for_a_date_is_kept_until_the_day_ends(filled: Path) -> None:
    """Today's date, and each that is computed from it, is another one tomorrow."""
    from django.db.models.functions import Now

    from strange.models import Day
    from weir_server.django import capture

    day, today = datetime.timedelta(days=1), timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    events = models().Event.objects.order_by("pk")

    def of(moment: Any) -> Any:
        return lambda: list(events.extra(where=["%s = %s"], params=[moment, moment]))

    short, daily, long = (True, False), (False, True), (False, False)
    for name, read, expected in [
        ("today", of(today.date()), daily),
        ("as text", of((today + 400 * day).date().isoformat()), daily),
        ("the next week", of((today + 7 * day).date()), daily),
        ("midnight a month ago", of(today - 30 * day), daily),
        ("the end of a day to come", of(today + 4 * day - datetime.timedelta(microseconds=1)), daily),
        ("in this month", lambda: list(Day.objects.filter(date__month=11)), daily),
        ("by months", lambda: list(Day.objects.dates("date", "month")), long),
        ("a time long ago", of(today - 30 * day + datetime.timedelta(hours=12, minutes=7)), long),
        ("the time as a number", of(int(time.time()) - 600), short),
        ("in milliseconds", of(int(time.time() * 1000)), short),
        ("a number", of(1_000_000), long),
        ("the clock of the database", lambda: list(events.annotate(now=Now()).values_list("now")), short),
        ("chance", lambda: list(events.order_by("?")), short),
        ("in small letters", lambda: run("SELECT title FROM shop_event WHERE current_timestamp IS NULL"), short),
        ("a column", lambda: run('SELECT a."now" FROM (SELECT title AS "now" FROM shop_event) a'), long),
        ("a text", lambda: run("SELECT title FROM shop_event WHERE title = 'now or never'"), long),
    ]:
        recorder, token = capture.begin()
        try:
            read()
        finally:
            capture.end(token)
        assert (recorder.timed, recorder.daily and not recorder.timed) == expected, name


def test_when_the_day_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from weir_server.django import capture, middleware

    tokyo, honolulu = (datetime.timezone(datetime.timedelta(hours=hours)) for hours in (9, -10))
    now = datetime.datetime(2026, 11, 30, 13, 59, 50, tzinfo=UTC)
    monkeypatch.setattr(time, "time", now.timestamp)
    assert [to_midnight(time.time(), zone) for zone in (UTC, tokyo, honolulu)] == [36_010, 3610, 36_010]
    recorder = capture.Recorder()
    with timezone.override(tokyo):
        assert middleware.at_most(86_400, recorder) == 86_400
        recorder.daily = True
        assert middleware.at_most(86_400, recorder) <= 3610
        assert middleware.at_most(60, recorder) == 60


def template(text: str, moment: datetime.datetime) -> str:
    from django.template import engines

    return str(engines["django"].from_string(text).render({"moment": moment}))


def test_a_page_of_cache_page_lives_no_longer_than_there(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was made from is not known any more: a change cannot purge it."""
    from django.core.cache import cache
    from django.test import Client

    cache.clear()
    first = Client().get("/kept/")
    assert "shop.tag" in first["Surrogate-Key"].split() and "Weir-Cache-Control" not in first
    later = time.time() + 500
    monkeypatch.setattr(time, "time", lambda: later)
    second = Client().get("/kept/")
    assert second.content == first.content
    seconds = int(second["Weir-Cache-Control"].removeprefix("max-age="))
    assert 390 <= seconds <= 400, "it was kept for 900 s, 500 s ago"


def test_each_change_purges_a_streamed_page(filled: Path) -> None:
    """It reads after its head is gone."""
    from django.test import Client

    reply = Client().get("/streamed/")
    assert reply.headers["Weir-Cache-Control"] == "public, s-maxage=3600"
    assert "weir:any" in reply["Surrogate-Key"].split()
    assert b"".join(reply.streaming_content)


def test_a_cache_in_the_database_is_a_cache(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table has no model, and is written to while pages are made."""
    from django.core.cache import caches
    from django.core.cache.backends.db import DatabaseCache
    from django.core.management import call_command

    from weir_server.django import changes
    from weir_server.django.conf import conf
    from weir_server.django.kept import watched

    backend = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "Kept here"}
    with override_settings(CACHES={**caches.settings, "in_database": backend}, WEIR={"CACHES": ["harmless."]}):
        call_command("createcachetable", verbosity=0)
        cache = watched(DatabaseCache("Kept here", {}))
        gone: set[str] = set()
        monkeypatch.setattr(changes, "deliver", gone.update)
        cache.set("harmless.one", 1)
        assert not gone
        assert recorded(lambda: cache.get("harmless.one")) == ("1", set(), False)
        assert recorded(lambda: cache.get("another"))[1:] == ({"weir:any"}, True)
    conf.cache_clear()
