"""Settings of the demo site. What a container needs to change comes from the environment; the rest is fixed.

WEIR_DEMO_STATE            directory for everything the site writes (default: run/ beside manage.py)
WEIR_DEMO_DATABASE         SQLite file (default: STATE/db.sqlite3)
WEIR_DEMO_STATIC_ROOT      where collectstatic puts the static files (default: STATE/static)
WEIR_DEMO_SECRET_KEY       signs sessions and CSRF tokens
WEIR_DEMO_ALLOWED_HOSTS    host names served, separated by commas
WEIR_DEMO_TRUSTED_ORIGINS  origins forms may be sent from when TLS ends elsewhere, separated by commas
WEIR_ADMIN                 the admin address of Weir, where purges are sent (default: 127.0.0.1:9900)

The package weir_server is used if it is there: installed, or beside the demo in a checkout. The container has neither
the package nor a network, so its pages keep the lifetime that Weir's settings give them.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(os.environ.get("WEIR_DEMO_STATE", BASE_DIR / "run")).resolve()


if find_spec("weir_server") is None:
    sys.path.append(str(BASE_DIR.parent.parent / "python/src"))
HAS_WEIR = find_spec("weir_server") is not None


def from_list(name, default):
    return [part for part in os.environ.get(name, default).split(",") if part]


DEBUG = False
SECRET_KEY = os.environ.get("WEIR_DEMO_SECRET_KEY", "known to everyone: good for a demo on this machine only")
ALLOWED_HOSTS = from_list("WEIR_DEMO_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = from_list("WEIR_DEMO_TRUSTED_ORIGINS", "")

INSTALLED_APPS = [
    "news",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# Each page may be kept for a day: what it has read from the database are its tags, and each write purges what it
# touches. No page shows a tally but the one that counts how often it was made.
if HAS_WEIR:
    INSTALLED_APPS.append("weir_server.django")
    MIDDLEWARE.insert(0, "weir_server.django.WeirMiddleware")
    WEIR = {"TTL": "1d", "IGNORE": ["news.tally"]}

ROOT_URLCONF = "millrace.urls"
WSGI_APPLICATION = "millrace.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "news.context.paper",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("WEIR_DEMO_DATABASE", STATE_DIR / "db.sqlite3"),
        "CONN_MAX_AGE": 600,
        "TEST": {"NAME": STATE_DIR / "test.sqlite3"},  # a file, as in service: memory locks differently
        "OPTIONS": {
            # Writers queue for the lock instead of failing when they upgrade a read; readers never wait.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [STATE_DIR / "locale"]  # compiled there from news/locale by `manage.py prepare`
TIME_ZONE = "Europe/Berlin"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("WEIR_DEMO_STATIC_ROOT", STATE_DIR / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "front"
LOGOUT_REDIRECT_URL = "front"
