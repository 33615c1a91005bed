"""A process of django-prodserver: with it, `manage.py prodserver` is `manage.py weir`.

PRODUCTION_PROCESSES = {
    "web": {"BACKEND": "weir_server.django.prodserver.WeirServer", "ARGS": {"listen": "0.0.0.0:8080", "ttl": "1s"}},
}
"""

from django.core.management import call_command
from django_prodserver.backends.base import BaseServerBackend


class WeirServer(BaseServerBackend):
    """`ARGS` are the flags of `manage.py weir`."""

    def start_server(self, *args: str) -> None:
        call_command("weir", *args)
