"""The test site with django-debug-toolbar."""

from settings import *  # noqa: F403
from settings import INSTALLED_APPS, MIDDLEWARE, STATE

DEBUG = True
INSTALLED_APPS = [*INSTALLED_APPS, "debug_toolbar"]
MIDDLEWARE = [MIDDLEWARE[0], "debug_toolbar.middleware.DebugToolbarMiddleware", *MIDDLEWARE[1:]]
ROOT_URLCONF = "toolbar_urls"
INTERNAL_IPS = ["127.0.0.1"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEBUG_TOOLBAR_PANELS = ["debug_toolbar.panels.sql.SQLPanel", "weir_server.django.toolbar.WeirPanel"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": STATE / "toolbar.sqlite3"}}
DATABASES["second"] = DATABASES["default"]
