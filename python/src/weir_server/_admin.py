"""The admin listeners of the Weirs that have this application's pages: purges and explanations through them."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from weir_server._asker import Asker
from weir_server._edges import Edges
from weir_server._listener import Explanation, Outcome, PurgeError, Silent, Unreachable, listens, post
from weir_server._where import find_token, usual_addresses

__all__ = ["Admin", "Explanation", "Outcome", "PurgeError", "Silent", "Unreachable"]

logger = logging.getLogger("weir_server")

# What one order may hold; Weir accepts 1024 names.
MAX_NAMES = 1000
# How often to look whether somebody is at an address, and whether purges reach an edge, in seconds.
LOOK = 5.0
# How long the purge may take that shows whom purges reach. No page has its tag.
SHOW, NOTHING = 1.0, "weir:nothing"
MOST_SEEN = 1000
# What Weir never answers to a purge: not found, another method, not implemented.
NO_SUCH_PATH = (404, 405, 501)


@dataclass
class Admin:
    """All that are known: those that somebody has named, those that were found, and edges that have asked for pages.

    A purge goes to each of them, except to edges that have acknowledged it already at another one's address.
    """

    # A function is asked anew each time: the Weir may be started later than this process.
    addresses: Sequence[str] | Callable[[], Sequence[str]] = field(default_factory=lambda: usual_addresses())
    token_file: str | None = None
    # Tells other processes of a place that an edge has named.
    write_down: Callable[[str], None] = lambda address: None

    _edges: Edges = field(default_factory=Edges)
    # By address or name: until when something is known, and what.
    _seen: dict[str, tuple[float, bool]] = field(default_factory=dict)
    # The edges of which the log has said that purges do not reach them.
    _told: set[str] = field(default_factory=set)
    _looking: Any = field(default_factory=threading.RLock)

    def after_fork(self) -> None:
        """Another thread may have held these."""
        self._looking = threading.RLock()
        self._edges.after_fork()

    def known(self) -> list[str]:
        named = self.addresses() if callable(self.addresses) else self.addresses
        asked = [] if self.is_off else self._edges.addresses()
        return list(dict.fromkeys([*named, *asked]))

    @property
    def is_off(self) -> bool:
        return callable(self.addresses) and os.environ.get("WEIR_ADMIN") == "off"

    @property
    def is_guess(self) -> bool:
        """Nobody has named the addresses, so what listens there need not be a Weir."""
        return callable(self.addresses) and not os.environ.get("WEIR_ADMIN")

    def is_there(self) -> bool:
        """Whether somebody can be told of a change: if not, no page may live longer than its location says."""
        if self.is_guess:
            return any(self._remembered(address, partial(listens, address)) for address in self.known())
        return bool(self.known())

    def meet(self, asker: Asker | None) -> None:
        """An edge asks for something: from now on changes are told it too, if it has proven where it listens."""
        if asker is None or asker.address is None or self.is_off:
            return
        proven = f"{asker.address} {asker.name} {asker.proof.hex()}"
        if self._remembered(proven, lambda: self._is_proven(asker)) and self._edges.asks(asker.address, asker.name):
            self.write_down(asker.address)

    def _is_proven(self, asker: Asker) -> bool:
        try:
            token = asker.address and self._token(asker.address)
        except PurgeError:
            return False
        return bool(token) and asker.is_proven_by(str(token))

    def reaches(self, asker: Asker | None) -> bool:
        """Whether changes will purge the pages of the edge that asks for one."""
        if asker is None or asker.name is None:
            # It says nothing of itself.
            return self.is_there()
        if self.is_off:
            return False
        name = asker.name
        return self._is_reached(name) or self._remembered(f"edge {name}", lambda: self._finds(asker))

    def _is_reached(self, name: str) -> bool:
        places = self._edges.reached_at(name).intersection(self.known())
        if not self.is_guess:
            return bool(places)
        return any(self._remembered(address, partial(listens, address)) for address in places)

    def _finds(self, asker: Asker) -> bool:
        name = str(asker.name)
        advice = f'name its address {asker.address} in WEIR["ADMIN"]' if asker.address else "its `admin` is off"
        try:
            self.purge(tags=[NOTHING], timeout=SHOW)
            reason = f"purges at {', '.join(self.known())} do not reach it"
        except (Silent, Unreachable) as error:
            if not self.is_guess:
                # Purges are tried until they are over.
                return True
            reason = str(error)
        except PurgeError as error:
            # However often they are tried.
            reason, advice = str(error), "no purge is made there"
        if self._is_reached(name):
            return True
        if name not in self._told:
            self._told.add(name)
            logger.warning(
                "pages for the Weir %s are kept no longer than their locations say: %s; %s (docs/python.md)",
                name,
                reason,
                advice,
            )
        return False

    def _remembered(self, what: str, look: Callable[[], bool]) -> bool:
        """What was seen a moment ago, or is seen now: by one thread, for all."""
        until, found = self._seen.get(what, (0.0, False))
        if time.monotonic() < until:
            return found
        with self._looking:
            until, found = self._seen.get(what, (0.0, False))
            if time.monotonic() >= until:
                found = look()
                if len(self._seen) > MOST_SEEN:
                    self._seen.clear()
                self._seen[what] = time.monotonic() + LOOK, found
        return found

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
            outcome = outcome.with_(self._order(json.dumps(order), timeout))
        return outcome

    def _order(self, order: str, timeout: float) -> Outcome:
        failures: list[tuple[str, PurgeError]] = []
        outcome: Outcome | None = None
        for address in self.known():
            if outcome and self._edges.name_at(address) in outcome.acknowledged:
                continue
            try:
                purged = self._purged(address, order, timeout)
            except PurgeError as error:
                failures.append((address, error))
                continue
            outcome = outcome.with_(purged) if outcome else purged
        serious = [self._in_earnest(error) for address, error in failures if self._is_serious(address, error)]
        if outcome and not serious:
            return outcome
        raise most_telling(serious or [error for _, error in failures])

    def _is_serious(self, address: str, error: PurgeError) -> bool:
        """Whether pages may be old there, although a purge was made elsewhere."""
        if self._edges.is_along(address):
            # If it has not acknowledged the purge there, it has no pages either.
            return False
        if self._edges.is_recent(address):
            return True
        is_edge = self._edges.name_at(address) is not None
        self._edges.forget(address)
        if isinstance(error, Unreachable):
            return False
        return is_edge or self.is_guess == isinstance(error, Silent)

    def _in_earnest(self, error: PurgeError) -> PurgeError:
        """Who is not there for a moment may keep its pages, and come back with them."""
        return Silent(str(error)) if isinstance(error, Unreachable) else error

    def explain(self, url: str, fields: Sequence[str] = (), timeout: float = 10.0) -> list[Explanation]:
        """What each Weir would do with a request for this URL; it asks the application once and stores nothing.

        `fields`: "Name: value". Raises PurgeError if none of them explains.
        """
        order = json.dumps({"url": url, "fields": list(fields)})
        found: list[Explanation] = []
        failures: list[PurgeError] = []
        for address in self.known():
            try:
                found.append(self._explanation(address, order, timeout))
            except PurgeError as error:
                failures.append(error)
        if found and all(isinstance(error, Unreachable) for error in failures):
            return found
        raise most_telling(failures)

    def _explanation(self, address: str, order: str, timeout: float) -> Explanation:
        status, found = post(address, "/api/v1/explain", order, self._token(address), timeout)
        if status != 200:
            raise PurgeError(f"{address} does not explain: {found.get('error', status)}")
        return Explanation(address, found)

    def _purged(self, address: str, order: str, timeout: float) -> Outcome:
        status, found = post(address, "/api/v1/purge", order, self._token(address), timeout)
        if status in NO_SUCH_PATH:
            raise Unreachable(f"another program than weir listens at {address}: it answers with {status}")
        if status not in (200, 202):
            raise PurgeError(f"{address} refused the purge: {found.get('error', status)}")
        return self._outcome(address, found)

    def _outcome(self, address: str, found: dict[str, Any]) -> Outcome:
        outcome = Outcome(
            bool(found.get("complete")),
            tuple(found.get("acknowledged", ())),
            tuple(found.get("missing", ())),
            float(found.get("milliseconds", 0)),
            tuple(found.get("details", ())),
        )
        self._edges.purged(address, found.get("edge"), outcome.acknowledged, outcome.missing)
        return outcome

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


def most_telling(failures: Sequence[PurgeError]) -> PurgeError:
    """A refusal says more than a silence, and that more than that nobody is there."""
    weights = {Silent: 1, Unreachable: 2}
    given = [*failures, Unreachable("no admin address is set")]
    return min(given, key=lambda error: weights.get(type(error), 0))
