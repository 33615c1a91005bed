"""Databases that are copies of others: what a page reads there may be a row from before a change, although the purge of
the change is over. So such a page is kept for no long time, unless `WEIR["LAG"]` says how late they may be.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper

from weir_server.django.conf import conf


def is_late(connection: BaseDatabaseWrapper) -> bool:
    """Whether nobody knows how late it is."""
    return conf().lag is None and connection.alias in replicas()


@cache
def replicas() -> frozenset[str]:
    """The aliases of databases that are said to be copies, as tests are told it, or that have the name of another one
    on another machine and are never written to.
    """
    known: Mapping[str, Mapping[str, Any]] = settings.DATABASES
    if len(known) < 2:
        return frozenset()
    told = {alias for alias, one in known.items() if (one.get("TEST") or {}).get("MIRROR")}
    written = {router.db_for_write(model) for model in apps.get_models()}
    names = {alias: [one.get(key) for key in ("ENGINE", "NAME")] for alias, one in known.items()}
    places = {alias: [one.get(key) for key in ("HOST", "PORT")] for alias, one in known.items()}
    copies = {
        alias
        for alias in known.keys() - written
        if any(names[alias] == names[other] and places[alias] != places[other] for other in written & known.keys())
    }
    return frozenset(told | copies)
