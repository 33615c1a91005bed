"""Nonces of a Content-Security-Policy in pages to be shared: Weir puts another one there for each visitor."""

import re
from collections.abc import Iterable

from weir_server._holes import TOKEN, letters, offers

KIND = "nonce"
POLICIES = ("Content-Security-Policy", "Content-Security-Policy-Report-Only")
SOURCE = re.compile(r"'nonce-([^'\s;,]+)'?", re.IGNORECASE)
# A shorter text may stand in a page by chance.
SHORTEST = 16
MOST = 2


def offered(field: str | None) -> bool:
    """Whether the edge fills nonces, by the field Weir-Holes of a request."""
    return KIND in offers(field)


def nonces(policies: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(nonce for policy in policies for nonce in SOURCE.findall(policy)))


def marks(policies: Iterable[str]) -> dict[str, str]:
    """A mark for each nonce; none if there are none, or if they cannot be told from other text."""
    found = nonces(policies)
    if len(found) > MOST or any(len(nonce) < SHORTEST for nonce in found):
        return {}
    return {nonce: letters(TOKEN) for nonce in found}


def marked(text: str, by_nonce: dict[str, str]) -> str:
    for nonce, mark in by_nonce.items():
        text = text.replace(nonce, mark)
    return text


def marked_body(body: bytes, by_nonce: dict[str, str]) -> bytes:
    for nonce, mark in by_nonce.items():
        body = body.replace(nonce.encode(), mark.encode())
    return body


def declaration(by_nonce: dict[str, str]) -> str:
    return ", ".join(f'{KIND};mark="{mark}"' for mark in by_nonce.values())
