"""A backend for `wagtail.contrib.frontend_cache`: purges by address, at every edge, after the commit.

WAGTAILFRONTENDCACHE = {"weir": {"BACKEND": "weir_server.wagtail.WeirBackend"}}
"""

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction
from wagtail.contrib.frontend_cache.backends.base import BaseBackend

from weir_server import PurgeError
from weir_server._admin import Unreachable
from weir_server.django.changes import sender

logger = logging.getLogger("wagtail.frontendcache")


class WeirBackend(BaseBackend):
    """Needs no LOCATION: the admin address is that of the setting WEIR."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.hostnames = params.get("HOSTNAMES", ["*"])

    def purge(self, url: str) -> None:
        self.purge_batch([url])

    def purge_batch(self, urls: Iterable[str]) -> None:
        transaction.on_commit(partial(send, tuple(urls)))


def send(urls: tuple[str, ...]) -> None:
    """Logs what went wrong, as Wagtail's own backends do: the page is published all the same."""
    try:
        outcome = sender().admin.purge(urls=urls)
    except Unreachable as error:
        log = logger.error if sender().sure else logger.info
        log("Couldn't purge %s from Weir: %s", ", ".join(urls), error)
    except PurgeError as error:
        logger.error("Couldn't purge %s from Weir: %s", ", ".join(urls), error)
    else:
        if not outcome.complete:
            logger.error("Couldn't purge %s from Weir: missing %s", ", ".join(urls), ", ".join(outcome.missing))
