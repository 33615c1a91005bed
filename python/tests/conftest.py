"""The test site, set up once in a directory of its own; and the order of the tests."""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest

HERE = Path(__file__).resolve().parent
SITE = HERE / "site"
sys.path.insert(0, str(SITE))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
# Programs that the tests start find the package too.
os.environ["PYTHONPATH"] = str(HERE.parent / "src")
# Each process of pytest-xdist has its own, whatever the one that started it has.
STATE = tempfile.mkdtemp(prefix="weir-site-")
os.environ["SITE_STATE"] = STATE
# Where Weir would be, for the pages that are made here; what `weir serve` starts is told another one.
os.environ.setdefault("WEIR_ADMIN", "127.0.0.1:1")
django.setup()

# The files that take longest come first: what begins last should not be what all others wait for.
LONGEST = ("test_serve.py", "test_wagtail.py", "test_postgres.py", "test_two_edges.py", "test_guide.py", "test_cost.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_unconfigure() -> None:
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture(scope="session")
def filled() -> Iterator[Path]:
    """The site with its rows; its directory."""
    from django.core.management import call_command
    from django.db import connection

    for database in ("default", "second"):
        call_command("migrate", run_syncdb=True, verbosity=0, database=database)
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW shop_article_view AS SELECT id, title FROM shop_article WHERE published")
        cursor.execute("CREATE VIEW shop_tag_view AS SELECT id, name FROM shop_tag")
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode=WAL")
    from shop import changes

    changes.fill(random.Random(1))
    yield Path(STATE)
