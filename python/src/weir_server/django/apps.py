"""The Django application `weir_server.django`."""

from django.apps import AppConfig
from django.db import connections


class WeirConfig(AppConfig):
    name = "weir_server.django"
    label = "weir_server"
    verbose_name = "Weir"
    default = True

    def ready(self) -> None:
        from weir_server import _threads
        from weir_server.django import accepts, address, capture, changes, checks, clocks, cursors, holes, kept, links

        accepts.install()
        address.tell_others()
        checks.register_all()
        capture.install()
        clocks.install()
        cursors.install()
        holes.install()
        kept.install()
        links.install()
        _threads.install(capture.carrier)
        _threads.install(changes.carrier)
        changes.install(connections.all(initialized_only=True))
