"""Texts of one visitor ("Hello Ann") that Weir fills into shared pages: the signed cookie that holds them, and the
places in a page where they stand.

The cookie is what `crates/http-cache/src/holes/named_value.rs` says. Its key is in a file that Weir reads too.
"""

import base64
import binascii
import hashlib
import hmac
import html
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from weir_server._holes import TOKEN, VALUE, letters, offers

COOKIE = "weir_values"
PURPOSE = b"weir-values"
SHORTEST_KEY = 32
# Bytes of a text, characters of its name, and characters of the cookie.
MAX_TEXT, MAX_NAME, MAX_COOKIE = 300, 40, 3800
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
SAFE = frozenset(map(chr, range(0x20, 0x7F))) - frozenset('%"')
# Weir takes no page that declares more.
MAX_PLACES = 7


class Keys:
    """The keys in a file, one on a line. The first signs, any of them has signed."""

    def __init__(self, file: str | None = None) -> None:
        """`file`: else what $WEIR_VALUES_KEY_FILE names, as `weir serve` sets it; else there are no keys."""
        self.file = file or os.environ.get("WEIR_VALUES_KEY_FILE")
        lines: list[str] = []
        if self.file:
            with Path(self.file).open(encoding="utf-8") as found:
                lines = [line.strip() for line in found if line.strip()]
            if not lines or min(map(len, lines)) < SHORTEST_KEY:
                raise ValueError(f"{self.file} must hold keys of at least {SHORTEST_KEY} characters, one on a line")
        self.keys = tuple(line.encode() for line in lines)

    @classmethod
    def none(cls) -> "Keys":
        new = cls.__new__(cls)
        new.file, new.keys = None, ()
        return new

    def __bool__(self) -> bool:
        return bool(self.keys)

    def sign(self, values: Mapping[str, object], expires: int) -> str:
        """The value of the cookie. `expires`: the second of Unix time at which it is worth nothing any more."""
        parts = [str(expires)]
        for name, value in values.items():
            parts += [checked(name), plain(value)]
        payload = encoded("\0".join(parts).encode())
        text = f"{payload}.{encoded(mac(self.keys[0], payload))}"
        if len(text) > MAX_COOKIE:
            raise ValueError(f"the values of a visitor are too long for a cookie: {len(text)} characters")
        return text

    def values(self, cookie: str | None) -> tuple[dict[str, str], int] | None:
        """The values in a cookie and when it expires. None: it is forged, has expired, or makes no sense."""
        payload, dot, signature = (cookie or "").partition(".")
        if not dot or len(payload) + len(signature) > MAX_COOKIE:
            return None
        try:
            given = decoded(signature)
            if not any(hmac.compare_digest(mac(key, payload), given) for key in self.keys):
                return None
            expires, *parts = decoded(payload).decode().split("\0")
            found = dict(zip(parts[::2], parts[1::2], strict=True))
            return (found, int(expires)) if int(expires) > time.time() else None
        except (ValueError, binascii.Error):
            return None


def mac(key: bytes, payload: str) -> bytes:
    return hmac.new(key, b"\0".join((PURPOSE, COOKIE.encode(), payload.encode())), hashlib.sha256).digest()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def checked(name: str) -> str:
    if not name or len(name) > MAX_NAME or not set(name) <= NAME_CHARACTERS:
        raise ValueError(f"{name!r} is no name of a value: at most {MAX_NAME} letters, digits, _ and -")
    return name


def plain(value: object) -> str:
    """One line, cut at the length that Weir takes."""
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return text.encode("utf-8", "replace")[:MAX_TEXT].decode("utf-8", "ignore")


@dataclass(frozen=True)
class Place:
    """Where a value stands in a page."""

    name: str
    default: str
    mark: str

    def declaration(self) -> str:
        # A Display String (RFC 9651 section 3.3.8): its escapes are in lower case.
        default = "".join(char if char in SAFE else quote(char, safe="").lower() for char in self.default)
        return f'{VALUE};mark="{self.mark}";cookie="{COOKIE}";name="{self.name}";default=%"{default}"'


class Places:
    """The places in one page that Weir fills."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], Place] = {}

    def mark(self, name: str, default: str) -> str | None:
        """What stands for the value. None: the page has as many places as may be."""
        key = (checked(name), plain(default))
        if key not in self.places:
            if len(self.places) == MAX_PLACES:
                return None
            self.places[key] = Place(*key, letters(TOKEN))
        return self.places[key].mark

    def declaration(self) -> str:
        return ", ".join(place.declaration() for place in self.places.values())

    def filled_with_defaults(self, body: bytes, charset: str) -> bytes:
        """For a page that Weir cannot fill."""
        for place in self.places.values():
            text = html.escape(place.default).encode(charset, "xmlcharrefreplace")
            body = body.replace(place.mark.encode(), text)
        return body


def offered(field: str | None) -> bool:
    """Whether the edge fills values, by the field Weir-Holes of a request."""
    return VALUE in offers(field)
