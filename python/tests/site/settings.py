"""The settings of the test site: a dozen models, pages that read them in every way, and changes of every kind."""

import os
from pathlib import Path

import django

HERE = Path(__file__).resolve().parent
STATE = Path(os.environ.get("SITE_STATE", HERE / "state"))

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "weir_server.django",
    "shop",
    "strange",
]
MIDDLEWARE = [
    "weir_server.django.WeirMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "shop.visitors.Middleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
# Writers wait for their turn: a transaction that reads first and writes then fails if another one came between.
TRANSACTIONS = {"transaction_mode": "IMMEDIATE"} if django.VERSION >= (5, 1) else {}
DATABASES = {
    name: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": STATE / file,
        "OPTIONS": {"timeout": 20, **TRANSACTIONS},
        "TEST": {"NAME": None},
    }
    for name, file in (("default", "site.sqlite3"), ("second", "second.sqlite3"))
}
if "SITE_POSTGRES" in os.environ:
    # The directory of its socket: test_postgres.py.
    DATABASES = {
        name: {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["SITE_POSTGRES"], "NAME": database}
        for name, database in (("default", "postgres"), ("second", "template1"))
    }
    for one in DATABASES.values():
        one["USER"] = "postgres"
    # All tables at once: those of the site refer to it.
    MIGRATION_MODULES = {"contenttypes": None}
if "SITE_MYSQL" in os.environ:
    # The same: test_mysql.py.
    DATABASES = {
        name: {
            "ENGINE": "django.db.backends.mysql",
            "NAME": database,
            "USER": "root",
            "OPTIONS": {"unix_socket": os.environ["SITE_MYSQL"]},
        }
        for name, database in (("default", "site"), ("second", "second"))
    }
    MIGRATION_MODULES = {"contenttypes": None}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LANGUAGES = [("en", "English"), ("de", "German")]
STATIC_URL = "/static/"
STATIC_ROOT = STATE / "static"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

WEIR = {
    "TTL": "1d",
    "WAIT": 30.0,
    "TABLES": {"shop_article_view": ["shop.article"]},
    "VALUES": "shop.visitors.values",
    # What test_two_edges.py wants to be lost.
    "IGNORE": os.environ.get("SITE_IGNORES", "").split(),
}
