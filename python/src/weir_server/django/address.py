"""Where this site's Weir listens for purges."""

from functools import cache
from pathlib import Path

from django.conf import settings

from weir_server._admin import usual_addresses, write_down
from weir_server.django.conf import conf


def addresses() -> tuple[str, ...]:
    known = conf().admin
    return usual_addresses(database()) if known is None else known


def tell_others() -> None:
    """A shell, a Celery worker, a job that publishes: they change the same database, and are told nothing."""
    if conf().admin is None:
        write_down(database())


@cache
def database() -> str:
    used = settings.DATABASES.get("default", {})
    name = str(used.get("NAME", ""))
    if str(used.get("ENGINE", "")).endswith("sqlite3"):
        name = str(Path(name).resolve())
    return "|".join([str(used.get(key, "")) for key in ("ENGINE", "HOST", "PORT")] + [name])
