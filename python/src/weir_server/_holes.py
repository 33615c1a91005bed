"""What an application tells Weir of the holes in its pages (the field Weir-Holes), and the tokens in them.

A token is Django's: a secret of 32 letters and digits under a mask of 32, which is another one each time.
"""

import secrets
import string
from dataclasses import dataclass

FIELD = "Weir-Holes"
KIND, VALUE = "csrf", "value"
# What Weir offers to fill in a request for a page to be shared.
OFFER = f"{KIND}, {VALUE}, nonce"
ALPHABET = string.ascii_letters + string.digits
SECRET = 32
TOKEN = 2 * SECRET


@dataclass(frozen=True)
class TokenCookie:
    """The cookie that holds a visitor's secret."""

    name: str
    max_age: int | None = None
    path: str | None = "/"
    domain: str | None = None
    secure: bool = False
    httponly: bool = False
    samesite: str | None = "Lax"

    def declaration(self, mark: str) -> str:
        """The value of Weir-Holes: what stands for a token, and the cookie that the edge reads or sets."""
        parts = [KIND, f'mark="{mark}"', f'cookie="{self.name}"']
        if self.max_age is not None:
            parts.append(f"max-age={int(self.max_age)}")
        texts = (("path", self.path), ("domain", self.domain))
        parts += [f'{name}="{text}"' for name, text in texts if text]
        flags = (("secure", self.secure), ("httponly", self.httponly))
        parts += [name for name, holds in flags if holds]
        if self.samesite:
            parts.append(f'samesite="{self.samesite}"')
        return ";".join(parts)


def offered(field: str | None) -> bool:
    """Whether the edge fills tokens, by the field Weir-Holes of a request."""
    return KIND in offers(field)


def offers(field: str | None) -> list[str]:
    return [kind.strip() for kind in (field or "").split(",")]


def letters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def masked(secret: str) -> str:
    mask = letters(SECRET)
    places = zip(map(ALPHABET.index, secret), map(ALPHABET.index, mask), strict=True)
    return mask + "".join(ALPHABET[(place + by) % len(ALPHABET)] for place, by in places)


def unmasked(token: str) -> str:
    """The secret that a token stands for. Any 64 letters and digits are a token of some secret."""
    places = zip(map(ALPHABET.index, token[SECRET:]), map(ALPHABET.index, token[:SECRET]), strict=True)
    return "".join(ALPHABET[place - by] for place, by in places)


def secret_of(text: str | None) -> str | None:
    """The secret in a cookie or a form: as it is, or masked. None: it makes no sense."""
    if text is None or len(text) not in (SECRET, TOKEN) or not set(text) <= set(ALPHABET):
        return None
    return text if len(text) == SECRET else unmasked(text)
