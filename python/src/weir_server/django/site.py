"""The settings of Weir that the settings of a Django site stand for."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings

from weir_server.django.conf import conf

POOL = "app"
# Where `weir run` finds the server, if the settings are kept as a file; `weir serve` uses a socket of its own.
SOCKET = "unix:/run/weir/app.sock"
LOCALE = "django.middleware.locale.LocaleMiddleware"
# Files that are uploaded do not count in DATA_UPLOAD_MAX_MEMORY_SIZE.
SMALLEST_BODY = 10 * 1024 * 1024
# What Weir takes for a language, and how many of them. Browsers do not ask for others, such as ca@valencia.
LANGUAGE = re.compile("[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")
MOST_LANGUAGES = 128
# A file whose name changes with its content, as ManifestStaticFilesStorage names it.
HASHED = r".+\.[0-9a-f]{12}(?:\.[^/.]+)?"


def usual_listen() -> str:
    """Platforms name the port on which they look for the site."""
    port = os.environ.get("PORT")
    return f"0.0.0.0:{port}" if port else "127.0.0.1:8080"


@dataclass
class Flags:
    """What the command line of `manage.py weir` says."""

    listen: str = field(default_factory=usual_listen)
    admin: str = "127.0.0.1:9900"
    ttl: str = "1s"
    timeout: str | None = None
    max_body: str | None = None
    tls: str | None = None
    trusted_proxy: list[str] = field(default_factory=list)
    purge_allow: list[str] = field(default_factory=list)


def site(flags: Flags) -> dict[str, Any]:
    listen: Any = flags.listen
    if flags.tls:
        certificate, _, key = flags.tls.partition(",")
        files = {"certificate": str(Path(certificate).resolve()), "key": str(Path(key).resolve())}
        listen = [{"address": flags.listen, "tls": files}]
    edge: dict[str, Any] = {"listen": [listen] if isinstance(listen, str) else listen, "admin": flags.admin}
    if flags.trusted_proxy:
        edge["trusted_proxies"] = flags.trusted_proxy
    if flags.purge_allow:
        edge["purge_allow"] = flags.purge_allow
    edge.update(conf().edge)
    edge["site"] = [{"server_name": server_names(), "location": list(locations(flags))}]
    pool: dict[str, Any] = {"name": POOL, "servers": [SOCKET], "buffer_size": 65535}
    mount = settings.FORCE_SCRIPT_NAME
    if mount and mount.strip("/"):
        pool["mount"] = "/" + mount.strip("/")
    return {"edge": edge, "wsgi_adapter": {"pool": [pool]}}


def server_names() -> list[str]:
    """ALLOWED_HOSTS has the same forms. Other hosts get Django's 400."""
    return [] if "*" in settings.ALLOWED_HOSTS else [str(host) for host in settings.ALLOWED_HOSTS]


def host() -> str:
    """A host that the site answers."""
    named = [str(name) for name in settings.ALLOWED_HOSTS if "*" not in name]
    return named[0].removeprefix(".") if named else "localhost"


def locations(flags: Flags) -> Iterator[dict[str, Any]]:
    for url, root, expires in (
        (settings.STATIC_URL, settings.STATIC_ROOT, "1h"),
        (settings.MEDIA_URL, settings.MEDIA_ROOT, "off"),
    ):
        if is_local(url) and root and Path(root).is_dir():
            directory = f"{Path(root).resolve()}/"
            if url == settings.STATIC_URL and has_hashed_names():
                # The files that they are made from lie beside them, and change under their names.
                yield {"match": f"~ ^{re.escape(url)}({HASHED})$", "alias": f"{directory}$1", "expires": "max"}
            yield {"match": url, "alias": directory, "expires": expires}
    allowed = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = flags.max_body or (max(allowed, SMALLEST_BODY) if allowed is not None else "1GiB")
    patience = {"timeout": flags.timeout} if flags.timeout else {}
    yield {"match": "/", "pool": POOL, "max_body": body, **patience, "cache": cache(flags)}


def cache(flags: Flags) -> dict[str, Any]:
    cookies: dict[str, list[str]] = {
        "personal": [settings.SESSION_COOKIE_NAME, "messages"],
        "ignore": [settings.CSRF_COOKIE_NAME],
    }
    found: dict[str, Any] = {"ttl": flags.ttl}
    if settings.USE_I18N:
        cookies["split"] = [settings.LANGUAGE_COOKIE_NAME]
        if LOCALE in settings.MIDDLEWARE:
            codes = [code for code, _ in settings.LANGUAGES if LANGUAGE.fullmatch(code)]
            if len(codes) <= MOST_LANGUAGES:
                found["languages"] = codes
    found["cookies"] = cookies
    return found


def is_local(url: str | None) -> bool:
    return bool(url) and str(url).startswith("/") and not str(url).startswith("//") and url != "/"


def has_hashed_names() -> bool:
    from django.contrib.staticfiles.storage import HashedFilesMixin, staticfiles_storage

    return isinstance(staticfiles_storage, HashedFilesMixin)


def application(asgi: bool) -> str:
    """MODULE:CALLABLE."""
    kind = "asgi" if asgi else "wsgi"
    named = getattr(settings, f"{kind.upper()}_APPLICATION", None)
    module, _, name = str(named or f"{beside_settings(kind)}.application").rpartition(".")
    return f"{module}:{name}"


def beside_settings(kind: str) -> str:
    """The module of the application, if no setting names it: beside the settings, or above them."""
    package = str(settings.SETTINGS_MODULE)
    while package:
        package = package.rpartition(".")[0]
        module = f"{package}.{kind}" if package else kind
        if find_spec(module):
            return module
    # Django's own, as `runserver` takes it.
    return f"weir_server.django.{kind}"


def warnings(flags: Flags) -> Iterator[str]:
    if settings.DEBUG:
        yield "DEBUG is on: error pages show the site's settings"
    if is_local(settings.STATIC_URL) and settings.STATIC_ROOT and not Path(settings.STATIC_ROOT).is_dir():
        yield f"STATIC_ROOT {settings.STATIC_ROOT} does not exist: run manage.py collectstatic"
    if is_local(settings.STATIC_URL) and not settings.STATIC_ROOT:
        yield "STATIC_ROOT is not set, so no static files are served: set it, and run manage.py collectstatic"
    if settings.SECURE_SSL_REDIRECT and not flags.tls and not flags.trusted_proxy:
        yield "SECURE_SSL_REDIRECT is on and nothing speaks HTTPS: every page redirects; use --tls or --trusted-proxy"
