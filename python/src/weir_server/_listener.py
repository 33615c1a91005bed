"""One admin listener of a running weir or edge: what it answers."""

import http.client
import json
import re
import socket
from dataclasses import dataclass
from typing import Any

# How long to wait for a connection, in seconds; and where it is only asked whether somebody is there.
CONNECT, PROBE = 3.0, 0.3


class PurgeError(Exception):
    """A purge that was refused, or that nobody received."""


class Unreachable(PurgeError):
    """Nothing listens there."""


class Silent(PurgeError):
    """Somebody listens there and does not answer: it may have pages, and may not have heard of the purge."""


@dataclass(frozen=True)
class Outcome:
    """What became of a purge."""

    complete: bool
    acknowledged: tuple[str, ...] = ()
    # Edges and nodes that may still use a page from before.
    missing: tuple[str, ...] = ()
    milliseconds: float = 0.0
    details: tuple[str, ...] = ()

    def with_(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.complete and other.complete,
            tuple(dict.fromkeys(self.acknowledged + other.acknowledged)),
            tuple(dict.fromkeys(self.missing + other.missing)),
            self.milliseconds + other.milliseconds,
            self.details + other.details,
        )


@dataclass(frozen=True)
class Explanation:
    """What one Weir says of a request: `verdict` is one word, such as "hit", "join", "bypass" (docs/settings.md)."""

    address: str
    found: dict[str, Any]

    @property
    def verdict(self) -> str:
        return str(self.found.get("verdict", ""))

    @property
    def is_cached(self) -> bool:
        return self.verdict in ("hit", "stale", "standby")

    @property
    def reason(self) -> str | None:
        """Why the page is not stored, or not for this visitor: as in `Cache-Status; detail=`."""
        return self.found.get("reason")

    @property
    def conclusion(self) -> str:
        return str(self.found.get("conclusion", ""))

    @property
    def steps(self) -> list[dict[str, str]]:
        return list(self.found.get("steps", ()))

    @property
    def is_storable(self) -> bool:
        """Whether the reply that the application gave now may be stored for others."""
        return self.conclusion.startswith("The page is stored")

    @property
    def age(self) -> float | None:
        """For how many seconds the page has been stored there."""
        ages = (
            re.search(r"; age ([\d.]+) s of", step["found"]) for step in self.steps if step["step"] == "stored here"
        )
        return next((float(age[1]) for age in ages if age), None)


def post(address: str, path: str, body: str, token: str | None, timeout: float) -> tuple[int, dict[str, Any]]:
    """The status, and what the answer says."""
    host, port = parts(address)
    connection = http.client.HTTPConnection(host, port, timeout=min(timeout, CONNECT))
    headers = {"Content-Type": "application/json", "Host": address}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.connect()
        connection.sock.settimeout(timeout)
    except TimeoutError as error:
        raise Silent(f"{address} does not answer: {error}") from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"nothing answers at {address}: {error}; check that weir is running") from error
    try:
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        text = reply.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise Silent(f"{address} does not answer like weir: {error!r}") from error
    finally:
        connection.close()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return reply.status, found if isinstance(found, dict) else {"error": text.decode(errors="replace").strip()}


def listens(address: str) -> bool:
    try:
        socket.create_connection(parts(address), timeout=PROBE).close()
    except (OSError, UnicodeError, PurgeError):
        return False
    return True


def parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise PurgeError(f"{address} is no admin address: write host:port")
    return host.strip("[]"), int(port)
