"""The test site as a process of django-prodserver."""

from settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django_prodserver"]  # noqa: F405
PRODUCTION_PROCESSES = {
    "web": {
        "BACKEND": "weir_server.django.prodserver.WeirServer",
        "ARGS": {"listen": "127.0.0.1:18080", "max-body": "5MiB", "print-config": None},
    }
}
