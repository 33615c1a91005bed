"""Which pages of a site to look at: links of one host that ask for nothing to be done."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from weir_server.audit.client import AGENT, Answer

# A link with one of these words may do something when it is followed, or end the session that we look with.
ACTIONS = frozenset(
    "logout signout logoff delete remove destroy drop unsubscribe subscribe cancel confirm activate deactivate approve"
    " reject accept decline buy pay checkout cart basket vote like unlike follow unfollow flag report reset revoke"
    " regenerate publish unpublish restore archive clear purge toggle mark send export download print do action add"
    " create new edit update save upload import submit impersonate switch setlang i18n".split()
)
# Pages that are not worth comparing, such as an endless calendar, are taken up to here for each path.
MAX_QUERIES = 3
# Characters of an address that stay as they are.
SAFE = "/%:@!$&'()*+,;=~-._[]"


class Links(HTMLParser):
    """The links of a page, unless it says that they are not to be followed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base: str | None = None
        self.nofollow = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "base" and given.get("href"):
            self.base = given["href"]
        elif tag == "meta" and given.get("name", "").lower() in ("robots", AGENT):
            self.nofollow = self.nofollow or forbids(given.get("content", ""))
        elif tag in ("a", "area") and given.get("href") and is_plain(given):
            self.found.append(given["href"])


def is_plain(given: dict[str, str]) -> bool:
    """Whether a link may be followed, and no script makes something else of it."""
    scripted = any(name.startswith(("hx-", "data-method", "data-confirm", "onclick")) for name in given)
    return not scripted and "nofollow" not in given.get("rel", "").lower().split()


def forbids(text: str) -> bool:
    words = {word.strip().lower() for word in re.split(r"[,:]", text)}
    return bool(words & {"nofollow", "none"})


def is_action(path: str) -> bool:
    """Whether following this link might do something: judged by the words in its path and its parameters."""
    parts = urlsplit(path)
    texts = [parts.path, *(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))]
    texts += [value for name, value in parse_qsl(parts.query) if name.lower() in ("action", "do", "op", "cmd", "mode")]
    words = {word for text in texts for word in re.split(r"[^a-z0-9]+", text.lower())}
    joined = {re.sub(r"[^a-z0-9]+", "", piece) for text in texts for piece in text.lower().split("/")}
    return bool((words | joined) & ACTIONS) or {"log", "out"} <= words or {"sign", "out"} <= words


class Frontier:
    """The pages still to look at, in the order in which they were found."""

    def __init__(self, start: str, robots: Answer, exclude: str | None) -> None:
        site = urlsplit(start)
        self.base = f"{site.scheme}://{site.netloc}"
        self.exclude = re.compile(exclude) if exclude else None
        self.robots = RobotFileParser()
        lines = robots.body.decode("utf-8", "replace").splitlines() if robots.status == 200 else []
        self.robots.parse(lines)
        self.known: set[str] = set()
        self.queries: dict[str, int] = {}
        self.waiting: list[str] = []
        self.left_alone: dict[str, str] = {}
        self.add(start, start)

    def __iter__(self) -> Iterator[str]:
        while self.waiting:
            yield self.waiting.pop(0)

    def look(self, path: str, answer: Answer) -> None:
        """Takes the links of a page, or the place that it redirects to."""
        here = self.base + path
        if answer.get("location"):
            self.add(here, answer.get("location"))
        if not answer.is_html or forbids(answer.get("x-robots-tag")):
            return
        links = Links()
        links.feed(answer.body.decode("utf-8", "replace"))
        if not links.nofollow:
            for link in links.found:
                self.add(urljoin(here, links.base) if links.base else here, link)

    def add(self, here: str, link: str) -> None:
        try:
            url = urlsplit(urljoin(here, link.strip()))
        except ValueError:
            return
        if f"{url.scheme}://{url.netloc}" != self.base:
            return
        path = quote(url.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
            f"?{quote(url.query, safe=SAFE)}" if url.query else ""
        )
        if path in self.known:
            return
        self.known.add(path)
        reason = self.why_not(path)
        if reason:
            self.left_alone[path] = reason
        else:
            self.waiting.append(path)

    def why_not(self, path: str) -> str | None:
        if len(self.known) > 1 and is_action(path):
            return "looks like an action"
        if self.exclude and self.exclude.search(path):
            return "excluded"
        if not self.robots.can_fetch(AGENT, self.base + path):
            return "robots.txt"
        bare, _, query = path.partition("?")
        if query:
            self.queries[bare] = self.queries.get(bare, 0) + 1
            if self.queries[bare] > MAX_QUERIES:
                return "one of many queries"
        return None
