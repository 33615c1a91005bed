"""The setting WEIR of a Django site, with its defaults.

WEIR = {
    "TTL": "1d",              # how long pages may be kept that their tags keep true; None: as the location says
    "ADMIN": ["127.0.0.1:9900"],  # admin listeners; the first that answers makes the purge
    "TOKEN_FILE": None,       # the admin token, where it is not found by itself
    "WAIT": 1.0,              # how long the reply to a change waits for its purge, in seconds
    "PURGE": True,            # whether changes purge
    "IGNORE": ["shop.visit"], # models that no page shows
    "HOLES": True,            # whether pages with a CSRF token are shared, and Weir fills in each visitor's own
    "VALUES": "news.visitors.values",  # what Weir may fill into shared pages of a user: a function of the user
    "VALUES_KEY_FILE": None,  # the key that signs them; None: $WEIR_VALUES_KEY_FILE, which `weir serve` sets
    "TABLES": {"report_view": ["shop.order"]},  # views and procedures of the database, and the models behind them
    "LAG": None,              # how late replicas may be, in seconds; None: pages that read one are kept no long time
    "CACHES": [],             # how keys of Django's caches begin that pages may read and yet be kept
    "VIEWS": True,            # whether replies say which view made them, by how many queries: for `weir log`
    "EDGE": {},               # settings for `manage.py weir`, as in [edge]
}
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# What these keys hold is made from rows that pages read besides, or belongs to one visitor.
HARMLESS_KEYS = ("wagtail", "django.contrib.sessions.", "views.decorators.cache.")
# Sessions are one visitor's; no shared page shows them.
NEVER_SHOWN = ("sessions.session",)


@dataclass(frozen=True)
class Conf:
    ttl: int | None = None
    admin: tuple[str, ...] | None = None
    token_file: str | None = None
    wait: float = 1.0
    purge: bool = True
    holes: bool = True
    views: bool = True
    lag: float | None = None
    caches: tuple[str, ...] = HARMLESS_KEYS
    values: str | None = None
    values_key_file: str | None = None
    ignore: frozenset[str] = frozenset(NEVER_SHOWN)
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edge: Mapping[str, Any] = field(default_factory=dict)


@cache
def conf() -> Conf:
    given = getattr(settings, "WEIR", {})
    known = {item.name.upper() for item in fields(Conf)}
    wrong = sorted(set(given) - known)
    if wrong:
        raise ImproperlyConfigured(f"WEIR has no key {wrong[0]!r}; known keys: {', '.join(sorted(known))}")
    admin = given.get("ADMIN")
    admin = (admin,) if isinstance(admin, str) else admin
    return Conf(
        ttl=seconds(given.get("TTL")),
        admin=None if admin is None else tuple(admin),
        token_file=given.get("TOKEN_FILE"),
        wait=float(given.get("WAIT", 1.0)),
        purge=bool(given.get("PURGE", True)),
        holes=bool(given.get("HOLES", True)),
        lag=None if given.get("LAG") is None else float(seconds(given["LAG"]) or 0),
        caches=(*HARMLESS_KEYS, *given.get("CACHES", ())),
        views=bool(given.get("VIEWS", True)),
        values=given.get("VALUES"),
        values_key_file=given.get("VALUES_KEY_FILE"),
        ignore=frozenset(NEVER_SHOWN) | cache_tables() | {label.lower() for label in given.get("IGNORE", ())},
        tables={name: tuple(label.lower() for label in labels) for name, labels in given.get("TABLES", {}).items()},
        edge=dict(given.get("EDGE", {})),
    )


def of_no_model(table: str) -> str:
    """The label of a table without a model: a view, or one of another program."""
    return "db." + "".join(c if c.isalnum() or c in "_-" else "_" for c in table.lower())


def cache_tables() -> frozenset[str]:
    """Where Django's cache is in the database: what a page takes from there is known by its key."""
    caches = (one for one in settings.CACHES.values() if str(one.get("BACKEND", "")).endswith(".DatabaseCache"))
    return frozenset(of_no_model(str(one.get("LOCATION", ""))) for one in caches)


def seconds(text: object) -> int | None:
    if text is None or isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+)([smhdw]?)", str(text))
    if not match:
        raise ImproperlyConfigured(f"{text!r} is not a time: write seconds, or 10m, 12h, 1d")
    return int(match[1]) * UNITS[match[2]]


def forget(*, setting: str, **_: object) -> None:
    if setting == "WEIR":
        conf.cache_clear()


setting_changed.connect(forget)
