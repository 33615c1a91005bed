"""Which edge asks the application: the field Weir-Admin of a request, which Weir takes out of what clients send.

`"127.0.0.1:9900";edge="host:8080";proof=:…:` says where the edge's pages are purged, what it is called in the answer to
a purge, and, by HMAC with SHA-256, that it has the token of that place. `off` in place of the address: nowhere.
Whoever reaches the application past Weir may say anything, so what is not proven leads nobody anywhere.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache

FIELD = "Weir-Admin"
VARIABLE = "HTTP_WEIR_ADMIN"
TEXT = r'"((?:[^"\\]|\\.)*)"'
FORM = re.compile(rf"(?:off|{TEXT})(?:;edge={TEXT})?(?:;proof=:([A-Za-z0-9+/=]*):)?")
LONGEST = 1000


@dataclass(frozen=True)
class Asker:
    # None: it has no admin listener.
    address: str | None
    # None: it has a name that no field can hold.
    name: str | None
    proof: bytes = b""

    def is_proven_by(self, token: str) -> bool:
        signed = f"weir-admin\0{self.address}\0{self.name}".encode()
        return hmac.compare_digest(self.proof, hmac.digest(token.encode(), signed, "sha256"))


@lru_cache(maxsize=64)
def asker(field: str | None) -> Asker | None:
    """None: nobody has said anything that makes sense."""
    found = FORM.fullmatch(field) if field and len(field) <= LONGEST else None
    if found is None:
        return None
    address, name, proof = found.groups()
    try:
        decoded = base64.b64decode(proof or "", validate=True)
    except binascii.Error:
        return None
    return Asker(unquoted(address), unquoted(name), decoded)


def unquoted(text: str | None) -> str | None:
    return None if text is None else re.sub(r"\\(.)", r"\1", text)
