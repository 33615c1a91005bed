"""Asks for pages: one at a time, so many in a second, no longer than allowed; through Weir or past it."""

import http.client
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# A page longer than this is not compared.
MAX_BODY = 4 << 20
AGENT = "weir-audit"


@dataclass
class Answer:
    """One reply, or why there is none."""

    status: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    seconds: float = 0.0
    error: str | None = None

    def get(self, name: str) -> str:
        return ", ".join(value for key, value in self.fields if key.lower() == name)

    @property
    def is_html(self) -> bool:
        return self.get("content-type").partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")

    @property
    def cache_status(self) -> str:
        """What the cache nearest to us says: the last one in the list."""
        return re.split(r",\s*(?=[^;,]+;)", self.get("cache-status"))[-1].strip()

    @property
    def is_hit(self) -> bool:
        return bool(re.search(r";\s*hit\b", self.cache_status))

    @property
    def is_stored(self) -> bool:
        return bool(re.search(r";\s*(stored|collapsed)\b", self.cache_status))

    @property
    def detail(self) -> str | None:
        match = re.search(r";\s*detail=\"?([\w-]+)", self.cache_status)
        return match[1] if match else None


@dataclass
class Client:
    """`base`: the site. `origin`: where the application itself listens."""

    base: str
    origin: str | None
    rate: float
    timeout: float
    asked: int = 0
    next_at: float = 0.0

    def through(self, path: str, cookies: str | None = None) -> Answer:
        return self._ask(self.base, path, cookies)

    def past(self, path: str, cookies: str | None = None) -> Answer:
        assert self.origin is not None
        return self._ask(self.origin, path, cookies)

    def _ask(self, where: str, path: str, cookies: str | None) -> Answer:
        pause = self.next_at - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self.next_at = time.monotonic() + 1 / self.rate
        self.asked += 1
        site = urlsplit(self.base)
        headers = {"Host": site.netloc, "User-Agent": AGENT, "Accept": "text/html,*/*;q=0.8"}
        if where != self.base:
            headers["X-Forwarded-Proto"] = site.scheme
        if cookies:
            headers["Cookie"] = cookies
        started = time.monotonic()
        try:
            answer = self._exchange(where, path, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(error=f"{type(error).__name__}: {error}", seconds=time.monotonic() - started)
        answer.seconds = time.monotonic() - started
        return answer

    def _exchange(self, where: str, path: str, headers: Mapping[str, str]) -> Answer:
        url = urlsplit(where)
        host = url.hostname or ""
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, url.port, timeout=self.timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, url.port, timeout=self.timeout)
        try:
            connection.request("GET", path, headers=dict(headers))
            reply = connection.getresponse()
            return Answer(reply.status, reply.getheaders(), reply.read(MAX_BODY))
        finally:
            connection.close()
