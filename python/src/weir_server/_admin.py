"""The admin listener of a running weir or edge: its address, its token, purges and explanations through it."""

import hashlib
import http.client
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

USUAL_ADDRESS = "127.0.0.1:9900"
# What one order may hold; Weir accepts 1024 names.
MAX_NAMES = 1000
# How often to look whether somebody is at an address that nobody has named, and for how long, in seconds.
LOOK, PROBE = 5.0, 0.3


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


@dataclass
class Admin:
    """One or more admin listeners of one Weir: the first that answers makes the purge."""

    # A function is asked anew each time: the Weir may be started later than this process.
    addresses: Sequence[str] | Callable[[], Sequence[str]] = field(default_factory=lambda: usual_addresses())
    token_file: str | None = None

    # Until when it is known whether somebody is at an address that nobody has named.
    _until: float = 0.0
    _is_there: bool = False

    def known(self) -> Sequence[str]:
        return self.addresses() if callable(self.addresses) else self.addresses

    @property
    def is_guess(self) -> bool:
        """Nobody has named the addresses, so they need not be edges of one Weir."""
        return callable(self.addresses) and not os.environ.get("WEIR_ADMIN")

    def is_there(self) -> bool:
        """Whether somebody can be told of a change: if not, no page may live longer than its location says."""
        if not callable(self.addresses):
            return bool(self.addresses)
        if named := os.environ.get("WEIR_ADMIN"):
            return named != "off"
        now = time.monotonic()
        if now >= self._until:
            self._is_there, self._until = any(map(listens, self.known())), now + LOOK
        return self._is_there

    def purge(
        self,
        *,
        tags: Iterable[str] = (),
        urls: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        everything: bool = False,
        soft: bool = False,
        timeout: float = 35.0,
    ) -> Outcome:
        """Returns when the purge is over everywhere, or says who is missing."""
        names = [("tags", name) for name in tags] + [("urls", name) for name in urls]
        names += [("prefixes", name) for name in prefixes]
        outcome = Outcome(complete=True)
        for at in range(0, max(len(names), int(everything)), MAX_NAMES):
            order: dict[str, object] = {"all": everything, "soft": soft}
            for kind in ("tags", "urls", "prefixes"):
                order[kind] = [name for of, name in names[at : at + MAX_NAMES] if of == kind]
            outcome = outcome.with_(self._order(order, timeout))
        return outcome

    def _order(self, order: dict[str, object], timeout: float) -> Outcome:
        failures: list[PurgeError] = []
        outcome: Outcome | None = None
        for address in self.known():
            try:
                purged = self._purged(address, json.dumps(order), timeout)
            except (Silent, Unreachable) as error:
                failures.append(error)
                continue
            except PurgeError:
                if outcome is None:
                    raise
                # What listens at the usual address need not be a Weir.
                continue
            outcome = purged.with_(outcome) if outcome else purged
            if not self.is_guess:
                return outcome
        silent = [failure for failure in failures if isinstance(failure, Silent)]
        if outcome and not silent:
            return outcome
        raise [*silent, *failures, Unreachable("no admin address is set")][0]

    def explain(self, url: str, fields: Sequence[str] = (), timeout: float = 10.0) -> list["Explanation"]:
        """What each Weir would do with a request for this URL; it asks the application once and stores nothing.

        `fields`: "Name: value". Raises PurgeError if one of them does not explain.
        """
        order = json.dumps({"url": url, "fields": list(fields)})
        return [self._explanation(address, order, timeout) for address in self.known()]

    def _explanation(self, address: str, order: str, timeout: float) -> "Explanation":
        status, found = self._post(address, "/api/v1/explain", order, timeout)
        if status != 200:
            raise PurgeError(f"{address} does not explain: {found.get('error', status)}")
        return Explanation(address, found)

    def _purged(self, address: str, order: str, timeout: float) -> Outcome:
        status, found = self._post(address, "/api/v1/purge", order, timeout)
        if status not in (200, 202):
            raise PurgeError(f"{address} refused the purge: {found.get('error', status)}")
        return Outcome(
            bool(found["complete"]),
            tuple(found.get("acknowledged", ())),
            tuple(found.get("missing", ())),
            float(found.get("milliseconds", 0)),
            tuple(found.get("details", ())),
        )

    def _post(self, address: str, path: str, body: str, timeout: float) -> tuple[int, dict[str, Any]]:
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
        headers = {"Content-Type": "application/json", "Host": address}
        token = self._token(address)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.connect()
        except TimeoutError as error:
            raise Silent(f"{address} does not answer: {error}") from error
        except OSError as error:
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

    def _token(self, address: str) -> str | None:
        file = Path(self.token_file) if self.token_file else find_token(address)
        if file is None:
            return None
        try:
            return file.read_text().strip()
        except OSError as error:
            if self.token_file:
                raise PurgeError(f"token file {file}: {error}") from error
            return None


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE).close()
    except OSError:
        return False
    return True


def usual_addresses(database: str | None = None) -> tuple[str, ...]:
    """What `weir serve` tells its application; what such an application of this database has written down, for
    processes that nobody has told anything, such as a shell; or where Weir listens if nobody said otherwise.
    """
    named = os.environ.get("WEIR_ADMIN")
    if not named:
        # What is written down may be of a Weir that has ended since.
        named = ",".join(filter(None, (database and written_down(database), USUAL_ADDRESS)))
    parts = dict.fromkeys(part.strip() for part in named.split(","))
    return tuple(part for part in parts if part not in ("", "off"))


def write_down(database: str) -> None:
    """Tells other processes that change the same database where its Weir listens, if `weir serve` has told us."""
    named = os.environ.get("WEIR_ADMIN")
    if not named or written_down(database) == named:
        return
    for directory in directories():
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=directory, delete=False) as new:
                new.write(named)
            Path(new.name).replace(directory / note_of(database))
        except OSError:
            continue
        return


def written_down(database: str) -> str | None:
    files = [directory / note_of(database) for directory in directories()]
    readable = [file for file in files if os.access(file, os.R_OK)]
    return max(readable, key=lambda file: file.stat().st_mtime).read_text().strip() if readable else None


def note_of(database: str) -> str:
    return f"database-{hashlib.blake2b(database.encode(), digest_size=12).hexdigest()}.admin"


def directories() -> list[Path]:
    """Where a process of Weir leaves what others of its user must know."""
    places = [
        os.environ.get("WEIR_RUNTIME_DIR"),
        "/run/weir",
        below("XDG_RUNTIME_DIR", "weir"),
        below("XDG_STATE_HOME", "weir"),
        below("HOME", ".local/state/weir"),
    ]
    return [Path(place) for place in places if place and place.startswith("/")]


def find_token(address: str) -> Path | None:
    """The file in which the process that listens at this address has written its token; see docs/security.md."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in address)
    exact = [directory / f"admin-{plain}.token" for directory in directories()]
    port = address.rpartition(":")[2]
    same_port = [file for directory in directories() for file in directory.glob(f"admin-*_{port}.token")]
    for files in (exact, same_port):
        readable = [file for file in files if os.access(file, os.R_OK)]
        if readable:
            return max(readable, key=lambda file: file.stat().st_mtime)
    return None


def below(variable: str, rest: str) -> str | None:
    directory = os.environ.get(variable)
    return f"{directory}/{rest}" if directory else None
