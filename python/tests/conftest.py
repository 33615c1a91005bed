"""The test site, set up once in a directory of its own."""

import os
import random
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
if "SITE_STATE" not in os.environ:
    os.environ["SITE_STATE"] = tempfile.mkdtemp(prefix="weir-site-")
# Where Weir would be, for the pages that are made here; what `weir serve` starts is told another one.
os.environ.setdefault("WEIR_ADMIN", "127.0.0.1:1")
django.setup()


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
    yield Path(os.environ["SITE_STATE"])
