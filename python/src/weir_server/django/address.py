"""Where this site's Weir listens for purges."""

from functools import cache
from pathlib import Path

from django.conf import settings

from weir_server import _where
from weir_server._where import usual_addresses
from weir_server.django.conf import conf


def addresses() -> tuple[str, ...]:
    known = conf().admin
    return usual_addresses(database()) if known is None else known


def tell_others() -> None:
    """A shell, a Celery worker, a job that publishes: they change the same database, and are told nothing."""
    if conf().admin is None:
        _where.write_down_what_was_told(database())


def write_down(address: str) -> None:
    """An edge has named it."""
    _where.write_down(database(), address)


@cache
def database() -> str:
    used = settings.DATABASES.get("default", {})
    name = str(used.get("NAME", ""))
    if str(used.get("ENGINE", "")).endswith("sqlite3"):
        name = str(Path(name).resolve())
    return "|".join([str(used.get(key, "")) for key in ("ENGINE", "HOST", "PORT")] + [name])
