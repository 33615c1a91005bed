"""Columns that pages seldom show: who has looked at them is known."""

import os
import subprocess
import sys
from pathlib import Path

from running import SITE

SCRIPT = """
import django
django.setup()
from django.core.management import call_command
from django.db.models import Count, F
from django.test import RequestFactory
from shop.models import Article, Author, Category
from weir_server.django import capture, changes, quiet
quiet.register(Article, "views", "deleted")
call_command("migrate", run_syncdb=True, verbosity=0)
author = Author.objects.create(name="A", slug="a")
one, other = (Article.objects.create(title="x", slug=f"s{n}", author=author) for n in range(2))
gone = set()
changes.deliver = gone.update

def reads(look):
    recorder, token = capture.begin()
    try:
        look()
    finally:
        capture.end(token)
    return recorder.tags

def is_old_after(look, change):
    tags = reads(look)
    gone.clear()
    change()
    return not tags & gone

def count():
    Article.objects.filter(pk=one.pk).update(views=F("views") + 1)

def rename():
    Article.objects.filter(pk=one.pk).update(views=1, title="y")

def get(pk=one.pk):
    return Article.objects.get(pk=pk)

unmoved = {
    "a title": lambda: get().title,
    "another row": lambda: get(other.pk).views,
    "all": lambda: [each.title for each in Article.objects.all()],
    "joined": lambda: [each.author.name for each in Article.objects.select_related("author")],
    "deferred": lambda: [each.title for each in Article.objects.only("title")],
}
seen = {
    "an attribute": lambda: get().views,
    "of all": lambda: [each.views for each in Article.objects.all()],
    "a deferred one": lambda: [each.views for each in Article.objects.only("title")],
    "values": lambda: list(Article.objects.values("views")),
    "all values": lambda: list(Article.objects.values()),
    "annotated": lambda: [each.more for each in Article.objects.annotate(more=F("views") + 1)],
    "across a relation": lambda: [each.most for each in Author.objects.annotate(most=F("articles__views"))],
    "a condition": lambda: [each.title for each in Article.objects.filter(views__gt=3)],
    "an order": lambda: [each.title for each in Article.objects.order_by("-views")],
    "counted by it": lambda: Article.objects.filter(deleted=False).count(),
    "an aggregate": lambda: Article.objects.aggregate(all=Count("views")),
    "raw": lambda: [each.views for each in Article.objects.raw("SELECT * FROM shop_article")],
    "by prefetch": lambda: [a.views for c in Author.objects.prefetch_related("articles") for a in c.articles.all()],
}
for name, look in unmoved.items():
    assert is_old_after(look, count), f"purged for nothing: {name}"
for name, look in {**seen, "a title": unmoved["a title"]}.items():
    assert not is_old_after(look, rename), f"a change of other columns too: {name}"
for name, look in seen.items():
    assert not is_old_after(look, count), f"not purged: {name}"
from django.db import connection
def by_hand():
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM shop_article")
        cursor.fetchall()
assert not is_old_after(by_hand, count)
fresh = get()
fresh.views += 1
assert fresh.views == get().views + 1
fresh.save()
assert get().views == fresh.views
print("done")
"""


def test_quiet_columns(tmp_path: Path) -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "SITE_STATE": str(tmp_path), "WEIR_ADMIN": "off"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=SITE, env=env, capture_output=True, text=True)
    assert done.stdout.endswith("done\n"), done.stderr[-3000:]
